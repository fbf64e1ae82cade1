"""HOT: reading files that decide what a container may do: only those that nobody but root and the caller can have written."""

import posix

from runtime.errors import PolicyError

DIRECTORY = "/etc/postern"
MAX_BYTES = 1 << 18

_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
_OTHERS_WRITE = 0o022
_TYPE_MASK, _REGULAR = 0o170000, 0o100000
_NOBODY = 65534  # how an owner appears who has no number in our user namespace
_INITIAL = "0 0 4294967295"


def read_trusted(path: str, directory: str) -> bytes | None:
    """The content of a policy file or of config.toml; None when there is none.

    `directory` is the site's own: what a user namespace shows there without an owner is root's.
    Raises: PolicyError for what cannot be read, is no regular file, is too long, or could be somebody else's words: of what lies in
    the site's directory the directories count too, where whoever can write could take a file away.
    """
    if path.startswith(f"{directory}/"):
        _check_directories(path, directory)
    try:
        fd = posix.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PolicyError([f"{path}: {_reason(error)}"]) from None
    try:
        status = posix.fstat(fd)
        if status.st_mode & _TYPE_MASK != _REGULAR:
            raise PolicyError([f"{path}: is no regular file"])
        check_owner(status, path, directory)
        data = posix.read(fd, MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError([f"{path}: {_reason(error)}"]) from None
    finally:
        posix.close(fd)
    if len(data) > MAX_BYTES:
        raise PolicyError([f"{path}: is longer than {MAX_BYTES // 1024} KiB"])
    return data


def _check_directories(path: str, directory: str) -> None:
    """The site's directory and those between it and a file; what is not there holds no file.  Raises: PolicyError."""
    above = directory
    for part in ["", *path[len(directory) + 1 :].split("/")[:-1]]:
        above = f"{above}/{part}" if part else above
        try:
            status = posix.stat(above)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise PolicyError([f"{above}: {_reason(error)}"]) from None
        check_owner(status, above, directory)


def check_owner(status: posix.stat_result, path: str, directory: str) -> None:
    """Raises: PolicyError when somebody else can write there."""
    if status.st_uid not in (0, posix.geteuid()) and not _is_roots(status.st_uid, path, directory):
        raise PolicyError([f"{path}: belongs to user {status.st_uid}: must be root's or the caller's"])
    if status.st_mode & _OTHERS_WRITE:
        raise PolicyError([f"{path}: can be written by others (mode {status.st_mode & 0o7777:04o}): chmod go-w"])


def _is_roots(uid: int, path: str, directory: str) -> bool:
    """Whether the owner is the host's root as a rootless engine sees it: in the site's directory, which only root can make."""
    if uid != _NOBODY or not f"{path}/".startswith(f"{directory}/") or directory != DIRECTORY:
        return False
    fd = posix.open("/proc/self/uid_map", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 4096).decode().split() != _INITIAL.split()
    finally:
        posix.close(fd)


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
