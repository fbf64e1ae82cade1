"""Whether the modules of handlers are root's: whoever could write one of them could answer in a policy's name.

Looked at before the first of them is loaded: the directory they are in, each one above it, links on the way, and everything below it,
since a module loads others, and bytecode that lies beside it.  What only root and the broker's user can change stays as it was seen.
"""

import posix

from runtime.errors import BrokerError, PolicyError
from runtime.policy.trusted import check_owner

MOST_FILES = 10_000
_MOST_LINKS = 40
_TYPE_MASK, _DIRECTORY, _LINK = 0o170000, 0o040000, 0o120000
_OTHERS_WRITE, _STICKY = 0o022, 0o1000


def _status(path: str) -> posix.stat_result:
    return posix.lstat(path)


def check_code(place: str, site: str) -> None:
    """Raises: BrokerError where somebody but root and the broker's user could have written, or could replace, what is loaded from `place`.

    Above the site's directory nothing is asked of what lies in it, as with its policies.
    """
    try:
        todo, seen = [_resolve(place, site)], set[str]()
        while todo:
            directory = todo.pop()
            if directory not in seen:
                seen.add(directory)
                todo += _below(directory, site, seen)
    except PolicyError as error:
        raise BrokerError("; ".join(error.violations)) from None
    except OSError as error:
        raise BrokerError(f"{error.filename or place}: {error.strerror}") from None


def _below(directory: str, site: str, seen: set[str]) -> list[str]:
    """What a directory holds, without links; none of a file.  Raises: PolicyError, OSError."""
    if _status(directory).st_mode & _TYPE_MASK != _DIRECTORY:
        return []
    found = []
    for name in posix.listdir(directory):
        path = f"{directory.rstrip('/')}/{name}"
        status = _status(path)
        if status.st_mode & _TYPE_MASK == _LINK:
            path = _resolve(path, site)
        else:
            check_owner(status, path, site)
        found.append(path)
        if len(found) + len(seen) > MOST_FILES:
            raise BrokerError(
                f"{directory}: more than {MOST_FILES} files are to be looked at: give handlers a directory of their own"
            )
    return found


def _resolve(path: str, site: str) -> str:
    """The path without links, each step of which was looked at.  Raises: PolicyError, OSError."""
    done, todo, links = _start(path, site)
    while todo:
        if not done:
            check_owner(_status("/"), "/", site)
        part = todo.pop()
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        here = f"{done}/{part}"
        status = _status(here)
        if status.st_mode & _TYPE_MASK == _LINK:
            _check_step(status, here, site, may_be_shared=True)  # its own mode means nothing
            links += 1
            if links > _MOST_LINKS:
                raise BrokerError(f"{path}: too many links")
            target = posix.readlink(here)
            if target[:1] == "/":
                done = ""
            todo += _parts(target)
            continue
        _check_step(status, here, site, may_be_shared=bool(todo))
        done = here
    return done or "/"


def _start(path: str, site: str) -> tuple[str, list[str], int]:
    """Where to begin: in the site's directory, which is looked at itself, or at the root."""
    if path.startswith(f"{site}/") and ".." not in path.split("/"):
        check_owner(_status(site), site, site)
        return site, _parts(path[len(site) :]), 0
    return "", _parts(path), 0


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _check_step(status: posix.stat_result, path: str, site: str, *, may_be_shared: bool) -> None:
    """A directory with the sticky bit may be everybody's where it is only passed: what is root's in it stays."""
    mode = status.st_mode
    kind = mode & _TYPE_MASK
    if kind == _LINK or (may_be_shared and kind == _DIRECTORY and mode & _STICKY):
        mode &= ~_OTHERS_WRITE
    check_owner(posix.stat_result((mode, *status[1:])), path, site)
