"""`mounts`: each entry into operations, in the config's order.

A bind mount is a detached clone of its source's tree: cloned, given its attributes, then attached below the rootfs.  Any
other file system is made with fsopen(2).  Sources are opened by the parent half where init, root of a user namespace
only, could not reach them or not map their ids.
Source: config.md#mounts, mount_setattr(2), mount_namespaces(7).
"""

from runtime.abi.mounts import MOUNT_ATTR_RDONLY, MS_REC, MS_SLAVE, PROPAGATION
from runtime.errors import FeatureMissing, NotBuilt
from runtime.plan.draft import ROOTFS, Draft
from runtime.plan.launch_plan import op
from runtime.plan.mount_options import MountOptions, parse_options
from runtime.plan.namespaces import map_text
from runtime.plan.paths import below, clean, under

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from oci_schemas._types import Mount
    from runtime.plan.launch_plan import Op

# what lxcfs and its like may cover; everything else under /proc must stay the kernel's (CVE-2019-16884, CVE-2019-19921)
_PROC_FILES = frozenset(
    "/proc/" + name
    for name in (
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    )
)
# no device behind them: read-only is a matter of the mount alone, and one superblock may serve several mounts
_VIRTUAL = frozenset(("proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2"))
# these take no SELinux context
_UNLABELLED = frozenset(("proc", "sysfs", "mqueue", "cgroup2"))


class Entry:
    """One mount of the config, cleaned: where it stands, what it is called in errors, and its options."""

    __slots__ = ("destination", "fstype", "options", "pointer", "source", "what")

    def __init__(self, draft: Draft, index: int, mount: "Mount") -> None:
        """Take the entry apart; the source of a bind mount becomes absolute."""
        self.pointer = f"/mounts/{index}"
        self.destination = clean(mount["destination"])
        self.options: MountOptions = parse_options(mount.get("options") or ())
        self.fstype = mount.get("type") or ""
        source = mount.get("source") or ""
        if self.fstype in ("bind", "rbind"):
            self.options.bind = True
            self.options.recursive_bind |= self.fstype == "rbind"
        self.what = f'error mounting "{source or self.fstype}" to rootfs at "{self.destination}"'
        if self.options.bind and not self.options.remount:
            if source:
                source = under(draft.options.bundle, source)
            else:
                draft.refuse(self.pointer + "/source", "a bind mount needs a source")
        self.source = source


def plan_mounts(draft: Draft) -> None:
    """SETUP (and HOST for some sources): every mount of the config."""
    for index, mount in enumerate(draft.config.get("mounts") or ()):
        entry = Entry(draft, index, mount)
        if not _check(draft, entry):
            continue
        if entry.options.remount:
            _remount(draft, entry, mount)
        elif entry.options.bind:
            _bind(draft, entry, mount)
        elif entry.fstype in ("cgroup", "cgroup2"):
            _cgroup(draft, entry, mount)
        else:
            _file_system(draft, entry, mount, entry.fstype)


def _check(draft: Draft, entry: Entry) -> bool:
    destination, options = entry.destination, entry.options
    if destination == "/":
        draft.block(NotBuilt("a mount whose destination is /"))
        return False
    if destination == "/dev" and options.bind:
        draft.dev_is_bound = True
    if below(destination, "/proc") and not _may_cover_proc(entry):
        reason = "not of type proc" if destination == "/proc" else "inside /proc"
        draft.refuse(f"{entry.pointer}/destination", f'"{destination}" cannot be mounted because it is {reason}')
        return False
    if options.copy_up and (entry.fstype != "tmpfs" or options.bind):
        draft.refuse(f"{entry.pointer}/options", "tmpcopyup is only possible for a tmpfs")
    if not options.bind and not options.remount:
        if not entry.fstype or entry.fstype == "none":
            draft.refuse(f"{entry.pointer}/type", "a type is needed unless the mount is a bind mount")
            return False
    elif options.bind:
        for word in (*options.superblock, *options.data):
            draft.warn(f'{entry.what}: option "{word}" has no effect on a bind mount')
    return True


