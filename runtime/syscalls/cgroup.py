"""A container's cgroup v2 directory through the C functions that the front and the executor use (cgroup_dir.h)."""

from runtime.errors import CgroupError
from runtime.syscalls._native import ffi, lib
from runtime.syscalls.fds import Fd

REMOVE_TIMEOUT_MS = 10_000


def _fail(what: str, error: int) -> CgroupError:
    return CgroupError(f"{what}: {ffi.string(lib.errno_text(error)).decode()}")


def open_cgroup(mount: str, path: str) -> Fd:
    """The directory `path` below a cgroup2 mount, by an owned descriptor; symlinks and ".." are refused.

    Raises: CgroupError.
    """
    number = lib.cgroup_open(mount.encode(), path.encode())
    if number < 0:
        raise _fail(f"open cgroup {path}", number)
    return Fd(number)


def is_populated(cgroup_fd: int) -> bool:
    """Whether a process lives in it or below.

    Raises: CgroupError.
    """
    answer = lib.cgroup_is_populated(cgroup_fd)
    if answer < 0:
        raise _fail("read cgroup.events", answer)
    return answer == 1


def is_frozen(cgroup_fd: int) -> bool:
    """Whether it is asked to be frozen.

    Raises: CgroupError.
    """
    answer = lib.cgroup_is_frozen(cgroup_fd)
    if answer < 0:
        raise _fail("read cgroup.freeze", answer)
    return answer == 1


def signal_all(cgroup_fd: int, number: int) -> int:
    """Send a signal to every process in it and below; returns how many there were.

    Raises: CgroupError.
    """
    count = lib.cgroup_signal(cgroup_fd, number)
    if count < 0:
        raise _fail(f"signal {number} to a cgroup", count)
    return count


def kill_all(cgroup_fd: int) -> None:
    """SIGKILL to every process in it and below; it is thawed afterwards.

    Raises: CgroupError.
    """
    error = lib.cgroup_kill(cgroup_fd)
    if error < 0:
        raise _fail("kill a cgroup", error)


def remove(mount: str, path: str, timeout_ms: int = REMOVE_TIMEOUT_MS) -> None:
    """Remove it with everything below, waiting while processes in it end; a missing one is no error.

    Raises: CgroupError.
    """
    error = lib.cgroup_remove(mount.encode(), path.encode(), timeout_ms)
    if error < 0:
        raise _fail(f"remove cgroup {path}", error)
