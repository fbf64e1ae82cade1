"""Landlock's access rights and which kernel's ABI brought each.  Source: linux/landlock.h, Documentation/userspace-api/landlock.rst.

Rights are masks of 64 bits: what a ruleset handles, and what a rule allows.  A kernel refuses bits that its ABI does not have, so
masks are cut with `rights_of` before they get into a plan.
"""

ACCESS_FS = {
    "EXECUTE": 1 << 0,
    "WRITE_FILE": 1 << 1,
    "READ_FILE": 1 << 2,
    "READ_DIR": 1 << 3,
    "REMOVE_DIR": 1 << 4,
    "REMOVE_FILE": 1 << 5,
    "MAKE_CHAR": 1 << 6,
    "MAKE_DIR": 1 << 7,
    "MAKE_REG": 1 << 8,
    "MAKE_SOCK": 1 << 9,
    "MAKE_FIFO": 1 << 10,
    "MAKE_BLOCK": 1 << 11,
    "MAKE_SYM": 1 << 12,
    "REFER": 1 << 13,  # rename and link between directories; denied by every ruleset, handled or not
    "TRUNCATE": 1 << 14,
    "IOCTL_DEV": 1 << 15,
}
ACCESS_NET = {"BIND_TCP": 1 << 0, "CONNECT_TCP": 1 << 1}
SCOPE = {"ABSTRACT_UNIX_SOCKET": 1 << 0, "SIGNAL": 1 << 1}

# what may be allowed for a file; the executor cuts a rule to these when the path is no directory
FILE_ACCESS = sum(ACCESS_FS[name] for name in ("EXECUTE", "WRITE_FILE", "READ_FILE", "TRUNCATE", "IOCTL_DEV"))

# ABI: (first kernel, fs, net, scoped), each mask complete
ABIS = {
    1: ((5, 13), (1 << 13) - 1, 0, 0),
    2: ((5, 19), (1 << 14) - 1, 0, 0),  # REFER
    3: ((6, 2), (1 << 15) - 1, 0, 0),  # TRUNCATE
    4: ((6, 7), (1 << 15) - 1, 0x3, 0),  # TCP ports
    5: ((6, 10), (1 << 16) - 1, 0x3, 0),  # IOCTL_DEV
    6: ((6, 12), (1 << 16) - 1, 0x3, 0x3),  # scopes
    7: ((6, 15), (1 << 16) - 1, 0x3, 0x3),  # what is logged
}
NEWEST_ABI = 7


def rights_of(abi: int) -> tuple[int, int, int]:
    """The (fs, net, scoped) masks that a kernel with this ABI handles; nothing for 0, the newest known for a newer one."""
    return ABIS[min(abi, NEWEST_ABI)][1:] if abi > 0 else (0, 0, 0)


def abi_since(kernel: tuple[int, int]) -> int:
    """The ABI that a kernel of this version has at least where Landlock is active, 0 before the first."""
    return max((abi for abi, (since, *_masks) in ABIS.items() if kernel >= since), default=0)
