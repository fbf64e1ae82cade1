"""Mounts: from entries of the config to operations."""

from typing import Any

import pytest

from runtime.abi import mounts as abi
from runtime.errors import ConfigError, FeatureMissing, NotBuilt
from runtime.plan.layout import OP_FLAGS
from tests.runtime.plan.drafting import CONFIG, ROOTLESS, config, names, one, ops, plan, violations, with_userns

_BIND = {"destination": "/data", "type": "bind", "source": "/src"}


def mounted(*mounts: dict[str, Any], **linux: Any) -> dict[str, Any]:
    """A config with these mounts."""
    return config(mounts=list(mounts), linux=linux)


def test_a_file_system_is_made_and_attached() -> None:
    """Attributes on the mount, unknown words as data."""
    found = one(
        plan(mounted({"destination": "/proc", "type": "proc", "source": "p", "options": ["nosuid", "hidepid=2"]})),
        "MOUNT_FS",
    )
    assert found.what == 'error mounting "p" to rootfs at "/proc"'
    assert found.places["attr"] == abi.MOUNT_ATTR_NOSUID
    assert (found.places["fstype"], found.places["source"], found.places["target"]) == ("proc", "p", "/proc")
    assert found.blob == ("hidepid=2",)


def test_read_only_file_systems() -> None:
    """Virtual ones by the mount alone; others on the superblock as well, or a read-only device would be refused."""
    sysfs, ext4 = ops(
        plan(
            mounted(
                {"destination": "/sys", "type": "sysfs", "options": ["ro"]},
                {"destination": "/d", "type": "ext4", "source": "/dev/sdb", "options": ["ro", "iversion"]},
            )
        ),
        "MOUNT_FS",
    )
    assert sysfs.places["attr"] == ext4.places["attr"] == abi.MOUNT_ATTR_RDONLY
    assert sysfs.blob == ()
    assert ext4.blob == ("ro", "i_version")


def test_a_read_only_tmpfs_is_populated_first() -> None:
    """It becomes read-only in ROOT, when devices and copies are in it."""
    found = plan(mounted({"destination": "/t", "type": "tmpfs", "options": ["ro", "tmpcopyup", "mode=700"]}))
    made = one(found, "MOUNT_FS")
    assert made.places["attr"] == 0
    assert made.places["target_mode"] == 0
    assert made.flags & OP_FLAGS["COPY_UP"]
    assert one(found, "SET_ATTR", "ROOT").places == {"set": abi.MOUNT_ATTR_RDONLY, "clear": 0, "path": "/t"}


def test_a_tmpfs_takes_the_mode_of_what_it_covers() -> None:
    """Unless an option says otherwise."""
    assert one(plan(mounted({"destination": "/t", "type": "tmpfs"})), "MOUNT_FS").places["target_mode"] == 1


def test_a_plain_bind_mount_keeps_its_flags() -> None:
    """Cloned and attached, nothing else; recursive only when asked for."""
    found = plan(mounted({**_BIND, "options": ["bind"]}))
    assert [op.name for op in found.stages["SETUP"] if op.what.startswith("error mounting")] == [
        "OPEN_TREE",
        "MOUNT_TREE",
    ]
    assert one(found, "OPEN_TREE").flags == 0
    assert one(plan(mounted({**_BIND, "options": ["rbind"]})), "OPEN_TREE").flags == OP_FLAGS["RECURSIVE"]


def test_bind_attributes_and_propagation_in_order() -> None:
    """Plain bits, recursive bits, then each propagation, all before the tree is attached."""
    found = plan(mounted({**_BIND, "options": ["rbind", "ro", "rnosuid", "rslave", "shared"]}))
    attributes = [(op.flags, op.places.get("set"), op.places.get("propagation", 0)) for op in ops(found, "SET_ATTR")]
    recursive = OP_FLAGS["RECURSIVE"]
    assert attributes == [
        (0, abi.MOUNT_ATTR_RDONLY, 0),
        (recursive, abi.MOUNT_ATTR_NOSUID, 0),
        (recursive, 0, abi.MS_SLAVE),
        (0, 0, abi.MS_SHARED),
    ]
    assert names(found, "SETUP").index("MOUNT_TREE") > names(found, "SETUP").index("SET_ATTR")


def test_paths_of_bind_mounts() -> None:
    """A relative source starts at the bundle, a relative destination at the root; `..` stops there."""
    found = plan(mounted({"destination": "a/../../b/", "source": "src", "options": ["bind"]}))
    assert one(found, "OPEN_TREE").places["path"] == "/b/src"
    assert one(found, "MOUNT_TREE").places["target"] == "/b"


