"""HOT: the state directories under a root, read.

`<root>/<id>/state.json` is written by the executor alone; docs/state.md shows it.  The front reads the same file in C; what it
cannot read, and every verb that is not in the front, comes here.  Nothing here changes a container.
"""

import posix

from oci_schemas.json_text import loads
from runtime.errors import ContainerNotFound, InvalidId, LifecycleError, SafetyViolation, SyscallError
from runtime.record import record
from runtime.state.container_id import check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STATE_VERSION = 1
FILE_MAX = 64 << 20  # no file of a state directory is anywhere near
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
# O_NONBLOCK: a fifo in a file's place must not stop us
_FILE = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC

STATUSES = ("creating", "created", "running", "paused", "stopped")

# state.json: key -> (attribute, type)
_KEYS: dict[str, tuple[str, type]] = {
    "ociVersion": ("oci_version", str),
    "id": ("container_id", str),
    "phase": ("phase", str),
    "pid": ("pid", int),
    "startTime": ("start_time", int),
    "bundle": ("bundle", str),
    "rootfs": ("rootfs", str),
    "created": ("created", str),
    "owner": ("owner", str),
    "annotations": ("annotations", dict),
    "cgroupMount": ("cgroup_mount", str),
    "cgroupPath": ("cgroup_path", str),
    "cgroupManager": ("cgroup_manager", str),
    "ownPidNamespace": ("own_pid_namespace", bool),
    "terminal": ("terminal", bool),
    "hooks": ("hooks", bool),
    "needsPython": ("needs_python", bool),
    "rootless": ("rootless", bool),
}


@record
class ContainerState:
    """What state.json says; `pid` and `start_time` (clock ticks) are init's, or the creating runtime's in phase creating."""

    oci_version: str
    container_id: str
    phase: str
    pid: int
    start_time: int
    bundle: str
    rootfs: str
    created: str
    owner: str
    annotations: "dict[str, str]"
    cgroup_mount: str
    cgroup_path: str
    cgroup_manager: str
    own_pid_namespace: bool
    terminal: bool
    hooks: bool
    needs_python: bool
    rootless: bool


def failed(what: str, error: OSError) -> SyscallError:
    """An OSError in this project's words."""
    text = error.strerror or str(error)
    return SyscallError(what, error.errno or 0, text[:1].lower() + text[1:])


def open_directory(root: str, container_id: str) -> int:
    """An owned descriptor of a container's state directory.

    Raises: InvalidId, ContainerNotFound, SyscallError.
    """
    path = f"{root}/{check_id(container_id)}"
    try:
        return posix.open(path, _DIRECTORY)
    except FileNotFoundError:
        raise ContainerNotFound from None
    except OSError as error:
        raise failed(f"open {path}", error) from None


def read_file(dir_fd: int, name: str) -> bytes:
    """All of a file in a state directory (borrowed); symlinks are not followed.

    Raises: OSError; SafetyViolation for what is too large to be ours.
    """
    fd = posix.open(name, _FILE, dir_fd=dir_fd)
    try:
        parts = []
        size = 0
        while part := posix.read(fd, 1 << 20):
            parts.append(part)
            size += len(part)
            if size > FILE_MAX:
                raise SafetyViolation(f"{name} in the state directory has more than {FILE_MAX} bytes")
    finally:
        posix.close(fd)
    return b"".join(parts)


def parse_state(data: bytes) -> ContainerState:
    """The content of a state.json.

    Raises: ValueError naming what is wrong.
    """
    document = loads(data)
    if not isinstance(document, dict) or type(document.get("posternState")) is not int:
        raise ValueError("posternState is missing")
    if document["posternState"] != STATE_VERSION:
        raise ValueError("written by another version of postern")
    values: dict[str, Any] = {}
    for key, (attribute, kind) in _KEYS.items():
        value = document.get(key)
        if type(value) is not kind:
            raise ValueError(f"{key} is missing or of the wrong type")
        values[attribute] = value
    annotations = values["annotations"]
    if not all(type(value) is str for value in annotations.values()):
        raise ValueError("annotations are not all text")
    if values["phase"] not in ("creating", "created"):
        raise ValueError("phase is neither creating nor created")
    if not 0 < values["pid"] < 1 << 31 or values["start_time"] < 0:
        raise ValueError("pid or startTime is out of range")
    return ContainerState(**values)


