"""A mount's options: the words of mount(8) and the specification into flags; what is left is the file system's data.

Source: config.md#linux-mount-options, mount(8), mount_setattr(2).
"""

from runtime.abi.mounts import (
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME,
    MOUNT_ATTR_STRICTATIME,
    PROPAGATION,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# word -> (bits set, bits cleared); the same word behind an "r" does it recursively
_ATTRIBUTES = {
    "ro": (MOUNT_ATTR_RDONLY, 0),
    "rw": (0, MOUNT_ATTR_RDONLY),
    "nosuid": (MOUNT_ATTR_NOSUID, 0),
    "suid": (0, MOUNT_ATTR_NOSUID),
    "nodev": (MOUNT_ATTR_NODEV, 0),
    "dev": (0, MOUNT_ATTR_NODEV),
    "noexec": (MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, MOUNT_ATTR_NOEXEC),
    "nodiratime": (MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, MOUNT_ATTR_NOSYMFOLLOW),
    "noatime": (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
    "strictatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "relatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
}
# word -> the choice that it takes back; what the kernel then does is relatime
_ATIME_BACK = {
    "atime": MOUNT_ATTR_NOATIME,
    "norelatime": MOUNT_ATTR_RELATIME,
    "nostrictatime": MOUNT_ATTR_STRICTATIME,
}
# flags of the superblock, which fsconfig(2) takes by the same names
_SUPERBLOCK = frozenset(("sync", "async", "dirsync", "mand", "nomand", "lazytime", "nolazytime"))
# silent and loud only concern the kernel's log; the other two are what happens anyway
_NOTHING = frozenset(("defaults", "silent", "loud", "noiversion"))
_EXT = frozenset(("ext2", "ext3", "ext4"))

# what `features` reports
MOUNT_OPTIONS = tuple(
    sorted(
        {
            *_ATTRIBUTES,
            *_ATIME_BACK,
            *("r" + word for word in (*_ATTRIBUTES, *_ATIME_BACK)),
            *_SUPERBLOCK,
            *_NOTHING,
            *PROPAGATION,
            "bind",
            "rbind",
            "remount",
            "idmap",
            "ridmap",
            "tmpcopyup",
            "iversion",
        }
    )
)


class MountOptions:
    """One mount's options taken apart: attribute bits to set and clear (on the mount, and recursively), and the rest."""

    __slots__ = (
        "bind",
        "clear",
        "copy_up",
        "data",
        "idmap",
        "iversion",
        "propagation",
        "recursive_bind",
        "recursive_clear",
        "recursive_set",
        "remount",
        "set",
        "superblock",
    )

    def __init__(self) -> None:
        """Nothing asked for."""
        self.set = self.clear = 0
        self.recursive_set = self.recursive_clear = 0
        self.bind = self.recursive_bind = self.remount = self.copy_up = self.iversion = False
        self.idmap = ""  # "", "idmap" or "ridmap"
        self.propagation: list[int] = []  # MS_* with MS_REC, in order
        self.superblock: list[str] = []
        self.data: list[str] = []

    def data_for(self, fstype: str) -> tuple[str, ...]:
        """What fsconfig(2) is told, one option each; `iversion` is the business of ext2/3/4 alone."""
        words = [*self.superblock, *self.data]
        if self.iversion and fstype in _EXT:
            words.append("i_version")
        return tuple(words)


def parse_options(words: "Iterable[str]") -> MountOptions:
    """Take one mount's options apart; later words win.  Unknown words are data, as config.md asks."""
    found = MountOptions()
    for word in words:
        bits = _ATTRIBUTES.get(word)
        if bits is not None:
            found.set = found.set & ~bits[1] | bits[0]
            found.clear = found.clear & ~bits[0] | bits[1]
        elif word in PROPAGATION:
            found.propagation.append(PROPAGATION[word])
        elif not _parse_other(found, word):
            found.data.append(word)
    return found


def _parse_other(found: MountOptions, word: str) -> bool:
    if word == "rbind":
        found.bind = found.recursive_bind = True
    elif word in ("bind", "remount", "iversion"):
        setattr(found, word, True)
    elif word == "tmpcopyup":
        found.copy_up = True
    elif word in ("idmap", "ridmap"):
        found.idmap = word
    elif word in _SUPERBLOCK:
        found.superblock.append(word)
    elif word in _ATIME_BACK:
        if not found.clear & MOUNT_ATTR__ATIME or found.set & MOUNT_ATTR__ATIME == _ATIME_BACK[word]:
            found.set &= ~MOUNT_ATTR__ATIME
            found.clear |= MOUNT_ATTR__ATIME
    elif word[:1] == "r" and (word[1:] in _ATTRIBUTES or word[1:] in _ATIME_BACK):
        on, off = _ATTRIBUTES.get(word[1:], (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME))
        found.recursive_set = found.recursive_set & ~off | on
        found.recursive_clear = found.recursive_clear & ~on | off
    else:
        return word in _NOTHING
    return True
