"""The broker's part of the site's configuration: `[broker]` in /etc/postern/config.toml.

Root's file alone decides which Python code may answer in a policy's name; a file that others could write is not read.
"""

import posix

from runtime.errors import BrokerError
from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATH = "/etc/postern/config.toml"
LOGS = ("file", "journald")
_OTHERS_WRITE = 0o022
_LARGEST = 1 << 20


@record
class Settings:
    """`log`: one of LOGS; `handlers`: `module:function` that may answer; `handler_path`: where their modules are."""

    log: str = "file"
    handlers: tuple[str, ...] = ()
    handler_path: str = "/etc/postern/handlers"


def _trusted(path: str) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK)
    try:
        status = posix.fstat(fd)
        if status.st_uid not in (0, posix.geteuid()) or status.st_mode & _OTHERS_WRITE:
            raise BrokerError(f"{path}: not read, since others than root may write it")
        return posix.read(fd, _LARGEST)
    finally:
        posix.close(fd)


def _choice(path: str, table: "dict[str, Any]") -> Settings:
    unknown = set(table) - {"log", "handlers", "handler_path"}
    log, handlers = table.get("log", "file"), table.get("handlers", [])
    place = table.get("handler_path", "/etc/postern/handlers")
    if unknown:
        raise BrokerError(f"{path}: [broker] has no key {', '.join(sorted(unknown))}")
    if log not in LOGS:
        raise BrokerError(f"{path}: [broker] log is {' or '.join(LOGS)}")
    if not isinstance(handlers, list) or not all(isinstance(name, str) and name.count(":") == 1 for name in handlers):
        raise BrokerError(f'{path}: [broker] handlers is a list of "module:function"')
    if not isinstance(place, str) or place[:1] != "/":
        raise BrokerError(f"{path}: [broker] handler_path is an absolute path")
    return Settings(log, tuple(handlers), place)


def load_settings(path: str = PATH) -> Settings:
    """What the file says, or what holds without one.  Raises: BrokerError."""
    try:
        data = _trusted(path)
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except OSError as error:
        raise BrokerError(f"open {path}: {error.strerror}") from error
    import tomllib

    try:
        table = tomllib.loads(data.decode()).get("broker", {})
    except ValueError as error:
        raise BrokerError(f"{path}: {error}") from None
    if not isinstance(table, dict):
        raise BrokerError(f"{path}: [broker] is a table")
    return _choice(path, table)
