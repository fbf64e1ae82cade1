"""Words for the numbers in operations: which place of which operation holds which kernel flags.  For `explain` alone."""

from runtime.abi import filters, landlock, mounts, scheduling
from runtime.abi.capabilities import capability_names
from runtime.abi.limits import RLIM_INFINITY, RLIMITS
from runtime.abi.namespaces import NAMESPACES

CLONE_WORDS = NAMESPACES
_ATTRIBUTES = {
    "ro": mounts.MOUNT_ATTR_RDONLY,
    "nosuid": mounts.MOUNT_ATTR_NOSUID,
    "nodev": mounts.MOUNT_ATTR_NODEV,
    "noexec": mounts.MOUNT_ATTR_NOEXEC,
    "nodiratime": mounts.MOUNT_ATTR_NODIRATIME,
    "idmap": mounts.MOUNT_ATTR_IDMAP,
    "nosymfollow": mounts.MOUNT_ATTR_NOSYMFOLLOW,
}
_PROPAGATION = {
    "rec": mounts.MS_REC,
    "unbindable": mounts.MS_UNBINDABLE,
    "private": mounts.MS_PRIVATE,
    "slave": mounts.MS_SLAVE,
    "shared": mounts.MS_SHARED,
}
_FILTER = {name.removeprefix("SECCOMP_FILTER_FLAG_"): bit for name, bit in filters.FILTER_FLAGS.items()}
_RLIMITS = {number: name for name, number in RLIMITS.items()}
_MODES = {number: name for name, number in scheduling.MPOL_MODES.items()}
# a place, or one place of one operation: the bits that it holds
_BITS = {
    "propagation": _PROPAGATION,
    "type": CLONE_WORDS,
    "types": CLONE_WORDS,
    "PROPAGATION flags": _PROPAGATION,
    "UNSHARE flags": CLONE_WORDS,
    "SECCOMP flags": _FILTER,
    "LANDLOCK_RULESET fs": landlock.ACCESS_FS,
    "LANDLOCK_RULESET net": landlock.ACCESS_NET,
    "LANDLOCK_RULESET scoped": landlock.SCOPE,
    "LANDLOCK_PATH access": landlock.ACCESS_FS,
    "LANDLOCK_PORT access": landlock.ACCESS_NET,
}


def _bits(value: int, words: dict[str, int]) -> str:
    found = [name for name, bit in words.items() if value & bit]
    rest = value & ~sum(words.values())
    if rest or not found:
        found.append(f"{rest:#x}" if rest else "0")
    return "|".join(found)


def _attributes(value: int) -> str:
    atime = value & mounts.MOUNT_ATTR__ATIME
    words = {0: "", mounts.MOUNT_ATTR_NOATIME: "noatime", mounts.MOUNT_ATTR_STRICTATIME: "strictatime"}
    word = words.get(atime, "atime")
    rest = _bits(value & ~atime, _ATTRIBUTES) if value & ~atime or not word else ""
    return "|".join(part for part in (word, rest) if part)


def words_for(op_name: str, place: str, value: int) -> str | None:
    """What a number means, or None when it is just a number."""
    if place in ("attr", "set", "clear"):
        return _attributes(value)
    words = _BITS.get(f"{op_name} {place}") or _BITS.get(place)
    if words is not None:
        return _bits(value, words)
    if op_name in ("CAP_SET", "CAP_BOUNDING"):
        return ",".join(name.removeprefix("CAP_").lower() for name in capability_names(value)) or "-"
    if op_name == "RLIMIT":
        return _RLIMITS.get(value) if place == "resource" else ("unlimited" if value == RLIM_INFINITY else None)
    if (op_name, place) == ("MEMPOLICY", "mode"):
        return "|".join(
            [_MODES.get(value & 0xFF, "?"), *(n for n, bit in scheduling.MPOL_FLAGS.items() if value & bit)]
        )
    return None
