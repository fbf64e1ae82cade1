"""Containers as the verbs see them: found by ID under a state root, with what is recorded and what the kernel says.

The reading half of `native/state_file.c` for the verbs that only Python has; it takes any JSON with the right keys, canonical or not.
"""

import posix

from oci_schemas.json_text import loads
from runtime.errors import CgroupError, ContainerNotFound, LifecycleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATE_NAME = "state.json"
FIFO_NAME = "exec.fifo"
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK
_WRITE = posix.O_WRONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_DEAD = (b"Z", b"X", b"x")
_KEYS: "dict[str, type]" = {
    "ociVersion": str,
    "id": str,
    "phase": str,
    "pid": int,
    "startTime": int,
    "bundle": str,
    "rootfs": str,
    "created": str,
    "owner": str,
    "annotations": dict,
    "cgroupMount": str,
    "cgroupPath": str,
    "cgroupManager": str,
    "ownPidNamespace": bool,
    "terminal": bool,
    "hooks": bool,
    "needsPython": bool,
    "rootless": bool,
}


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


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return 0
    # the command may contain anything, a ')' too: fields are counted from the last one
    fields = stat[stat.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in _DEAD:
        return 0
    return int(fields[19])


class Container:
    """One container: `state` is the content of state.json, `dir_fd` its state directory (owned)."""

    __slots__ = ("dir_fd", "id", "state")

    def __init__(self, container_id: str, dir_fd: int, state: "dict[str, Any]") -> None:
        """Made by `open_container`."""
        self.id = container_id
        self.dir_fd = dir_fd
        self.state = state

    def close(self) -> None:
        """Give the state directory's descriptor up."""
        posix.close(self.dir_fd)

    def cgroup_path(self) -> str:
        """The directory of its cgroup.  Raises: CgroupError when it has none."""
        mount, path = self.state["cgroupMount"], self.state["cgroupPath"]
        if not mount or not path:
            raise CgroupError(f"container {self.id} has no cgroup")
        return f"{mount}/{path.strip('/')}"

    def open_cgroup(self) -> int:
        """A descriptor of its cgroup's directory, the caller's.  Raises: CgroupError."""
        path = self.cgroup_path()
        try:
            return posix.open(path, _DIRECTORY)
        except OSError as error:
            raise CgroupError(f"open {path}: {(error.strerror or '').lower()}") from error

    def _is_frozen(self) -> bool:
        try:
            fd = self.open_cgroup()
        except CgroupError:
            return False
        try:
            return read_at(fd, "cgroup.freeze").strip() == b"1"
        except OSError:
            return False
        finally:
            posix.close(fd)

    def status(self) -> str:
        """creating, created, running, paused or stopped: by pid and start time, then cgroup.freeze, then exec.fifo."""
        begun = start_time(self.state["pid"])
        if begun == 0 or begun != self.state["startTime"]:
            return "stopped"
        if self.state["phase"] == "creating":
            return "creating"
        if self._is_frozen():
            return "paused"
        return "created" if posix.access(FIFO_NAME, posix.F_OK, dir_fd=self.dir_fd) else "running"

    def document(self, status: str) -> "dict[str, Any]":
        """What `state` and `list` print: the specification's state, and runc's further fields."""
        state = self.state
        alive = status not in ("stopped", "creating")
        document: dict[str, Any] = {
            "ociVersion": state["ociVersion"],
            "id": state["id"],
            "pid": state["pid"] if alive else 0,
            "status": status,
            "bundle": state["bundle"],
            "rootfs": state["rootfs"],
            "created": state["created"],
        }
        if state["annotations"]:
            document["annotations"] = state["annotations"]
        document["owner"] = state["owner"]
        return document


def check_state(data: bytes) -> "dict[str, Any]":
    """The content of a state.json.  Raises: LifecycleError."""
    try:
        state = loads(data)
    except ValueError as error:
        raise LifecycleError(f"{STATE_NAME} is no JSON: {error}") from None
    if not isinstance(state, dict) or state.get("posternState") != 1:
        raise LifecycleError(f"{STATE_NAME} is not of this version")
    for key, kind in _KEYS.items():
        if type(state.get(key)) is not kind:
            raise LifecycleError(f"{STATE_NAME} has no usable {key}")
    return state


def open_container(root: str, container_id: str) -> Container:
    """Find a container; the ID must have been checked.  Raises: ContainerNotFound, LifecycleError."""
    try:
        dir_fd = posix.open(f"{root}/{container_id}", _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise ContainerNotFound from None
    try:
        return Container(container_id, dir_fd, check_state(read_at(dir_fd, STATE_NAME)))
    except FileNotFoundError:
        posix.close(dir_fd)
        raise ContainerNotFound from None
    except BaseException:
        posix.close(dir_fd)
        raise


def container_ids(root: str) -> list[str]:
    """The names of all state directories under a root, sorted; a root that is missing has none.  Raises: OSError."""
    try:
        with posix.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
