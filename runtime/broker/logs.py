"""Where records go: one file of JSON lines a container, or the journal of systemd.  Bounded, and never waited for.

A record that cannot be written is counted; the containers go on.
"""

import posix
import socket
from json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DIRECTORY = "log"
MAX_BYTES = 8 << 20  # then the file becomes NAME.1, and the one before that is gone
MAX_FILES = 512
JOURNAL_SOCKET = "/run/systemd/journal/socket"
_WRITE = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NOCTTY
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_LONGEST_NAME = 200


def log_name(container_id: str) -> str:
    """The file's name for a container; IDs that are longer than a name may be end in a hash."""
    if len(container_id) > _LONGEST_NAME:
        from hashlib import sha256

        container_id = f"{container_id[:120]}@{sha256(container_id.encode()).hexdigest()}"
    return f"{container_id}.jsonl"


def encode_line(record: "Mapping[str, Any]") -> bytes:
    """One line of JSON in ASCII, whatever bytes a container gave its files and programs."""
    return (dumps(record, separators=(",", ":")) + "\n").encode("ascii")


class FileLog:
    """Files below <root>/@broker/log, open only while they are written to."""

    __slots__ = ("_directory", "_files", "lost")

    def __init__(self, broker_directory: str) -> None:
        """Make the directory where it is missing.  Raises: OSError."""
        path = f"{broker_directory}/{DIRECTORY}"
        try:
            posix.mkdir(path, 0o700)
        except FileExistsError:
            pass
        self._directory = posix.open(path, _DIRECTORY)
        self._files: dict[str, tuple[int, int]] = {}  # name: descriptor, bytes so far
        self.lost = 0

    def write(self, container_id: str, records: "list[dict[str, Any]]") -> None:
        """Append records of one container; those that cannot be written are counted in `lost`."""
        try:
            self._append(log_name(container_id), b"".join(map(encode_line, records)))
        except OSError:
            self.lost += len(records)

    def _append(self, name: str, data: bytes) -> None:
        fd, size = self._files.get(name) or self._open(name)
        if size and size + len(data) > MAX_BYTES:
            self.close(name)
            posix.rename(name, f"{name}.1", src_dir_fd=self._directory, dst_dir_fd=self._directory)
            fd, size = self._open(name)
        while data:
            done = posix.write(fd, data)
            data, size = data[done:], size + done
        self._files[name] = (fd, size)

    def _open(self, name: str) -> tuple[int, int]:
        if len(self._files) >= 64:
            self.close(next(iter(self._files)))
        self._make_room()
        fd = posix.open(name, _WRITE, 0o600, dir_fd=self._directory)
        self._files[name] = (fd, posix.fstat(fd).st_size)
        return self._files[name]

    def _make_room(self) -> None:
        names = [name for name in posix.listdir(self._directory) if name not in self._files]
        if len(names) < MAX_FILES:
            return
        ages = [(posix.stat(name, dir_fd=self._directory, follow_symlinks=False).st_mtime_ns, name) for name in names]
        for _, name in sorted(ages)[: MAX_FILES // 4]:
            posix.unlink(name, dir_fd=self._directory)

    def close(self, name: str) -> None:
        """Close the file of this name, if it is open."""
        found = self._files.pop(name, None)
        if found is not None:
            posix.close(found[0])

    def end(self, container_id: str) -> None:
        """Nothing more comes from this container."""
        self.close(log_name(container_id))


# record's field: the journal's; every other field goes into the message alone
_FIELDS = {
    "container": "POSTERN_CONTAINER",
    "policy": "POSTERN_POLICY",
    "syscall": "POSTERN_SYSCALL",
    "verdict": "POSTERN_VERDICT",
    "rule": "POSTERN_RULE",
    "target": "POSTERN_TARGET",
    "pid": "OBJECT_PID",
}
_PRIORITIES = {"deny": 4, "kill": 4, "would-deny": 5}


def journal_entry(record: "Mapping[str, Any]") -> bytes:
    """A datagram of the journal's native protocol: fields with a length where the value may hold anything.

    Source: systemd, "Native Journal Protocol".
    """
    values = {"MESSAGE": encode_line(record).rstrip(b"\n"), "SYSLOG_IDENTIFIER": b"postern"}
    values["PRIORITY"] = str(_PRIORITIES.get(str(record.get("verdict")), 6)).encode()
    for field, name in _FIELDS.items():
        if record.get(field) is not None:
            values[name] = str(record[field]).encode("utf-8", "surrogateescape")
    return b"".join(
        name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n" for name, value in values.items()
    )


class JournalLog:
    """systemd-journald, one datagram a record."""

    __slots__ = ("_path", "_socket", "lost")

    def __init__(self, path: str = JOURNAL_SOCKET) -> None:
        """Nothing is opened that a journal's restart would break."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._path = path
        self.lost = 0

    def write(self, container_id: str, records: "list[dict[str, Any]]") -> None:
        """Send records; those that the journal does not take are counted in `lost`."""
        for record in records:
            try:
                self._socket.sendto(journal_entry({**record, "container": container_id}), self._path)
            except OSError:
                self.lost += 1

    def end(self, container_id: str) -> None:
        """Nothing is kept open for a container."""
