"""linux.devices and the default devices: nodes where we may make them, binds of the host's elsewhere; and /dev's symlinks.

Source: config-linux.md#devices, config-linux.md#default-devices.
"""

from runtime.abi.capabilities import CAP_MKNOD
from runtime.abi.files import S_IFBLK, S_IFCHR, S_IFIFO, make_device
from runtime.plan.draft import ROOTFS, Draft
from runtime.plan.launch_plan import op
from runtime.plan.paths import clean, parent

_TYPES = {"c": S_IFCHR, "u": S_IFCHR, "b": S_IFBLK, "p": S_IFIFO}
_DEFAULT_MODE = 0o666
_PERMISSIONS = 0o7777
# path, major, minor
DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
)
# /dev/ptmx belongs to the container's own devpts
SYMLINKS = (
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
)
# path -> (st_mode, device number, owner as uid << 32 | gid)
_Nodes = dict[str, tuple[int, int, int]]
_DEFAULT_NODES: _Nodes = {
    path: (S_IFCHR | _DEFAULT_MODE, make_device(major, minor), 0) for path, major, minor in DEFAULT_DEVICES
}


def plan_devices(draft: Draft) -> None:
    """SETUP: device nodes and symlinks; nothing when /dev is a bind mount, which is then the host's business."""
    nodes = _nodes(draft)
    if draft.dev_is_bound:
        return
    bound = draft.has("user") or not draft.facts.initial_userns or not draft.facts.capabilities & CAP_MKNOD
    made = {"/dev"} if _dev_is_mounted(draft) else set()
    for path, (mode, rdev, owner) in nodes.items():
        what = f'error creating device nodes: "{path}"'
        directory = parent(path)
        if directory not in made and directory != "/":
            made.add(directory)
            draft.setup.append(op("MAKE_DIR", what, root=ROOTFS, mode=0o755, path=directory))
        if bound and mode & ~_PERMISSIONS != S_IFIFO:
            _bind_node(draft, path, mode & ~_PERMISSIONS, rdev)
        else:
            draft.setup.append(op("MAKE_DEV", what, root=ROOTFS, mode=mode, rdev=rdev, owner=owner, path=path))
    for path, target in SYMLINKS:
        what = f'error setting up "{path}"'
        draft.setup.append(op("SYMLINK", what, "REPLACE", root=ROOTFS, path=path, target=target))


def _dev_is_mounted(draft: Draft) -> bool:
    return any(clean(mount["destination"]) == "/dev" for mount in draft.config.get("mounts") or ())


def _nodes(draft: Draft) -> _Nodes:
    """The default devices and the config's; of two for one path the last counts."""
    devices = draft.linux.get("devices")
    if not devices:
        return _DEFAULT_NODES
    nodes = dict(_DEFAULT_NODES)
    for index, device in enumerate(devices):
        path, kind = clean(device["path"]), device["type"]
        if path == "/dev/ptmx":
            continue  # the container's own devpts has it
        major, minor = device.get("major"), device.get("minor")
        if path == "/":
            draft.refuse(f"/linux/devices/{index}/path", "a device cannot be at /")
        if kind != "p" and (major is None or minor is None):
            draft.refuse(f"/linux/devices/{index}", f"device {path} of type {kind} needs major and minor")
            continue
        rdev = 0 if kind == "p" else make_device(int(major or 0), int(minor or 0))
        file_mode = device.get("fileMode")
        mode = _TYPES[kind] | ((_DEFAULT_MODE if file_mode is None else file_mode) & _PERMISSIONS)
        nodes[path] = (mode, rdev, (device.get("uid") or 0) << 32 | (device.get("gid") or 0))
    return nodes


def _bind_node(draft: Draft, path: str, kind: int, rdev: int) -> None:
    what = f'error creating device nodes: "{path}"'
    by_parent = draft.host_side
    tree = draft.tree_slot(by_parent)
    stage = draft.host if by_parent else draft.setup
    stage.append(op("OPEN_DEVICE", what, tree=tree, mode=kind, rdev=rdev, path=path))
    draft.setup.append(op("MOUNT_TREE", what, "FILE", root=ROOTFS, tree=tree, target=path))


def open_null(draft: Draft, slot: int) -> None:
    """A detached tree of the host's verified /dev/null, the source of file masks (CVE-2025-31133)."""
    stage = draft.host if draft.host_side else draft.setup
    what = "unable to open /dev/null for masked paths"
    stage.append(op("OPEN_DEVICE", what, tree=slot, mode=S_IFCHR, rdev=make_device(1, 3), path="/dev/null"))
