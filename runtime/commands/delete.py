"""delete, for what the front has handed over: --regex, or a state file that it cannot read."""

import posix

from runtime.commands.called_back import run_each, run_one
from runtime.commands.invocation import Invocation
from runtime.errors import LifecycleError
from runtime.state.store import failed, open_directory, read_state

_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC


def clear_directory(dir_fd: int, depth: int = 2) -> None:
    """Remove all entries of a state directory, which is flat but for notify/; symlinks are not followed.  Raises: OSError."""
    for name in posix.listdir(dir_fd):
        try:
            posix.unlink(name, dir_fd=dir_fd)
        except IsADirectoryError:
            if depth == 0:
                raise
            below = posix.open(name, _DIRECTORY, dir_fd=dir_fd)
            try:
                clear_directory(below, depth - 1)
            finally:
                posix.close(below)
            posix.rmdir(name, dir_fd=dir_fd)


def remove_broken(invocation: Invocation, container_id: str) -> bool:
    """delete --force of a container whose state nobody can read: what it left goes.  False when the state can be read.

    Raises: OciError.
    """
    dir_fd = open_directory(invocation.root, container_id)
    try:
        reason = _unreadable(dir_fd)
        if reason:
            invocation.report.warning(f"removing container {container_id} without its state: {reason}")
            clear_directory(dir_fd)
            posix.rmdir(f"{invocation.root}/{container_id}")
    except OSError as error:
        raise failed(f"remove {invocation.root}/{container_id}", error) from None
    finally:
        posix.close(dir_fd)
    return bool(reason)


def _unreadable(dir_fd: int) -> str:
    """Why the state cannot be read, "" when it can."""
    try:
        read_state(dir_fd)
    except LifecycleError as error:
        return str(error)
    return ""


def execute(invocation: Invocation) -> int:
    """Remove the container.  Raises: OciError."""
    force = invocation.switch("force")
    flags = ["--force"] if force else []
    if invocation.switch("regex"):
        return run_each(invocation, flags, [])
    if force and remove_broken(invocation, invocation.container_id()):
        return 0
    return run_one(invocation, flags, [])
