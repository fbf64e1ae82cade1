"""The container's cgroup: where it is, what is written, who owns it."""

import pytest

from runtime.errors import CgroupError, ConfigError, NotBuilt
from runtime.plan.cgroup import cgroup_path
from runtime.plan.layout import OP_FLAGS
from tests.runtime.plan.drafting import ROOTLESS, config, names, one, ops, plan, violations, with_userns

MEMORY = {"resources": {"memory": {"limit": 1 << 20}}}


@pytest.mark.parametrize(
    ("configured", "own", "expected"),
    [
        ("/docker/web", "/a/b", "/docker/web"),
        ("/../../x", "/", "/x"),
        (None, "/", "/web"),
        (None, "/system.slice/engine.service", "/system.slice/web"),
        ("pods/x", "/user.slice/me", "/user.slice/pods/x"),
        ("../../x", "/a/b/c", "/a/b/x"),
        ("", "/", "/web"),
    ],
)
def test_paths(configured: str | None, own: str, expected: str) -> None:
    """Absolute below the mount, relative beside our own cgroup; `..` leads nowhere."""
    assert cgroup_path(configured, "web", own) == expected
    found = plan(config(linux={"cgroupsPath": configured}), {"own_cgroup": own})
    assert found.cgroup_path == expected
    assert one(found, "CGROUP_CREATE").places["path"] == expected


def test_the_root_of_the_hierarchy_is_nobodys() -> None:
    """Its processes are the host's."""
    with pytest.raises(ConfigError, match="is the root of the hierarchy"):
        plan(config(linux={"cgroupsPath": "/.."}))


def test_the_order_in_host() -> None:
    """State first, so that whatever is made later can be found and removed; the fifo last."""
    found = plan(config(linux={**MEMORY, "cgroupsPath": "/x"}))
    assert names(found, "HOST") == [
        "STATE_DIR",
        "SAVE_STATE",
        "CGROUP_CREATE",
        "WRITE_AT",
        "FIFO",
    ]
    assert names(found, "PARENT") == ["SAVE_FILE", "BPF_PROGRAMS"]
    made = one(found, "CGROUP_CREATE")
    assert made.flags == OP_FLAGS["MUST_BE_EMPTY"]
    assert made.places["controllers"] == "+cpuset +cpu +io +memory +hugetlb +pids +rdma"


def test_hooks_never_run_without_the_device_filter() -> None:
    """A createContainer hook runs while the parent half is still at work: the filter is attached before init exists."""
    hooks = {"createContainer": [{"path": "/bin/true"}]}
    found = plan(config(linux={**MEMORY, "cgroupsPath": "/x"}, hooks=hooks))
    assert "BPF_PROGRAMS" in names(found, "HOST")
    assert "BPF_PROGRAMS" not in names(found, "PARENT")


def test_writes() -> None:
    """One operation each, the phrase naming file and value; alternatives in one operation."""
    limits = {"memory": {"limit": 4096, "swap": 4096}, "blockIO": {"weight": 500}}
    found = plan(config(linux={"resources": limits}))
    swap, memory = ops(found, "WRITE_AT")
    assert (swap.places["name"], swap.places["value"], swap.flags) == ("memory.swap.max", "0", OP_FLAGS["OPTIONAL"])
    assert (memory.what, memory.flags) == ('failed to write "4096" to memory.max', 0)
    assert one(found, "WRITE_FIRST").blob == ("io.bfq.weight", "500", "io.weight", "4950")