def _may_cover_proc(entry: Entry) -> bool:
    if entry.destination in _PROC_FILES:
        return True
    if entry.destination != "/proc":
        return entry.options.remount
    # a bind of the host's procfs, as containers in the host's pid namespace get it
    return (
        entry.fstype == "proc" or entry.options.remount or (entry.options.bind and below(clean(entry.source), "/proc"))
    )


def _idmap_slot(draft: Draft, entry: Entry, mount: "Mount") -> int | None:
    """The user namespace whose maps the mount gets: its own maps, else the container's; made once for equal maps."""
    uids, gids = mount.get("uidMappings") or (), mount.get("gidMappings") or ()
    if not entry.options.idmap and not uids:
        return None
    if not uids:
        uids, gids = draft.linux.get("uidMappings") or (), draft.linux.get("gidMappings") or ()
    if not uids or not gids:
        draft.refuse(
            f"{entry.pointer}/options",
            "an idmapped mount needs uidMappings and gidMappings, its own or the container's",
        )
        return None
    maps = (map_text(uids), map_text(gids))
    slot = draft.id_maps.get(maps)
    if slot is None:
        slot = draft.id_maps[maps] = draft.slot()
        what = "unable to make a user namespace for idmapped mounts"
        draft.host.append(op("USERNS_FD", what, ns=slot, uid_map=maps[0], gid_map=maps[1]))
    return slot


def _bind(draft: Draft, entry: Entry, mount: "Mount") -> None:
    options, what = entry.options, entry.what
    userns = _idmap_slot(draft, entry, mount)
    by_parent = userns is not None or draft.host_side
    stage = draft.host if by_parent else draft.setup
    tree = draft.tree_slot(by_parent)
    stage.append(op("OPEN_TREE", what, "RECURSIVE" if options.recursive_bind else "", tree=tree, path=entry.source))
    if by_parent:
        # cloned in the host's mount namespace: it must not stay a peer of the host's mounts, as those below our / are not
        propagation = root_propagation(draft)
        stage.append(_propagate(what, tree, propagation))
    if userns is not None:
        flags = "RECURSIVE" if options.idmap == "ridmap" else ""
        stage.append(op("SET_ATTR", what, flags, tree=tree, userns=userns, set=0, clear=0))
    if options.set or options.clear:
        stage.append(op("SET_ATTR", what, tree=tree, set=options.set, clear=options.clear))
    if options.recursive_set or options.recursive_clear:
        on, off = options.recursive_set, options.recursive_clear
        stage.append(op("SET_ATTR", what, "RECURSIVE", tree=tree, set=on, clear=off))
    stage += [_propagate(what, tree, flags) for flags in options.propagation]
    draft.setup.append(op("MOUNT_TREE", what, root=ROOTFS, tree=tree, target=entry.destination))


def root_propagation(draft: Draft) -> int:
    """How mounts of the new namespace hang together with the host's: rslave unless the config says otherwise."""
    return PROPAGATION.get(draft.linux.get("rootfsPropagation") or "", MS_SLAVE | MS_REC)


def _propagate(what: str, tree: int, flags: int) -> "Op":
    recursive = "RECURSIVE" if flags & MS_REC else ""
    return op("SET_ATTR", what, recursive, tree=tree, set=0, clear=0, propagation=flags & ~MS_REC)


