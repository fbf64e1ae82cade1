"""The root filesystem: made a mount of its own, entered, and closed down (read-only and masked paths).

Source: config.md#root, config-linux.md#rootfs-mount-propagation, #masked-paths, #readonly-paths.
"""

from runtime.abi.mounts import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_SLAVE,
    PROPAGATION,
)
from runtime.plan._shapes import SLOTS
from runtime.plan.devices import open_null
from runtime.plan.draft import PROC, ROOTFS, Draft
from runtime.plan.labels import needs_labels
from runtime.plan.launch_plan import Op, op
from runtime.plan.mounts import root_propagation
from runtime.plan.paths import clean, under

_NULL, _EMPTY = SLOTS["NULL_TREE"], SLOTS["EMPTY_TREE"]


def root_path(draft: Draft) -> str:
    """The rootfs as an absolute path."""
    return clean(under(draft.options.bundle, draft.config["root"]["path"]))


def plan_rootfs(draft: Draft, waits: bool) -> None:
    """SETUP: cut the mounts off from the host's as the config says, and bind the rootfs onto itself; a procfs of init's own where
    it waits for start or looks at its mounts, or writes sysctls or labels.
    """
    path, flags = root_path(draft), root_propagation(draft)
    draft.setup.append(op("PROPAGATION", "error preparing rootfs", flags=flags, path="/"))
    above = MS_SLAVE if flags & MS_SLAVE and draft.linux.get("rootfsPropagation") else MS_PRIVATE
    draft.setup.append(op("ROOTFS", f'error preparing rootfs "{path}"', root=ROOTFS, propagation=above, path=path))
    if waits or draft.linux.get("sysctl") or needs_labels(draft):
        draft.setup.append(op("PRIVATE_PROC", "error opening a private procfs", proc=PROC))


def plan_masks(draft: Draft) -> None:
    """SETUP: the two trees that masked paths are covered with, opened before the host's /dev is out of reach."""
    if draft.linux.get("maskedPaths"):
        open_null(draft, _NULL)
        attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
        what = "unable to make an empty file system for masked paths"
        options = ("nr_blocks=1", "nr_inodes=1", "mode=555")
        draft.setup.append(
            op("MOUNT_FS", what, tree=_EMPTY, attr=attributes, fstype="tmpfs", source="tmpfs", blob=options)
        )


def enter_root(draft: Draft, no_pivot: bool) -> None:
    """ROOT: make the working directory, enter the rootfs, and give its mount the propagation that was asked for."""
    cwd = draft.process.get("cwd") or "/"
    if cwd != "/":
        draft.root.append(op("MAKE_DIR", f'mkdir cwd "{cwd}"', root=ROOTFS, mode=0o755, path=clean(cwd)))
    flags = "NO_PIVOT" if no_pivot else ""
    draft.root.append(op("PIVOT_ROOT", "error jailing process inside rootfs", flags, root=ROOTFS))
    propagation = PROPAGATION.get(draft.linux.get("rootfsPropagation") or "", 0)
    if propagation:
        draft.root.append(op("PROPAGATION", "error setting the rootfs' propagation", flags=propagation, path="/"))


def close_root(draft: Draft) -> None:
    """ROOT: populated file systems, and the rootfs itself, become read-only."""
    for path in draft.readonly_mounts:
        draft.root.append(_read_only(path))
    if (draft.config.get("root") or {}).get("readonly"):
        draft.root.append(_read_only("/"))


def _read_only(path: str) -> Op:
    return op("SET_ATTR", f'error remounting "{path}" read-only', set=MOUNT_ATTR_RDONLY, clear=0, path=path)


def restrict_paths(draft: Draft) -> None:
    """ROOT: readonlyPaths, then maskedPaths; a path that does not exist needs neither."""
    for path in draft.linux.get("readonlyPaths") or ():
        draft.root.append(op("READONLY_PATH", f'can\'t make "{path}" read-only', path=clean(path)))
    for path in dict.fromkeys(draft.linux.get("maskedPaths") or ()):  # a policy hides what an engine masks, too
        draft.root.append(op("MASK_PATH", f'can\'t mask path "{path}"', null=_NULL, empty=_EMPTY, path=clean(path)))
