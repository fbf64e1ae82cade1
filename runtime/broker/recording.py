"""Record mode: what a container did, put together while it runs, for `postern policy learn`.

The core answers every call with CONTINUE and tells us of it; here equal calls become one entry, so that a busy program's record stays small.
One file a container, <root>/@broker/log/NAME.learned, written anew when something was added and the container is quiet, and at its end.
"""

import posix
from json import dumps, loads
from time import monotonic

from runtime.broker.arguments import domain_name, namespace_names, option_name, request_name, type_name
from runtime.broker.logs import DIRECTORY, log_name
from runtime.broker.needs import OPENING, UNFOLLOWED, access_of, can_change, is_read_only, is_special

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.broker.audit import CallNames
    from runtime.broker.native import Event
    from runtime.broker.registry import Registration

FORMAT = 2
MOST_ENTRIES = 200_000
MADE = "+"  # in the place of what is there: the call was to make it
_UNIX = "unix:"
_MOST_STEPS = 256
_HEAD = 4096
_PAUSE = 1.0
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW | posix.O_CLOEXEC
_STRENGTH = {"": 0, "-": 0, MADE: 2}  # of others: 1


def recording_name(container_id: str) -> str:
    """The file's name for a container."""
    return log_name(container_id).removesuffix(".jsonl") + ".learned"


def recording_path(root: str, container_id: str) -> str:
    """Where the broker of a state root writes a container's recording."""
    return f"{root}/@broker/{DIRECTORY}/{recording_name(container_id)}"


def class_of(call: str, args: "tuple[int, ...]") -> str:
    """The class of a call's register arguments that a policy can limit; "" for calls without one."""
    if call in ("socket", "socketpair"):
        protocol = args[2] & 0xFFFFFFFF
        return f"{domain_name(args[0])} {type_name(args[1])} {protocol}"
    if call == "ioctl":
        return request_name(args[1])
    if call == "prctl":
        return option_name(args[0])
    if call in ("clone", "unshare"):
        return "|".join(namespace_names(args[0]))
    if call == "setns":
        return "|".join(namespace_names(args[1]))
    return ""


def real_path(root: str, path: str) -> tuple[str, str]:
    """A path of a container without its symlinks, and what is there: d, f, or - for nothing (any more).

    `root` leads into the container (/proc/PID/root); links are followed below it alone.
    """
    done = ""
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    for _ in range(_MOST_STEPS):
        if not todo:
            break
        part = todo.pop()
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        try:
            link = posix.readlink(f"{root}{done}/{part}") if not done.startswith("/proc/") else ""
        except OSError:
            link = ""
        if not link:
            done = f"{done}/{part}"
            continue
        if link[0] == "/":
            done = ""
        todo += [part for part in reversed(link.split("/")) if part not in ("", ".")]
    try:
        kind = "d" if posix.lstat(root + done).st_mode & 0o170000 == 0o040000 else "f"
    except OSError:
        kind = "-"
    return done or "/", kind