def test_a_limit_without_its_controller() -> None:
    """Says which, and why; "unlimited" needs no controller."""
    host = {"cgroup_controllers": ("hugetlb",), "cgroup_hybrid": True, "cgroup_mount": "/sys/fs/cgroup/unified"}
    with pytest.raises(CgroupError) as caught:
        plan(config(linux=MEMORY), host)
    assert str(caught.value) == (
        "unable to apply resources/memory/limit: the memory controller is not available in the cgroup v2 hierarchy "
        "at /sys/fs/cgroup/unified; cgroup v1 holds it on this host"
    )
    unlimited = {"resources": {"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1}}}
    assert not ops(plan(config(linux=unlimited), host), "WRITE_AT")


def test_without_a_hierarchy() -> None:
    """An error, but for a rootless container that asks for nothing."""
    with pytest.raises(CgroupError, match="cgroup v2 is not mounted"):
        plan(config(), {"cgroup_mount": None})
    found = plan(with_userns(), {**ROOTLESS, "cgroup_mount": None}, {"rootless": True})
    assert found.cgroup_path is None
    with pytest.raises(CgroupError, match="the container has no cgroup"):
        plan(with_userns(**MEMORY), {**ROOTLESS, "cgroup_mount": None}, {"rootless": True})


def test_drivers() -> None:
    """cgroupfs; none at all, which then limits nothing; systemd is not built."""
    found = plan(asked={"cgroup_manager": "disabled"})
    assert (found.cgroup_mount, found.cgroup_path, ops(found, "CGROUP_CREATE")) == (None, None, [])
    with pytest.raises(CgroupError, match="the container has no cgroup"):
        plan(config(linux=MEMORY), asked={"cgroup_manager": "disabled"})
    with pytest.raises(NotBuilt, match="the systemd cgroup driver"):
        plan(asked={"cgroup_manager": "systemd"})


def test_device_program() -> None:
    """Always there for root, even without rules; not for a list that allows everything, nor rootless."""
    assert ops(plan(), "BPF_PROGRAMS")
    everything = {
        "resources": {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "a", "access": "rwm"}]}
    }
    assert not ops(plan(config(linux=everything)), "BPF_PROGRAMS")
    assert one(plan(host={"initial_userns": False}), "BPF_PROGRAMS").flags == OP_FLAGS["TOLERATE"]
    assert not ops(plan(with_userns(), ROOTLESS, {"rootless": True}), "BPF_PROGRAMS")
    with pytest.raises(ConfigError) as caught:
        plan(config(linux={"resources": {"devices": [{"allow": True}]}}))
    assert violations(caught.value) == {"/linux/resources/devices/0/access": "device access at 0 field cannot be empty"}


def test_a_rootless_cgroup_that_may_fail() -> None:
    """Only when nothing depends on it."""
    assert one(plan(with_userns(), ROOTLESS, {"rootless": True}), "CGROUP_CREATE").flags & OP_FLAGS["TOLERATE"]
    bound = plan(with_userns(cgroupsPath="/x"), ROOTLESS, {"rootless": True})
    assert not one(bound, "CGROUP_CREATE").flags & OP_FLAGS["TOLERATE"]


@pytest.mark.parametrize(
    ("new_namespace", "mount_options", "owned"),
    [(True, [], True), (True, ["ro"], False), (True, ["ro", "rw"], True), (False, [], False)],
)
def test_ownership(new_namespace: bool, mount_options: list[str], owned: bool) -> None:
    """The container's user owns its cgroup when it has a namespace for it and may write there."""
    made = with_userns()
    made["mounts"] = [{"destination": "/sys/fs/cgroup", "type": "cgroup", "options": mount_options}]
    made["process"]["user"] = {"uid": 7}
    if new_namespace:
        made["linux"]["namespaces"].append({"type": "cgroup"})
    found = ops(plan(made), "CGROUP_OWNER")
    assert bool(found) == owned
    if owned:
        assert found[0].places["uid"] == 100007
        assert found[0].blob == ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")


def test_what_is_ours_already_is_not_given_away() -> None:
    """Root's container as root: there is nobody else."""
    spaces = [{"type": "mount"}, {"type": "cgroup"}]
    made = config(linux={"namespaces": spaces}, mounts=[{"destination": "/sys/fs/cgroup", "type": "cgroup"}])
    assert not ops(plan(made), "CGROUP_OWNER")


def test_all_violations_of_resources_are_found() -> None:
    """With pointers from the config's top."""
    bad = {"memory": {"limit": 2, "swap": 1, "swappiness": 5}, "unified": {"a/b": "1", "plain": "2"}}
    with pytest.raises(ConfigError) as caught:
        plan(config(linux={"resources": bad}))
    assert sorted(violations(caught.value)) == [
        "/linux/resources/memory/swap",
        "/linux/resources/memory/swappiness",
        "/linux/resources/unified/a/b",
        "/linux/resources/unified/plain",
    ]
