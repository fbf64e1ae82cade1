"""Namespace types: the specification's words and the kernel's CLONE_NEW* bits.  Source: linux/sched.h, namespaces(7)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# config-linux.md#namespaces: type -> bit
NAMESPACES = {
    "pid": CLONE_NEWPID,
    "network": CLONE_NEWNET,
    "mount": CLONE_NEWNS,
    "ipc": CLONE_NEWIPC,
    "uts": CLONE_NEWUTS,
    "user": CLONE_NEWUSER,
    "cgroup": CLONE_NEWCGROUP,
    "time": CLONE_NEWTIME,
}


def named_namespaces(linux: "Mapping[str, Any]") -> "dict[str, str | None]":
    """The types in `linux.namespaces`, each with the path that is joined; None: a new one, as an empty path is for runc."""
    return {space["type"]: space.get("path") or None for space in linux.get("namespaces") or ()}
