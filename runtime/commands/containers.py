"""Containers as the cold verbs see them: `state.store`'s record, the status it had, and its cgroup."""

import posix

from runtime.errors import CgroupError
from runtime.state.lifecycle import require
from runtime.state.store import cgroup_directory, load_container, state_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.commands.invocation import Invocation

_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK
_WRITE = posix.O_WRONLY | posix.O_TRUNC | posix.O_NOFOLLOW | posix.O_CLOEXEC


def read_at(dir_fd: int, name: str) -> bytes:
    """The whole of a file by directory descriptor, symlinks not followed.  Raises: OSError."""
    fd = posix.open(name, _READ, dir_fd=dir_fd)
    try:
        parts = []
        while part := posix.read(fd, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    finally:
        posix.close(fd)


def write_at(dir_fd: int, name: str, value: str) -> None:
    """Write an existing file with one write(2), symlinks not followed.  Raises: OSError."""
    fd = posix.open(name, _WRITE, dir_fd=dir_fd)
    try:
        posix.write(fd, value.encode())
    finally:
        posix.close(fd)


class Container:
    """One container: its recorded `state`, the `status` it had when found, its state directory's `dir_fd` (owned)."""

    __slots__ = ("dir_fd", "state", "status")

    def __init__(self, root: str, container_id: str) -> None:
        """Find it.  Raises: InvalidId, ContainerNotFound, LifecycleError, SyscallError."""
        self.state, self.status, self.dir_fd = load_container(root, container_id)

    def close(self) -> None:
        """Give the state directory's descriptor up."""
        posix.close(self.dir_fd)

    def cgroup_path(self) -> str:
        """The directory of its cgroup.  Raises: CgroupError when it has none."""
        path = cgroup_directory(self.state)
        if path is None:
            raise CgroupError(f"container {self.state.container_id} has no cgroup")
        return path

    def open_cgroup(self) -> int:
        """A descriptor of its cgroup's directory, the caller's.  Raises: CgroupError."""
        path = self.cgroup_path()
        try:
            return posix.open(path, _DIRECTORY)
        except OSError as error:
            raise CgroupError(f"open {path}: {(error.strerror or '').lower()}") from error

    def document(self) -> "dict[str, Any]":
        """What `state` and `list` print."""
        return state_document(self.state, self.status)


def find_for(invocation: "Invocation") -> Container:
    """The container that a verb names, in a status in which the verb is legal.  Raises: OciError in runc's words."""
    container = Container(invocation.root, invocation.container_id())
    require(invocation.verb, container.status, container.state.container_id)
    return container
