"""Mount options: every word of the specification, later words win, the rest is data."""

import pytest

from runtime.abi import mounts as abi
from runtime.plan.mount_options import MOUNT_OPTIONS, parse_options

# config.md#linux-mount-options, all of them
SPECIFIED = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "iversion",
    "lazytime",
    "loud",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "rnoatime",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
    "mand",
    "nomand",
    "rnodev",
    "idmap",
    "ridmap",
]


@pytest.mark.parametrize("word", SPECIFIED)
def test_no_word_of_the_specification_is_data(word: str) -> None:
    """Each is known, and reported by `features`."""
    assert word in MOUNT_OPTIONS
    assert parse_options([word]).data == []


@pytest.mark.parametrize(
    ("words", "on", "off"),
    [
        ("ro", abi.MOUNT_ATTR_RDONLY, 0),
        ("ro rw", 0, abi.MOUNT_ATTR_RDONLY),
        ("rw ro", abi.MOUNT_ATTR_RDONLY, 0),
        ("nosuid nodev noexec suid", abi.MOUNT_ATTR_NODEV | abi.MOUNT_ATTR_NOEXEC, abi.MOUNT_ATTR_NOSUID),
        ("noatime", abi.MOUNT_ATTR_NOATIME, abi.MOUNT_ATTR__ATIME),
        ("noatime strictatime", abi.MOUNT_ATTR_STRICTATIME, abi.MOUNT_ATTR__ATIME),
        ("strictatime relatime", 0, abi.MOUNT_ATTR__ATIME),
        ("noatime atime", 0, abi.MOUNT_ATTR__ATIME),
        ("noatime nostrictatime", abi.MOUNT_ATTR_NOATIME, abi.MOUNT_ATTR__ATIME),
        ("atime", 0, abi.MOUNT_ATTR__ATIME),
        ("nodiratime diratime", 0, abi.MOUNT_ATTR_NODIRATIME),
        ("nosymfollow", abi.MOUNT_ATTR_NOSYMFOLLOW, 0),
    ],
)
def test_attributes(words: str, on: int, off: int) -> None:
    """Bits to set and to clear; what the access time does is one field, which is cleared whole."""
    found = parse_options(words.split())
    assert (found.set, found.clear) == (on, off)
    recursive = parse_options("r" + word for word in words.split())
    if "nostrictatime" not in words:  # recursively it always means the kernel's default
        assert (recursive.recursive_set, recursive.recursive_clear) == (on, off)
    assert (recursive.set, recursive.clear) == (0, 0)


def test_what_is_not_an_attribute() -> None:
    """Bind, propagation, superblock flags, extensions and data, each kept in order."""
    found = parse_options(
        ["rbind", "rslave", "shared", "sync", "idmap", "size=1m", "tmpcopyup", "nolazytime", "remount"]
    )
    assert found.bind
    assert found.recursive_bind
    assert found.remount
    assert found.copy_up
    assert found.idmap == "idmap"
    assert found.propagation == [abi.MS_SLAVE | abi.MS_REC, abi.MS_SHARED]
    assert found.data_for("tmpfs") == ("sync", "nolazytime", "size=1m")


def test_iversion_is_the_business_of_ext() -> None:
    """Other file systems keep it anyway, or not at all."""
    assert parse_options(["iversion"]).data_for("ext4") == ("i_version",)
    assert parse_options(["iversion"]).data_for("xfs") == ()
