"""Suspending and resuming a cgroup: write cgroup.freeze, wait until cgroup.events agrees.  Source: cgroup-v2.rst."""

import posix
from time import monotonic, sleep

from runtime.commands.containers import Container, read_at, write_at
from runtime.errors import CgroupError

_TIMEOUT_S = 10.0
_POLL_S = 0.001


def _reached(fd: int, wanted: bytes) -> bool:
    return b"frozen " + wanted in read_at(fd, "cgroup.events").split(b"\n")


def set_frozen(container: Container, frozen: bool) -> None:
    """Freeze or thaw a container and wait until it is so; a freeze that does not finish is taken back.

    Raises: CgroupError.
    """
    fd = container.open_cgroup()
    wanted = "1" if frozen else "0"
    try:
        write_at(fd, "cgroup.freeze", wanted)
        deadline = monotonic() + _TIMEOUT_S
        while not _reached(fd, wanted.encode()):
            if monotonic() > deadline:
                if frozen:
                    write_at(fd, "cgroup.freeze", "0")
                raise CgroupError(f"unable to {'freeze' if frozen else 'thaw'} {container.cgroup_path()}: timed out")
            sleep(_POLL_S)
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise CgroupError(f"unable to write {container.cgroup_path()}/cgroup.freeze: {text}") from error
    finally:
        posix.close(fd)