def test_options_that_a_bind_mount_cannot_have_are_warned_about() -> None:
    """They belong to a superblock, which a bind mount shares with others."""
    warnings: list[str] = []
    plan(mounted({**_BIND, "options": ["bind", "sync", "size=1m"]}), warnings=warnings)
    assert [line.partition(": ")[2] for line in warnings] == [
        'option "sync" has no effect on a bind mount',
        'option "size=1m" has no effect on a bind mount',
    ]


def test_sources_are_opened_by_the_host_for_a_user_namespace() -> None:
    """Init could not reach them; cut off from the host's peer groups, as what init clones is."""
    made = with_userns()
    made["mounts"] = [{**_BIND, "options": ["rbind", "rprivate"]}]
    found = plan(made)
    assert [name for name in names(found, "HOST") if "TREE" in name or "ATTR" in name] == [
        "OPEN_TREE",
        "SET_ATTR",
        "SET_ATTR",
    ]
    assert ops(found, "SET_ATTR", "HOST")[0].places["propagation"] == abi.MS_SLAVE
    assert names(found, "SETUP").count("MOUNT_TREE") == 1 + 6  # and the default devices
    unprivileged = plan(made, ROOTLESS, {"rootless": True})
    assert not ops(unprivileged, "OPEN_TREE", "HOST")


def test_idmapped_mounts() -> None:
    """Own maps, else the container's; one user namespace for equal maps; ridmap goes down the tree."""
    own = [{"containerID": 0, "hostID": 7, "size": 9}]
    mapped = {**_BIND, "options": ["rbind", "ridmap"], "uidMappings": own, "gidMappings": own}
    found = plan(mounted(mapped, {**mapped, "destination": "/other"}))
    userns = one(found, "USERNS_FD", "HOST")
    assert (userns.places["uid_map"], userns.places["gid_map"]) == ("0 7 9\n", "0 7 9\n")
    applied = [op for op in ops(found, "SET_ATTR") if op.places.get("userns")]
    assert [(op.flags, op.places["userns"]) for op in applied] == [(OP_FLAGS["RECURSIVE"], userns.places["ns"])] * 2
    made = with_userns()
    made["mounts"] = [{**_BIND, "options": ["bind", "idmap"]}]
    assert one(plan(made), "USERNS_FD").places["uid_map"] == "0 100000 65536\n"
    with pytest.raises(ConfigError, match="needs uidMappings and gidMappings"):
        plan(mounted({**_BIND, "options": ["bind", "idmap"]}))


def test_an_idmapped_new_file_system() -> None:
    """Mapped while it is detached, then attached; maps alone ask for it too."""
    own = [{"containerID": 0, "hostID": 7, "size": 9}]
    entry = {
        "destination": "/t",
        "type": "tmpfs",
        "options": ["shared", "size=1m"],
        "uidMappings": own,
        "gidMappings": own,
    }
    found = plan(mounted(entry))
    steps = [op for op in found.stages["SETUP"] if op.what.startswith("error mounting")]
    assert [op.name for op in steps] == ["MOUNT_FS", "SET_ATTR", "SET_ATTR", "MOUNT_TREE"]
    assert "target" not in steps[0].places
    assert steps[1].places["userns"] == one(found, "USERNS_FD").places["ns"]
    assert steps[2].places["propagation"] == abi.MS_SHARED
    with pytest.raises(NotBuilt, match="tmpcopyup on an idmapped mount"):
        plan(mounted({**entry, "options": ["tmpcopyup"]}))


def test_a_cgroup_mount_is_the_unified_hierarchy() -> None:
    """cgroup2 itself, or a bind of the host's without a cgroup namespace: mounted anew, the host's would lose its options."""
    entry = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}
    own = mounted(entry)
    own["linux"] = {"namespaces": [*own["linux"]["namespaces"], {"type": "cgroup"}]}
    assert one(plan(own), "MOUNT_FS").places["fstype"] == "cgroup2"
    hosts = mounted({**entry, "options": ["rw", "nosuid"]})
    assert not ops(plan(hosts), "MOUNT_FS")
    assert one(plan(hosts), "OPEN_TREE").places["path"] == "/sys/fs/cgroup"
    assert [op.places["set"] for op in ops(plan(hosts), "SET_ATTR") if op.places["set"]] == [abi.MOUNT_ATTR_NOSUID]
    asking = mounted({**entry, "options": ["nsdelegate"]})
    assert one(plan(asking), "MOUNT_FS").places["fstype"] == "cgroup2"
    made = with_userns()
    made["mounts"] = [entry]
    bound = ops(plan(made), "OPEN_TREE", "HOST")
    assert [op.places["path"] for op in bound] == ["/sys/fs/cgroup"]
    made["mounts"] = [{**entry, "options": ["rw"]}]
    attributes = [op.places for op in ops(plan(made), "SET_ATTR", "HOST") if op.places["set"]]
    assert [(places["set"], places["clear"]) for places in attributes] == [(abi.MOUNT_ATTR_RDONLY, 0)]
    inside = ops(plan(mounted(entry), {"initial_userns": False}), "MOUNT_TREE")
    assert inside[0].places["target"] == "/sys/fs/cgroup"
    with pytest.raises(FeatureMissing, match="cgroup v2 is not mounted"):
        plan(mounted(entry), {"cgroup_mount": None}, {"rootless": True})