def _file_system(draft: Draft, entry: Entry, mount: "Mount", fstype: str) -> None:
    options, what = entry.options, entry.what
    attributes, data = _attributes_and_data(draft, entry, fstype)
    places: dict[str, Any] = {"attr": attributes, "fstype": fstype, "source": entry.source or fstype}
    userns = _idmap_slot(draft, entry, mount)
    if userns is None:
        flags = "DIRECTORY COPY_UP" if options.copy_up else "DIRECTORY"
        # a tmpfs looks like the directory that it covers unless an option says otherwise
        places["target_mode"] = 1 if fstype == "tmpfs" and not any(word[:5] == "mode=" for word in data) else 0
        places["propagation"] = options.propagation[-1] & ~MS_REC if options.propagation else 0
        draft.setup.append(op("MOUNT_FS", what, flags, blob=data, root=ROOTFS, target=entry.destination, **places))
        return
    # idmapped while it is detached: once it is attached the kernel refuses
    if options.copy_up:
        draft.block(NotBuilt("tmpcopyup on an idmapped mount"))
    tree = draft.slot()
    draft.setup.append(op("MOUNT_FS", what, blob=data, tree=tree, **places))
    draft.setup.append(op("SET_ATTR", what, tree=tree, userns=userns, set=0, clear=0))
    draft.setup += [_propagate(what, tree, flags) for flags in options.propagation]
    draft.setup.append(op("MOUNT_TREE", what, "DIRECTORY", root=ROOTFS, tree=tree, target=entry.destination))


def _attributes_and_data(draft: Draft, entry: Entry, fstype: str) -> tuple[int, tuple[str, ...]]:
    """What a new file system is mounted with: attribute bits, and options for fsconfig(2)."""
    options = entry.options
    # nothing is mounted below a new mount yet: what the recursive words ask for is the same as the plain ones
    attributes = options.set & ~options.recursive_clear | options.recursive_set
    data = options.data_for(fstype)
    if attributes & MOUNT_ATTR_RDONLY:
        if fstype == "tmpfs" or entry.destination == "/dev":
            attributes &= ~MOUNT_ATTR_RDONLY
            draft.readonly_mounts.append(entry.destination)
        elif fstype not in _VIRTUAL:
            data = ("ro", *data)
    label = draft.linux.get("mountLabel")
    if label and fstype not in _UNLABELLED:
        data = (*data, f"context={label}")
    return attributes, data


def _cgroup(draft: Draft, entry: Entry, mount: "Mount") -> None:
    """A cgroup mount is the unified hierarchy.

    Without a cgroup namespace of the container's own the host's mount is bound: mounting it anew would take the host's options
    (nsdelegate, memory_recursiveprot) from all mounts of the hierarchy, which only a config that names others asks for.
    In a user namespace it is read-only then, whatever the options say (CVE-2023-25809).
    """
    place = draft.facts.cgroup_mount
    if place is None:
        draft.block(FeatureMissing(f"{entry.what}: cgroup v2 is not mounted on this host"))
        return
    may_mount = draft.facts.initial_userns and not draft.has("user")
    if draft.has("cgroup") or (may_mount and entry.options.data_for("cgroup2")):
        _file_system(draft, entry, mount, "cgroup2")
    else:
        entry.source = place
        if not may_mount:
            entry.options.set |= MOUNT_ATTR_RDONLY
            entry.options.clear &= ~MOUNT_ATTR_RDONLY
        _bind(draft, entry, mount)


def _remount(draft: Draft, entry: Entry, mount: "Mount") -> None:
    """Change a mount that the rootfs has already; with `bind` only the mount's own flags, else the superblock's too."""
    options = entry.options
    data: tuple[str, ...] = ()
    if not options.bind:
        data = options.data_for(entry.fstype)
        for bit, word in ((options.set, "ro"), (options.clear, "rw")):
            if bit & MOUNT_ATTR_RDONLY:
                data = (word, *data)
    if options.idmap or mount.get("uidMappings"):
        draft.refuse(f"{entry.pointer}/options", "id mappings are not possible on a remount")
    draft.setup.append(
        op(
            "REMOUNT",
            entry.what,
            root=ROOTFS,
            set=options.set,
            clear=options.clear,
            target=entry.destination,
            blob=data,
        )
    )
