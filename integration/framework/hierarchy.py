"""A private mount namespace whose /sys/fs/cgroup is the unified hierarchy.

On a host booted with cgroup v2 alone nothing is changed but the namespace; on a hybrid host the v1 mounts are taken
away from this process and its children only. Everything the suite starts inherits the namespace.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CGROUP_MOUNT = Path("/sys/fs/cgroup")
CLONE_NEWNS = 0x00020000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
MS_BIND, MS_REMOUNT = 0x1000, 0x20
MNT_DETACH = 2
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def mount(source: str, target: Path | str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount in this process's namespace; OSError names source and target."""
    result = _libc.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _checked(result, f"mount {source} on {target}")


def unmount(target: Path | str, flags: int = MNT_DETACH) -> None:
    """umount2(2)."""
    _checked(_libc.umount2(os.fsencode(target), flags), f"unmount {target}")


def is_unified() -> bool:
    """Whether /sys/fs/cgroup is a cgroup2 file system here."""
    return (CGROUP_MOUNT / "cgroup.controllers").exists()


def mounts_under(prefix: Path | str) -> list[str]:
    """Mount points at or below a path, innermost last."""
    text = str(prefix)
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point == text or point.startswith(text.rstrip("/") + "/")]


def options() -> str:
    """The unified hierarchy's mount options, such as nsdelegate: whoever mounts it once more without them takes them from all mounts."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.partition(" - ")[2].split()
        if words[0] == "cgroup2":
            return ",".join(word for word in words[-1].split(",") if word not in ("rw", "ro"))
    return ""


def set_options(wanted: str) -> None:
    """Others in their place, for all mounts of the hierarchy on this machine; nothing is touched where they are there already."""
    if set(wanted.split(",")) != set(options().split(",")):
        mount("none", CGROUP_MOUNT, "cgroup2", MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC, wanted)


def enter_private_namespace() -> None:
    """Unshare the calling thread's mount namespace and make /sys/fs/cgroup the unified hierarchy in it."""
    _checked(_libc.unshare(CLONE_NEWNS), "unshare the mount namespace")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    if is_unified():
        return
    kept = options()
    for point in reversed(mounts_under(CGROUP_MOUNT)):
        unmount(point)
    mount("none", CGROUP_MOUNT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, kept)


def become_subreaper() -> None:
    """Play the engine: orphaned container processes become children of this process, as a shim's do."""
    _checked(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "become a child subreaper")


def controllers() -> frozenset[str]:
    """Controllers of the unified hierarchy's root."""
    return frozenset((CGROUP_MOUNT / "cgroup.controllers").read_text().split())
