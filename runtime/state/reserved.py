"""HOT: directories of the runtime's own under a state root, beside those of the containers.

Their names begin with '@', which no container ID can have.  What is kept in them is used as if we had just made it, so a directory
that somebody else owns or could write to is not used at all.
"""

import posix

FILTERS = "@filters"

_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_OTHERS_WRITE = 0o022


def is_ours(status: posix.stat_result) -> bool:
    """Whether nobody but us (and root) can have written it."""
    return status.st_uid == posix.geteuid() and not status.st_mode & _OTHERS_WRITE


def open_reserved(root: str, name: str) -> int:
    """An owned descriptor of `<root>/<name>`; -1 if it cannot be trusted or had.

    It is made when missing, and so is the root, both with mode 0700.
    """
    path = f"{root}/{name}"
    try:
        fd = posix.open(path, _DIRECTORY)
    except FileNotFoundError:
        try:
            _make_directories(path)
            fd = posix.open(path, _DIRECTORY)
        except OSError:
            return -1
    except OSError:
        return -1
    try:
        trusted = is_ours(posix.fstat(fd))
    except OSError:
        trusted = False
    if not trusted:
        posix.close(fd)
        return -1
    return fd


def _make_directories(path: str) -> None:
    """Mkdir -p, mode 0700, as the executor makes a root.  Raises: OSError."""
    try:
        posix.mkdir(path, 0o700)
    except FileNotFoundError:
        parent = path.rpartition("/")[0]
        if not parent:
            raise
        _make_directories(parent)
        posix.mkdir(path, 0o700)
    except FileExistsError:
        return  # somebody else was faster; whether it can be trusted is looked at afterwards