def test_remounts() -> None:
    """With bind only the mount's flags change, without the superblock's too."""
    bound = one(plan(mounted({"destination": "/x", "options": ["remount", "bind", "ro"]})), "REMOUNT")
    assert (bound.places["set"], bound.blob) == (abi.MOUNT_ATTR_RDONLY, ())
    whole = one(
        plan(mounted({"destination": "/x", "type": "tmpfs", "options": ["remount", "ro", "size=1m"]})), "REMOUNT"
    )
    assert whole.blob == ("ro", "size=1m")
    again = one(plan(mounted({"destination": "/x", "options": ["remount", "rw"]})), "REMOUNT")
    assert (again.places["clear"], again.blob) == (abi.MOUNT_ATTR_RDONLY, ("rw",))


@pytest.mark.parametrize(
    ("mount", "pointer", "message"),
    [
        ({"destination": "/proc/sys", "type": "tmpfs"}, "/mounts/0/destination", "inside /proc"),
        ({"destination": "/x/../proc/x", "type": "tmpfs"}, "/mounts/0/destination", "inside /proc"),
        ({"destination": "/proc", "type": "tmpfs"}, "/mounts/0/destination", "not of type proc"),
        ({"destination": "/proc", "source": "/x", "options": ["bind"]}, "/mounts/0/destination", "not of type proc"),
        ({"destination": "/x"}, "/mounts/0/type", "a type is needed"),
        ({"destination": "/x", "options": ["bind"]}, "/mounts/0/source", "a bind mount needs a source"),
        (
            {"destination": "/x", "type": "proc", "options": ["tmpcopyup"]},
            "/mounts/0/options",
            "only possible for a tmpfs",
        ),
        (
            {"destination": "/x", "options": ["remount", "bind", "ridmap"]},
            "/mounts/0/options",
            "are not possible on a remount",
        ),
    ],
)
def test_refused_mounts(mount: dict[str, Any], pointer: str, message: str) -> None:
    """Each with the entry's pointer."""
    with pytest.raises(ConfigError) as caught:
        plan(mounted(mount))
    assert message in violations(caught.value)[pointer]


@pytest.mark.parametrize("destination", ["/proc/cpuinfo", "/proc/sys/kernel/ns_last_pid"])
def test_what_lxcfs_may_cover(destination: str) -> None:
    """A few files of /proc, and /proc by the host's own."""
    plan(mounted({"destination": destination, "source": "/lxcfs/x", "options": ["bind"]}))
    plan(mounted({"destination": "/proc", "source": "/proc", "options": ["rbind"]}))


def test_a_mount_over_the_root_is_refused() -> None:
    """What was opened below the old root would no longer be what the container sees."""
    with pytest.raises(NotBuilt, match="destination is /"):
        plan(mounted({"destination": "/..", "type": "tmpfs"}))


def test_selinux_context() -> None:
    """Of every file system that has labels."""
    entries = [{"destination": "/t", "type": "tmpfs"}, CONFIG["mounts"][0]]
    active = ops(plan(mounted(*entries, mountLabel="a:b:c:s0:c1,c2"), {"lsms": ("selinux",)}), "MOUNT_FS")
    assert [op.blob for op in active] == [("context=a:b:c:s0:c1,c2",), ()]


def test_trees_that_init_opens_share_a_slot() -> None:
    """Each is attached before the next is opened: any number of mounts is possible."""
    many = [{**_BIND, "destination": f"/m{index}", "options": ["bind"]} for index in range(300)]
    assert len({op.places["tree"] for op in ops(plan(mounted(*many)), "OPEN_TREE")}) == 1


def test_too_many_mounts_for_the_parent_are_refused() -> None:
    """There a tree stays open until init attaches it, and descriptors are counted in one byte."""
    made = with_userns()
    made["mounts"] = [{**_BIND, "destination": f"/m{index}", "options": ["bind"]} for index in range(300)]
    with pytest.raises(ConfigError, match="need a descriptor of their own"):
        plan(made)
