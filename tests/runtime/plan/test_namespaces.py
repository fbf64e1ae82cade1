"""Namespaces: what is made, what is joined and by whom, maps and time offsets."""

from typing import Any

import pytest

from runtime.abi.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)
from runtime.errors import ConfigError, FeatureMissing, NetworkError, NotBuilt
from runtime.plan._shapes import SLOTS
from runtime.plan.layout import FLAGS
from tests.runtime.plan.drafting import MAPS, ROOTLESS, config, names, one, ops, plan, violations, with_userns


def spaces(*kinds: Any) -> dict[str, Any]:
    """`linux` with these namespaces: a type, or a (type, path)."""
    listed = [{"type": kind} if isinstance(kind, str) else {"type": kind[0], "path": kind[1]} for kind in kinds]
    return {"namespaces": listed}


def test_new_namespaces_come_with_the_clone() -> None:
    """Every type but cgroup and time is a bit of clone3; nothing is opened or joined."""
    found = plan(config(linux=spaces("mount", "pid", "ipc", "uts", "network")))
    assert found.clone_flags == CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET
    assert not ops(found, "OPEN_NS")
    assert not ops(found, "SETNS")
    assert found.flags & FLAGS["OWN_PIDNS"]


def test_the_cgroup_namespace_is_unshared_by_init() -> None:
    """Only once init sits in its cgroup is that the new namespace's root."""
    found = plan(config(linux=spaces("mount", "pid", "cgroup")))
    assert one(found, "UNSHARE", "SETUP").places == {"flags": CLONE_NEWCGROUP}
    assert not found.clone_flags & CLONE_NEWCGROUP


def test_a_namespace_not_listed_is_inherited() -> None:
    """Without a pid namespace the container's processes are killed one by one at its end."""
    found = plan(config(linux=spaces("mount")))
    assert found.clone_flags == CLONE_NEWNS
    assert found.flags & FLAGS["KILL_ALL"]
    assert not found.flags & FLAGS["OWN_PIDNS"]


def test_joined_namespaces_are_checked_and_joined_by_init() -> None:
    """The path is opened on the host with its type; init joins, the mount namespace last."""
    found = plan(config(linux=spaces(("mount", "/m"), ("network", "/n"), ("uts", "/u"))))
    opened = {op.places["type"]: op.places["path"] for op in ops(found, "OPEN_NS", "HOST")}
    assert opened == {CLONE_NEWNS: "/m", CLONE_NEWNET: "/n", CLONE_NEWUTS: "/u"}
    assert [op.places["types"] for op in ops(found, "SETNS", "SETUP")] == [CLONE_NEWNET, CLONE_NEWUTS, CLONE_NEWNS]
    assert not ops(found, "LO_UP")


def test_a_joined_pid_namespace_is_entered_before_the_clone() -> None:
    """setns moves only children into a pid namespace, so that it stands in HOST."""
    found = plan(config(linux=spaces("mount", ("pid", "/p"))))
    assert one(found, "SETNS", "HOST").places["types"] == CLONE_NEWPID
    assert found.flags & FLAGS["KILL_ALL"]


def test_with_a_new_user_namespace_everything_is_joined_before_the_clone() -> None:
    """Inside it init would have no right over namespaces of others."""
    listed = spaces("mount", "user", ("network", "/n"), ("ipc", "/i"))
    found = plan(config(linux={**listed, "uidMappings": MAPS, "gidMappings": MAPS}))
    assert [op.places["types"] for op in ops(found, "SETNS", "HOST")] == [CLONE_NEWNET, CLONE_NEWIPC]
    assert not ops(found, "SETNS", "SETUP")


def test_a_joined_user_namespace_is_the_executors_business() -> None:
    """Its slot is filled and the flag is set; no maps are written."""
    found = plan(config(linux=spaces("mount", ("user", "/u"), ("network", "/n"))))
    assert {op.places["ns"] for op in ops(found, "OPEN_NS")} >= {SLOTS["USERNS"]}
    assert found.flags & FLAGS["JOIN_USERNS"]
    assert not found.clone_flags & CLONE_NEWUSER
    assert not ops(found, "ID_MAPS")
    assert [op.places["types"] for op in ops(found, "SETNS", "SETUP")] == [CLONE_NEWNET]


def test_user_namespace_maps() -> None:
    """Root writes the maps itself, in the kernel's lines."""
    found = plan(with_userns(gidMappings=[*MAPS, {"containerID": 65536, "hostID": 5, "size": 1}]))
    assert one(found, "ID_MAPS", "PARENT").places == {
        "uid_map": "0 100000 65536\n",
        "gid_map": "0 100000 65536\n65536 5 1\n",
        "newuidmap": None,
        "newgidmap": None,
    }
    assert found.flags & FLAGS["USERNS"]


