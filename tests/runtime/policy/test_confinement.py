"""A container that could leave its cgroup is held by nothing that hangs on it."""

from typing import Any

import pytest

from tests.runtime.plan.drafting import CONFIG, config
from tests.runtime.policy.layering import ALLOW, EPERM, files, layer, lowered, network, refusal, syscalls, verdict

ADMIN = {"capabilities": {"bounding": ["CAP_SYS_ADMIN"]}}
CGROUP: dict[str, Any] = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}
BOUND: dict[str, Any] = {"destination": "/host", "type": "bind", "source": "/sys/", "options": ["rbind"]}


def with_mount(mount: dict[str, Any], *words: str) -> dict[str, Any]:
    """The small container with one more mount."""
    return config(mounts=[*CONFIG["mounts"], {**mount, "options": [*mount.get("options", ()), *words]}])


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (with_mount(CGROUP), "the config mounts the host's cgroups writable"),
        (with_mount(CGROUP, "ro", "rw"), "the config mounts the host's cgroups writable"),
        (with_mount(BOUND), "the config mounts the host's cgroups writable"),
        (
            with_mount({**BOUND, "source": "/sys/fs/cgroup/system.slice"}),
            "the config mounts the host's cgroups writable",
        ),
        (with_mount(BOUND, "ro"), "the config mounts the host's cgroups writable"),
        (config(process=ADMIN), "with CAP_SYS_ADMIN the host's cgroups can be mounted"),
    ],
)
def test_the_host_s_hierarchy(made: dict[str, Any], why: str) -> None:
    """Writable for the container: whatever hangs on its cgroup is not enforceable, unless it has a cgroup namespace."""
    layers = [
        network(egress=[]),
        layer(resources={"pids": {"limit": 9}}),
        layer(limits={"wall_time_ms": 5, "open_files": None}),
    ]
    for one in layers:
        (line,) = refusal(one, made=made)
        assert line.endswith(f"needs a cgroup namespace of the container's own: {why}")
    made["linux"]["namespaces"].append({"type": "cgroup"})
    bound = any(mount["type"] == "bind" for mount in made["mounts"])
    assert [line.rpartition(": ")[2] for line in refusal(*layers, made=made)] == ([why] * 3 if bound else [])
    made["linux"]["namespaces"].append({"type": "user"})
    assert refusal(*layers, made=made) == []
    made["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    assert bool(refusal(*layers, made=made)) == bound


@pytest.mark.parametrize(
    "made",
    [
        config(),
        with_mount(CGROUP, "ro"),
        with_mount(BOUND, "rro"),
        with_mount({**BOUND, "source": "/srv"}),
        with_mount({**BOUND, "source": "/sys/fs/cgroup", "options": ["bind", "ro"]}),
    ],
)
def test_ordinary_containers(made: dict[str, Any]) -> None:
    """They cannot leave."""
    assert refusal(network(egress=[]), made=made) == []


def test_capabilities_that_the_policy_takes() -> None:
    """What is left decides."""
    assert refusal(network(egress=[]), layer(capabilities={"allow": [], "rule": 0}), made=config(process=ADMIN)) == []


def test_what_does_not_hang_on_the_cgroup() -> None:
    """Stays enforceable."""
    assert refusal(files(write=["/w"]), network(domains=[1]), made=with_mount(CGROUP)) == []


OWN = config(linux={"namespaces": [{"type": kind} for kind in ("mount", "pid", "network", "cgroup")]})
HELD = network(egress=[])


@pytest.mark.parametrize(
    ("layers", "made", "looked_for"),
    [
        ([HELD], OWN, "outside"),
        ([HELD], config(), "every"),
        ([layer(resources={"pids": {"limit": 9}})], OWN, "outside"),
        ([layer(limits={"wall_time_ms": 5, "open_files": None})], OWN, "outside"),
        ([files(write=["/w"])], OWN, ""),
        ([network(domains=[1])], config(), ""),
        ([HELD], {**OWN, "process": {**CONFIG["process"], **ADMIN}}, "remountable"),
        (
            [HELD, layer(capabilities={"allow": [], "rule": 0})],
            {**OWN, "process": {**CONFIG["process"], **ADMIN}},
            "outside",
        ),
        (
            [HELD, syscalls("allow", {"names": ["mount", "mount_setattr", "open_tree_attr"], "action": "deny"})],
            {**OWN, "process": {**CONFIG["process"], **ADMIN}},
            "outside",
        ),
        (
            [HELD, syscalls("allow", {"names": ["mount"], "action": "deny"})],
            {**OWN, "process": {**CONFIG["process"], **ADMIN}},
            "remountable",
        ),
        (
            [
                HELD,
                syscalls(
                    "deny",
                    {
                        "names": ["read", "write", "close", "openat", "close_range", "execve", "exit_group"],
                        "action": "allow",
                    },
                ),
            ],
            {**OWN, "process": {**CONFIG["process"], **ADMIN}},
            "outside",
        ),
        ([HELD], {}, ""),
    ],
)
def test_what_init_looks_for(layers: list[dict[str, Any]], made: dict[str, Any], looked_for: str) -> None:
    """A mount that the config calls by another name, where something hangs on the cgroup; read-only ones if they need not stay so."""
    assert lowered(*layers, made=made).hierarchy == looked_for


def test_users_who_own_no_cgroup_need_not_be_watched() -> None:
    """In a user namespace without the host's root."""
    spaces = [*OWN["linux"]["namespaces"], {"type": "user"}]
    assert lowered(HELD, made=config(linux={"namespaces": spaces})).hierarchy == ""
    roots = [{"containerID": 0, "hostID": 0, "size": 1}]
    assert lowered(HELD, made=config(linux={"namespaces": spaces, "uidMappings": roots})).hierarchy == "outside"


LIMITED = layer(resources={"pids": {"limit": 9}})
OPEN: dict[str, Any] = {"nsdelegate": False}


def owned(mount: dict[str, Any]) -> dict[str, Any]:
    """The container with a cgroup namespace of its own and one more mount."""
    return config(mounts=[*CONFIG["mounts"], mount], linux=OWN["linux"])


@pytest.mark.parametrize("held", [{"euid": 0}, {"euid": 1000}])
def test_limits_without_nsdelegate(held: dict[str, Any]) -> None:
    """Whoever owns the cgroup could lift them in a writable mount of it: none may be there, nor come."""
    writable, closed = owned(CGROUP), owned({**CGROUP, "options": ["ro"]})
    (line,) = refusal(LIMITED, made=writable, **OPEN, **held)
    assert line.endswith(
        "resources: needs a read-only cgroup mount: this host's hierarchy is mounted without nsdelegate, so that limits could be changed in it"
    )
    found = lowered(LIMITED, made=closed, **OPEN, **held)
    assert found.hierarchy == "own"
    for name in ("mount", "fsopen", "fsmount", "fspick", "mount_setattr", "open_tree_attr"):
        assert verdict(found, name) == EPERM
    assert lowered(LIMITED, made=config(), **OPEN).hierarchy == "every"
    assert verdict(lowered(LIMITED, made=config(), **OPEN), "mount") == EPERM


def test_limits_that_are_nobody_s_to_lift() -> None:
    """With nsdelegate, where nothing is limited, by a controller that is not there, or for users who own no cgroup."""
    writable = owned(CGROUP)
    optional = {**LIMITED, "requirements": {"cgroup_limits": "optional"}}
    spaces = [*OWN["linux"]["namespaces"], {"type": "user"}]
    nobody = config(mounts=writable["mounts"], linux={"namespaces": spaces})
    for one, made, host in (
        (LIMITED, writable, {}),
        (HELD, writable, OPEN),
        (optional, writable, {**OPEN, "cgroup_controllers": ("hugetlb",)}),
        (LIMITED, nobody, OPEN),
    ):
        assert verdict(lowered(one, made=made, **host), "mount") == ALLOW
    user = {"containerID": 0, "hostID": 1000, "size": 1}
    rootless = config(mounts=writable["mounts"], linux={"namespaces": spaces, "uidMappings": [user]})
    assert refusal(LIMITED, made=rootless, **OPEN, euid=1000)


def test_an_empty_path_is_none() -> None:
    """Such a namespace is a new one, whoever reads it."""
    spaces = [{**space, "path": ""} for space in OWN["linux"]["namespaces"]]
    layers = [files(write=["/w"]), HELD]
    empty, absent = lowered(*layers, made=config(linux={"namespaces": spaces})), lowered(*layers, made=OWN)
    for name in ("sections", "points", "hierarchy", "network"):
        assert getattr(empty, name) == getattr(absent, name)
    joined = [{**space, "path": "/proc/1/ns/x"} for space in spaces]
    assert refusal(*layers, made=config(linux={"namespaces": joined}))
