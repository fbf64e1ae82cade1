"""What a call needs of the path that it names, and whether it can have had any success: for policies that are learned.

A call is noted before the kernel carries it out.  What can be known by then: whether the path was there, and its directory; and whether
the file system takes changes at all.  What it comes to by file modes, quotas or a peer that refuses is not.
"""

import posix

_TYPE_MASK, _REGULAR, _DIRECTORY, _LINK = 0o170000, 0o100000, 0o040000, 0o120000
_O_ACCMODE, _O_CREAT, _O_EXCL, _O_TRUNC = 3, 0o100, 0o200, 0o1000
_ST_RDONLY = 1
# the path from which a link is made is only read
_FROM = frozenset(("link", "linkat"))
MAKING = frozenset(("mkdir", "mkdirat"))
_LINKING = frozenset(("link", "linkat", "symlink", "symlinkat", "mknod", "mknodat"))
# on a file system that is read-only these say so before they look whether there is something
_TAKING_AWAY = frozenset(("unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"))
# these change a directory, whatever stands in it
NAMING = _LINKING | _TAKING_AWAY
_CHANGING = frozenset(
    [
        *("truncate", "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimes", "utimensat"),
        *("futimesat", "setxattr", "lsetxattr", "removexattr", "lremovexattr", "mount"),
    ]
)
_MUTATING = NAMING | MAKING | _CHANGING | {"creat"}
OPENING = frozenset(("open", "openat", "openat2", "creat"))
_EXECUTING = frozenset(("execve", "execveat"))
# a link at the end of the path is what they mean, not what it leads to
UNFOLLOWED = NAMING | MAKING | {"lchown", "lsetxattr", "lremovexattr", "bind"}


def _flags(call: str, args: "tuple[int, ...]") -> int:
    return args[1] if call == "open" else args[2] if call == "openat" else 0


def access_of(call: str, args: "tuple[int, ...]", index: int = 1) -> str:
    """What a call wants of the path that it names (the first of two: `index` 0): read, write or execute."""
    if call in _EXECUTING:
        return "execute"
    if call in _FROM and index == 0:
        return "read"
    if call in _MUTATING or call == "openat2":  # openat2's flags lie in memory
        return "write"
    flags = _flags(call, args)
    return "write" if flags & _O_ACCMODE in (1, 2) or flags & (_O_CREAT | _O_TRUNC) else "read"


def can_change(call: str, args: "tuple[int, ...]", existed: bool) -> bool:
    """Whether a call that wants to write can come to it, by whether its path was there; under a policy its errno is the same if not."""
    if existed:
        return not (call in _LINKING | MAKING or _flags(call, args) & (_O_CREAT | _O_EXCL) == _O_CREAT | _O_EXCL)
    if call in ("open", "openat"):
        return _flags(call, args) & _O_CREAT != 0
    return call not in _CHANGING


def is_special(path: str) -> bool:
    """Whether a path is one of a device, a FIFO or a socket."""
    try:
        return posix.lstat(path).st_mode & _TYPE_MASK not in (_REGULAR, _DIRECTORY, _LINK)
    except OSError:
        return False


def is_read_only(root: str, path: str) -> bool:
    """Whether the file system of a path below `root`, or of its directory where it is not there, takes no changes."""
    try:
        try:
            kind = posix.lstat(root + path).st_mode & _TYPE_MASK
        except FileNotFoundError:
            kind, path = _DIRECTORY, path.rpartition("/")[0]
        # devices and pipes can be written where no file can
        return kind in (_REGULAR, _DIRECTORY) and bool(
            posix.statvfs(f"{root}{path}/" if kind == _DIRECTORY else root + path).f_flag & _ST_RDONLY
        )
    except OSError:
        return False