def test_maps_of_an_unprivileged_caller() -> None:
    """Its own id alone it maps itself, with setgroups denied; more goes through the set-uid tools."""
    own = [{"containerID": 0, "hostID": 1000, "size": 1}]
    simple = one(plan(with_userns(uidMappings=own, gidMappings=own), ROOTLESS, {"rootless": True}), "ID_MAPS")
    assert (simple.places["newuidmap"], simple.places["newgidmap"]) == (None, None)
    assert simple.flags
    ranged = one(plan(with_userns(), ROOTLESS, {"rootless": True}), "ID_MAPS")
    assert ranged.places["newuidmap"] == "/usr/bin/newuidmap"
    assert not ranged.flags
    with pytest.raises(FeatureMissing, match="need newuidmap"):
        plan(with_userns(), {**ROOTLESS, "newuidmap": None}, {"rootless": True})


def test_mapping_rules() -> None:
    """A user namespace needs maps, and maps a user namespace."""
    with pytest.raises(ConfigError) as without:
        plan(config(linux=spaces("mount", "user")))
    assert sorted(violations(without.value)) == ["/linux/gidMappings", "/linux/uidMappings"]
    with pytest.raises(ConfigError, match="user namespace isn't enabled"):
        plan(config(linux={"uidMappings": MAPS}))
    with pytest.raises(ConfigError, match="rootless container requires user namespaces"):
        plan(config(), ROOTLESS, {"rootless": True})


def test_time_offsets_are_written_before_the_clone_and_the_parent_goes_back() -> None:
    """Hooks, which the parent starts later, must live in the host's time."""
    offsets = {"boottime": {"secs": 7, "nanosecs": 5}, "monotonic": {"secs": -1}}
    found = plan(config(linux={**spaces("mount", "time"), "timeOffsets": offsets}))
    assert names(found, "HOST")[-2:] == ["OPEN_NS", "TIMENS"]
    assert one(found, "TIMENS").places["offsets"] == "boottime 7 5\nmonotonic -1 0\n"
    back = one(found, "SETNS", "PARENT").places
    assert back == {"ns": one(found, "OPEN_NS").places["ns"], "types": CLONE_NEWTIME}


@pytest.mark.parametrize(
    ("kinds", "message"),
    [(("mount",), "time namespace isn't enabled"), (("mount", ("time", "/t")), "time namespace is joined by path")],
)
def test_time_offsets_need_a_new_namespace(kinds: tuple[Any, ...], message: str) -> None:
    """Offsets of a clock that is not the container's own are refused."""
    with pytest.raises(ConfigError, match=message):
        plan(config(linux={**spaces(*kinds), "timeOffsets": {"boottime": {"secs": 7}}}))


def test_a_container_without_a_mount_namespace_is_refused() -> None:
    """Its mounts would be the host's."""
    with pytest.raises(NotBuilt, match="without a mount namespace"):
        plan(config(linux=spaces("pid")))


def test_duplicated_namespaces_in_runcs_words() -> None:
    """The schema says so first; the planner does not rely on it."""
    with pytest.raises(ConfigError, match='malformed spec file: duplicated ns "pid"'):
        plan(config(linux=spaces("mount", "pid", "pid")))


def test_a_network_namespace_that_is_held_open() -> None:
    """--network bridge: in the place of the new one, which the config asks for; loopback is set up as there."""
    found = plan(asked={"network_fd": 9})
    held = one(found, "HELD_NS")
    assert (held.places["fd"], held.places["type"]) == (9, CLONE_NEWNET)
    assert not found.clone_flags & CLONE_NEWNET
    assert names(found, "SETUP").index("SETNS") < names(found, "SETUP").index("LO_UP")
    joined = [step for step in found.stages["SETUP"] if step.name == "SETNS"]
    assert [step.places["ns"] for step in joined] == [held.places["ns"]]


def test_net_devices_need_a_namespace_that_is_there() -> None:
    """Made for them and held open, or joined by path; the caller's own is no place to move a device to."""
    devices: dict[str, Any] = {"netDevices": {"eth7": {}}}
    one(plan(config(linux=devices), asked={"network_fd": 9}), "HELD_NS")
    plan(config(linux={**devices, **spaces("mount", "pid", ("network", "/run/netns/a"))}))
    with pytest.raises(NetworkError, match=r"linux\.netDevices needs a network namespace"):
        plan(config(linux=devices))
    with pytest.raises(ConfigError) as caught:
        plan(config(linux={**devices, **spaces("mount", "pid")}))
    assert "shares the network of its caller" in violations(caught.value)["/linux/netDevices"]