def read_state(dir_fd: int) -> ContainerState:
    """The state in a state directory (borrowed).

    Raises: ContainerNotFound when there is no state.json; LifecycleError when it cannot be understood; SyscallError.
    """
    try:
        return parse_state(read_file(dir_fd, "state.json"))
    except FileNotFoundError:
        raise ContainerNotFound from None
    except OSError as error:
        raise failed("open state.json", error) from None
    except ValueError as error:
        raise LifecycleError(f"state.json cannot be understood: {error}") from None


def process_start_time(pid: int) -> int:
    """When a live process started, in clock ticks since boot; 0 when it is gone, a zombie or dead."""
    try:
        fd = posix.open(f"/proc/{pid}/stat", _FILE)
    except OSError:
        return 0
    try:
        stat = posix.read(fd, 4096)
    except OSError:
        return 0  # it ended between the two
    finally:
        posix.close(fd)
    # the command may contain anything, a ')' too: fields are counted from the last one
    fields = stat.rpartition(b")")[2].split()
    return 0 if len(fields) < 20 or fields[0] in (b"Z", b"X", b"x") else int(fields[19])


def cgroup_directory(state: ContainerState) -> str | None:
    """The path of a container's cgroup, None without one."""
    return f"{state.cgroup_mount}/{state.cgroup_path.lstrip('/')}" if state.cgroup_path else None


def is_frozen(state: ContainerState) -> bool:
    """Whether the container's cgroup is frozen; False without a cgroup."""
    directory = cgroup_directory(state)
    if directory is None:
        return False
    try:
        fd = posix.open(f"{directory}/cgroup.freeze", _FILE)
    except OSError:
        return False
    try:
        return posix.read(fd, 1) == b"1"
    except OSError:
        return False  # removed meanwhile
    finally:
        posix.close(fd)


def is_alive(state: ContainerState) -> bool:
    """Whether the recorded process still runs: the pid alone could be anybody's by now."""
    start_time = process_start_time(state.pid)
    return start_time != 0 and start_time == state.start_time


def status_of(dir_fd: int, state: ContainerState) -> str:
    """What the container is now, one of STATUSES; `dir_fd` is its state directory (borrowed)."""
    if not is_alive(state):
        return "stopped"
    if state.phase == "creating":
        return "creating"
    if is_frozen(state):
        return "paused"
    try:
        posix.stat("exec.fifo", dir_fd=dir_fd, follow_symlinks=False)
    except OSError:
        return "running"
    return "created"


def load_container(root: str, container_id: str) -> tuple[ContainerState, str, int]:
    """State, status and an owned descriptor of the state directory.

    Raises: InvalidId, ContainerNotFound, LifecycleError, SyscallError.
    """
    dir_fd = open_directory(root, container_id)
    try:
        state = read_state(dir_fd)
        return state, status_of(dir_fd, state), dir_fd
    except BaseException:
        posix.close(dir_fd)
        raise


def list_containers(root: str, warn: "Callable[[str], None]") -> list[tuple[ContainerState, str]]:
    """State and status of every container under a root, by ID; what cannot be read is skipped with a warning.

    What no container can be called is not one and passed over.  A root that does not exist holds none.  Raises: SyscallError.
    """
    try:
        names = sorted(posix.listdir(root))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise failed(f"open {root}", error) from None
    found = []
    for name in names:
        try:
            state, status, dir_fd = load_container(root, name)
        except (ContainerNotFound, InvalidId):
            continue  # removed since, or not yet a container, or one of `reserved`
        except (LifecycleError, SyscallError, SafetyViolation) as error:
            warn(f"load container {name}: {error}")
            continue
        posix.close(dir_fd)
        found.append((state, status))
    return found


def state_document(state: ContainerState, status: str) -> "dict[str, Any]":
    """What `state` and `list` show, in runc's order."""
    document: dict[str, Any] = {
        "ociVersion": state.oci_version,
        "id": state.container_id,
        "pid": 0 if status in ("stopped", "creating") else state.pid,
        "status": status,
        "bundle": state.bundle,
        "rootfs": state.rootfs,
        "created": state.created,
        "annotations": state.annotations,
        "owner": state.owner,
    }
    if not state.annotations:
        del document["annotations"]
    return document
