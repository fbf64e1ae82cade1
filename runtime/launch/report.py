"""Errors, warnings and debug lines, to stderr and to the --log file: the one edge where the planner speaks.

As runc does it: with --log the plain line goes to stderr as well as a record to the file; without, a record goes to stderr.  The
executor's `report.c` writes the same records.  One record is one write(2).
"""

import posix
from time import gmtime, time, time_ns

from oci_schemas.json_text import quote
from runtime.errors import SyscallError

LEVELS = ("error", "warning", "info", "debug")


def rfc3339(seconds: int, fraction: str = "") -> str:
    """A time as RFC 3339 in UTC; containerd's shim refuses a whole log when one time does not parse."""
    year, month, day, hour, minute, second = gmtime(seconds)[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"


def rfc3339_nano(nanoseconds: int) -> str:
    """A time with all digits that it has and no trailing zeros, as Go's RFC3339Nano."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return rfc3339(seconds, f".{rest:09}".rstrip("0").rstrip("."))


def created_now() -> str:
    """The moment for a state's `created`."""
    return rfc3339_nano(time_ns())


def reason(error: OSError) -> str:
    """The errno's words, in lower case as everywhere."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[posix.write(fd, data) :]


def encode(text: str) -> bytes:
    """Text as UTF-8, whatever the locale; bytes that came in as no UTF-8 go out as they were."""
    return text.encode("utf-8", "surrogateescape")


def show(data: bytes) -> None:
    """Write to standard output, unbuffered: what was shown stands before what is reported next.  Raises: OSError."""
    _write(1, data)


def _write_stderr(line: str) -> None:
    try:
        _write(2, encode(line))
    except OSError:
        return  # nobody listens: nothing is left to tell it with


def _open_log(path: str) -> int:
    return posix.open(path, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NOCTTY | posix.O_CLOEXEC, 0o644)


_BLANKS = dict.fromkeys((*range(32), 127), " ")


def one_line(text: str) -> str:
    """The text without control characters: names in it may be an image's, and give no orders to a terminal."""
    return text.translate(_BLANKS)


class Report:
    """Where lines go; made once the global flags are known."""

    __slots__ = ("as_json", "held", "level", "path", "prefix")

    def __init__(self, path: str | None = None, as_json: bool = False, level: str = "warning") -> None:
        """`path` is the --log file, `level` the least one of LEVELS that is written."""
        self.path = path
        self.as_json = as_json
        self.level = level
        self.held: list[tuple[str, str]] | None = None  # a list: warnings wait in it until `release`
        self.prefix = ""  # what the error line begins with: "runc create failed: " and the like, set by the verb

    @property
    def debugging(self) -> bool:
        """True with --debug."""
        return self.level == "debug"

    def check_log(self) -> None:
        """Make the --log file, so that no container starts whose errors would be lost.  Raises: SyscallError."""
        if self.path is None:
            return
        try:
            posix.close(_open_log(self.path))
        except OSError as error:
            path, self.path = self.path, None  # told on stderr then
            raise SyscallError(f"open {path}", error.errno or 0, reason(error)) from error

    def _record(self, level: str, line: str) -> bytes:
        now = rfc3339(int(time()))
        if self.as_json:
            text = f'{{"level":"{level}","msg":{quote(line)},"time":"{now}"}}\n'
        else:
            text = f'time="{now}" level={level} msg={quote(line)}\n'
        return text.encode("utf-8", "replace")

    def _log(self, level: str, line: str) -> None:
        record = self._record(level, line)
        if self.path is None:
            _write_stderr(record.decode())
            return
        try:
            fd = _open_log(self.path)
            try:
                _write(fd, record)
            finally:
                posix.close(fd)
        except OSError as error:
            _write_stderr(f"unable to open the log {self.path}: {reason(error)}\n")

    def release(self) -> None:
        """Write what was held back: nothing can send this command line to another interpreter any more."""
        held, self.held = self.held, None
        for level, line in held or ():
            self._log(level, line)

    def _at(self, level: str, line: str) -> None:
        if self.held is not None and LEVELS.index(level) <= LEVELS.index(self.level):
            self.held.append((level, line))
        elif LEVELS.index(level) <= LEVELS.index(self.level):
            self._log(level, line)

    def error(self, line: str) -> None:
        """The one line that an engine reads, after the verb's prefix."""
        line = self.prefix + line
        if self.path is not None:
            _write_stderr(one_line(line) + "\n")  # first: podman shows the first line that it knows
        self._log("error", line)

    def warning(self, line: str) -> None:
        """Something that does not change what is done."""
        self._at("warning", line)

    def notice(self, line: str) -> None:
        """Something that was said not to matter: a warning in the --log; without one it is not told below level info."""
        self._at("info" if self.path is None else "warning", line)

    def debug(self, line: str) -> None:
        """What is being done."""
        self._at("debug", line)
