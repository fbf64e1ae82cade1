"""Record mode: what a container did, put together while it runs, for `postern policy learn`.

The core answers every call with CONTINUE and tells us of it; here equal calls become one entry, so that a busy program's record stays small.
One file a container, <root>/@broker/log/NAME.learned, written anew when something was added and the container is quiet, and at its end.
"""

import posix
from json import dumps, loads
from time import monotonic

from runtime.broker.arguments import domain_name, namespace_names, option_name, request_name, type_name
from runtime.broker.logs import DIRECTORY, log_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.broker.audit import CallNames
    from runtime.broker.native import Event
    from runtime.broker.registry import Registration

FORMAT = 1
MOST_ENTRIES = 200_000
_PAUSE = 1.0
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW | posix.O_CLOEXEC
_O_ACCMODE, _O_CREAT, _O_TRUNC = 3, 0o100, 0o1000
_MUTATING = frozenset(
    "creat mkdir mkdirat mknod mknodat unlink unlinkat rmdir rename renameat renameat2 link linkat symlink symlinkat "
    "truncate chmod fchmodat fchmodat2 chown lchown fchownat utime utimes utimensat futimesat setxattr lsetxattr "
    "removexattr lremovexattr mount".split()
)
_EXECUTING = frozenset(("execve", "execveat"))


def recording_name(container_id: str) -> str:
    """The file's name for a container."""
    return log_name(container_id).removesuffix(".jsonl") + ".learned"


def access_of(call: str, args: "tuple[int, ...]") -> str:
    """What a call wants of the path that it names: read, write or execute."""
    if call in _EXECUTING:
        return "execute"
    if call in _MUTATING:
        return "write"
    flags = args[1] if call == "open" else args[2] if call == "openat" else 0
    return "write" if flags & _O_ACCMODE in (1, 2) or flags & (_O_CREAT | _O_TRUNC) else "read"


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


class Recording:
    """What one container did so far."""

    __slots__ = ("_calls", "_targets", "changed", "lost", "seen")

    def __init__(self) -> None:
        """Nothing."""
        self._calls: dict[str, set[str]] = {}
        self._targets: dict[tuple[str, str, str], int] = {}
        self.changed = False
        self.lost = 0
        self.seen = 0

    def add(self, call: str, args: "tuple[int, ...]", target: str) -> None:
        """One call.  `target`: the path or address that the core copied, if the call names one."""
        self.seen += 1
        classes = self._calls.get(call)
        if classes is None:
            classes = self._calls[call] = set()
            self.changed = True
        argument_class = class_of(call, args)
        if argument_class and argument_class not in classes:
            classes.add(argument_class)
            self.changed = True
        if target:
            self._add_target((call, access_of(call, args) if target[0] == "/" else "", target))

    def _add_target(self, key: tuple[str, str, str]) -> None:
        count = self._targets.get(key)
        if count is None and len(self._targets) >= MOST_ENTRIES:
            self.lost += 1
            return
        self.changed = self.changed or count is None
        self._targets[key] = (count or 0) + 1

    def document(self) -> "dict[str, Any]":
        """The record as it is kept in a file."""
        return {
            "format": FORMAT,
            "seen": self.seen,
            "lost": self.lost,
            "calls": {call: sorted(classes) for call, classes in sorted(self._calls.items())},
            "targets": [[*key, count] for key, count in sorted(self._targets.items())],
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

    def add(self, event: "Event", registration: "Registration") -> None:
        """One call of a container."""
        recording = self._by_container.get(registration.container_id)
        if recording is None:
            recording = self._by_container[registration.container_id] = Recording()
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
    with open(f"{root}/@broker/{DIRECTORY}/{recording_name(container_id)}", encoding="ascii") as file:
        document: dict[str, Any] = loads(file.read())
    if document.get("format") != FORMAT:
        raise ValueError("the recording is of another version of postern")
    return document