def interpreter_of(path: str) -> list[str]:
    """What the kernel opens by itself to start a program: the interpreter of a script, or the loader; empty without one."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except OSError:
        return []
    try:
        data = posix.read(fd, _HEAD)
    finally:
        posix.close(fd)
    if data[:2] == b"#!":
        words = data[2:].split(b"\n", 1)[0].split()
        return [words[0].decode("utf-8", "surrogateescape")] if words else []
    if data[:5] != b"\x7fELF\x02":
        return []
    offset, size, count = (int.from_bytes(data[at : at + width], "little") for at, width in ((32, 8), (54, 2), (56, 2)))
    for number in range(count):
        entry = data[offset + number * size :][:size]
        if len(entry) >= 40 and entry[:4] == b"\x03\0\0\0":
            begin, length = (int.from_bytes(entry[at : at + 8], "little") for at in (8, 32))
            return [data[begin : begin + length].rstrip(b"\0").decode("utf-8", "surrogateescape")]
    return []


def _open(path: str, flags: int) -> int:
    """An owned descriptor, or -1."""
    try:
        return posix.open(path, flags | posix.O_CLOEXEC)
    except OSError:
        return -1


class Recording:
    """What one container did so far."""

    __slots__ = ("_calls", "_mounts_fd", "_root", "_root_fd", "_seen", "_targets", "changed", "lost", "seen")

    def __init__(self, pid: int) -> None:
        """Nothing.  `pid` is the container's init, through which its files are looked at."""
        # its files stay within reach when it has ended, with all that is mounted among them
        self._root_fd = _open(f"/proc/{pid}/root", posix.O_PATH | posix.O_DIRECTORY)
        self._mounts_fd = _open(f"/proc/{pid}/ns/mnt", posix.O_RDONLY)
        self._root = f"/proc/self/fd/{self._root_fd}"
        self._calls: dict[str, set[str]] = {}
        self._seen: set[tuple[str, str, str]] = set()  # as the core told them
        self._targets: dict[tuple[str, str, str], str] = {}  # call, access, path or address: what is there
        self.changed = False
        self.lost = 0
        self.seen = 0

    def add(self, call: str, args: "tuple[int, ...]", text: str) -> None:
        """One call.  `text`: the paths or the address that the core copied, a line each."""
        self.seen += 1
        classes = self._calls.get(call)
        if classes is None:
            classes = self._calls[call] = set()
            self.changed = True
        argument_class = class_of(call, args)
        if argument_class and argument_class not in classes:
            classes.add(argument_class)
            self.changed = True
        if text:
            for index, line in enumerate(text.split("\n")):
                self._add_target(call, args, index, line.strip())

    def _add_program(self, path: str) -> None:
        """A program, and what the kernel opens to start it."""
        for _ in range(4):  # a script's interpreter may be a script
            self._targets[("execve", "execute", path)] = "f"
            found = interpreter_of(self._root + path)
            if not found:
                return
            path, kind = real_path(self._root, found[0])
            if kind != "f":
                return

    def _add_target(self, call: str, args: "tuple[int, ...]", index: int, target: str) -> None:
        access = access_of(call, args, index)
        mark = target[:1] if target[:1] in ("=", "!") else ""
        existed = mark == "="
        changes = access == "write" and mark != "!" and can_change(call, args, existed)
        told = (call, access, f"{changes} {target}")
        if told in self._seen or not target:
            return
        if len(self._seen) >= MOST_ENTRIES:
            self.lost += 1
            return
        self._seen.add(told)
        self.changed = True
        target = target[len(mark) :].lstrip()
        if target[:1] != "/":
            self._add_address(call, target, reached=mark != "!")
            return
        path, kind = self._find(call, target)
        if not existed:
            kind = MADE if changes else "-"
        elif kind == "-":
            kind = "f"  # it is gone since
        if access == "write" and (not changes or is_read_only(self._root, path)):
            kind = "-"
        if access == "write" and call in OPENING and is_special(self._root + path):
            access, kind = (
                "read",
                "f",
            )  # what a device or a FIFO takes changes no file system, and it is judged by reading
        if access == "execute" and kind == "f" and not path.startswith("/proc/"):
            self._add_program(path)
        key = (call, access, path)
        if _STRENGTH.get(kind, 1) >= _STRENGTH.get(self._targets.get(key, ""), 1):
            self._targets[key] = kind

    def _add_address(self, call: str, address: str, reached: bool) -> None:
        """A peer or a socket; `reached`: it can be, since it is there.  A unix socket's name has no symlinks, as rules have it."""
        if address.startswith(_UNIX + "/"):
            address = _UNIX + self._find(call, address.removeprefix(_UNIX))[0]
        kind = "" if reached else "-"
        if reached or (call, "", address) not in self._targets:
            self._targets[(call, "", address)] = kind

    def _find(self, call: str, target: str) -> tuple[str, str]:
        """As `real_path`; of calls that mean a link itself, the link."""
        head, _, last = target.rstrip("/").rpartition("/")
        if call not in UNFOLLOWED or last in ("", ".", ".."):
            return real_path(self._root, target)
        parent, _kind = real_path(self._root, head or "/")
        path = f"{parent.rstrip('/')}/{last}"
        try:
            kind = "d" if posix.lstat(self._root + path).st_mode & 0o170000 == 0o040000 else "f"
        except OSError:
            kind = "-"
        return path, kind

    def close(self) -> None:
        """Give the container's files up."""
        for fd in (self._root_fd, self._mounts_fd):
            if fd >= 0:
                posix.close(fd)
        self._root_fd = self._mounts_fd = -1

    def document(self) -> "dict[str, Any]":
        """The record as it is kept in a file."""
        return {
            "format": FORMAT,
            "seen": self.seen,
            "lost": self.lost,
            "calls": {call: sorted(classes) for call, classes in sorted(self._calls.items())},
            "targets": [[*key, kind] for key, kind in sorted(self._targets.items())],
        }


class Recordings:
    """The recordings of all containers in record mode."""

    __slots__ = ("_by_container", "_directory", "_names", "_next")

    def __init__(self, broker_directory: str, names: "CallNames") -> None:
        """Files go below `broker_directory`, where the log's do."""
        self._directory = f"{broker_directory}/{DIRECTORY}"
        self._names = names
        self._by_container: dict[str, Recording] = {}
        self._next = 0.0

    def begin(self, registration: "Registration") -> None:
        """A container in record mode has come."""
        if registration.container_id not in self._by_container:
            self._by_container[registration.container_id] = Recording(registration.pid)

    def add(self, event: "Event", registration: "Registration") -> None:
        """One call of a container."""
        self.begin(registration)
        recording = self._by_container[registration.container_id]
        recording.add(self._names.name(event.nr), event.args, event.text)

    def flush(self) -> None:
        """Write what has changed; at most once a second."""
        if not self._by_container or monotonic() < self._next:
            return
        self._next = monotonic() + _PAUSE
        for container_id, recording in self._by_container.items():
            if recording.changed:
                self._write(container_id, recording)

    def end(self, container_id: str) -> None:
        """The container has ended: its file is complete."""
        recording = self._by_container.pop(container_id, None)
        if recording is not None:
            self._write(container_id, recording)
            recording.close()

    def _write(self, container_id: str, recording: Recording) -> None:
        name = f"{self._directory}/{recording_name(container_id)}"
        data = dumps(recording.document(), indent=1).encode("ascii")
        fd = posix.open(f"{name}.new", _WRITE, 0o600)
        try:
            while data:
                data = data[posix.write(fd, data) :]
        finally:
            posix.close(fd)
        posix.rename(f"{name}.new", name)
        recording.changed = False


def load_recording(root: str, container_id: str) -> "dict[str, Any]":
    """A container's recording.  Raises: OSError, ValueError."""
    with open(recording_path(root, container_id), encoding="ascii") as file:
        document: dict[str, Any] = loads(file.read())
    if document.get("format") != FORMAT:
        raise ValueError("the recording is of another version of postern")
    return document
