"""The policy on its way into the plan: chosen, lowered once for containers of a kind, and bounding what joins later."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci_schemas.json_text import dumps
from runtime.commands import gating
from runtime.commands.gate_cache import GATES, gate_key, kept_gate, put_in, reduce_config
from runtime.commands.gate_making import tightened_parts
from runtime.commands.invocation import Invocation
from runtime.errors import ConfigError, LifecycleError, PolicyError
from runtime.plan.compile import compile_create
from runtime.plan.encode import encode_plan
from runtime.policy.built_in import builtin_names, load_builtin
from runtime.policy.choose import choose_policy
from runtime.policy.lower import lower
from runtime.policy.resolved import Resolved
from runtime.seccomp import compile as compile_module
from tests.runtime.plan.drafting import FILTER, config, facts, options
from tests.runtime.policy.layering import files, layer, network, syscalls

BROKERED = syscalls("allow", {"names": ["getpid"], "action": "broker"})


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invocation:
    """A call under a state root of its own; the host is the tests', and lowering is kept as by a bundle."""
    made = Invocation("create", {}, ["web"])
    made.root, made.policy_dir = str(tmp_path / "root"), str(tmp_path / "site")
    monkeypatch.setattr(gating, "probe_facts", lambda *_args: facts(landlock=7))
    monkeypatch.setattr("runtime.launch.filter_cache.compiler_identity", lambda: "1:2:3:4")
    return made


def under(monkeypatch: pytest.MonkeyPatch, *layers: dict[str, Any], digest: str = "d") -> None:
    """Let these layers be the policy that is chosen."""
    monkeypatch.setattr(gating, "find_policy", lambda *_args: Resolved("p", digest, list(layers)))


def test_no_policy(call: Invocation) -> None:
    """The config stays the same object, and nothing is kept."""
    made: Any = config()
    gated = gating.gate_config(call, made, terminal=False)
    assert gated.config is made
    assert (gated.gate, gated.compiled, gated.trapped) == (None, None, False)
    assert not Path(call.root).exists()


def test_a_site_that_cannot_be_looked_at(call: Invocation) -> None:
    """Could have a floor: that there is none must be sure."""
    Path(call.policy_dir).write_text("no directory")
    assert gating.find_policy(call, {}) is None
    os.remove(call.policy_dir)
    os.symlink(call.policy_dir, call.policy_dir)  # ELOOP stands for whatever else may be wrong
    with pytest.raises(PolicyError):
        gating.find_policy(call, {})


@pytest.mark.parametrize("asked", [None, "agent"])
def test_a_site_behind_links_that_lead_nowhere(call: Invocation, asked: str | None) -> None:
    """Neither the directory nor the config is absent for sure."""
    call.policy = asked
    os.symlink("gone", call.policy_dir)
    with pytest.raises(PolicyError, match="links to gone, which is not there"):
        gating.find_policy(call, {})
    os.remove(call.policy_dir)
    Path(call.policy_dir).mkdir(mode=0o755)
    os.symlink("gone", Path(call.policy_dir, gating.SITE_NAME))
    with pytest.raises(PolicyError, match=r"config\.toml: links to gone, which is not there"):
        gating.find_policy(call, {})


def _chosen(choose: Callable[[], Resolved | None]) -> tuple[str, str] | str | None:
    try:
        found = choose()
    except PolicyError as error:
        return str(error)
    return None if found is None else (found.name, found.hash)


@pytest.mark.parametrize(
    "site", [None, "", '[policy]\nfloor = ["batch-job"]\n', '[policy]\nannotation = ["agent"]\ndefault = "ci-runner"\n']
)
@pytest.mark.parametrize("asked", [None, "agent", "none", "no-such", "./file.yaml"])
@pytest.mark.parametrize("annotation", [None, "agent", "ci-runner", "none", "", "/etc/passwd"])
def test_the_short_way_to_a_built_in_policy(
    call: Invocation, site: str | None, asked: str | None, annotation: str | None
) -> None:
    """Leads where the long one does, and is none where the site has rules."""
    if site is not None:
        Path(call.policy_dir).mkdir(mode=0o755)
        if site:
            Path(call.policy_dir, "config.toml").write_text(site)
    call.policy = asked
    annotations = {} if annotation is None else {gating.ANNOTATION: annotation}
    wanted = _chosen(lambda: choose_policy(asked, annotations, call.root, call.policy_dir))
    assert _chosen(lambda: gating.find_policy(call, {"annotations": annotations})) == wanted


def test_an_annotation_that_asks_to_be_recorded(call: Invocation) -> None:
    """Stands in the place of no policy: the operator's own, which it would lift, is not to be lifted by who brings the container."""
    learning = {"annotations": {gating.ANNOTATION: gating.LEARN}}
    for asked in (None, "none", gating.LEARN):
        call.policy = asked
        assert gating.is_learning(call, learning)
    call.policy = "agent"
    with pytest.raises(PolicyError, match='would lift the policy "agent"'):
        gating.is_learning(call, learning)


def test_a_policy(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tightened config, filter, and what the plan gets besides."""
    under(monkeypatch, files(write=["/w"]), layer(capabilities={"allow": [], "rule": 0}))
    gated = gating.gate_config(call, config(process={"capabilities": {"bounding": ["CAP_KILL"]}}), terminal=False)  # type: ignore[arg-type]
    process: Any = gated.config["process"]
    assert process["noNewPrivileges"] is True
    assert process["capabilities"] == {"bounding": []}
    assert gated.gate is not None
    assert gated.gate.points == (("/", True, False), ("/w", False, False))
    assert gated.gate.saved
    assert (gated.gate.table, gated.gate.listener, gated.trapped) == (b"", None, False)
    assert gated.compiled is not None
    assert not gated.compiled.notify


def test_a_policy_with_a_broker(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket lies below the state root."""
    under(monkeypatch, BROKERED)
    gated = gating.gate_config(call, config(), terminal=False)  # type: ignore[arg-type]
    assert gated.gate is not None
    assert gated.gate.listener == f"{call.root}/@broker/socket"
    assert gated.gate.table
    assert gated.trapped


def test_two_listeners(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives a process one."""
    own = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}]}
    under(monkeypatch, BROKERED)
    with pytest.raises(ConfigError, match="/linux/seccomp/syscalls/0/action: the policy needs the broker"):
        gating.gate_config(call, config(linux={"seccomp": own}), terminal=False)  # type: ignore[arg-type]
    under(monkeypatch, files(write=["/w"]), digest="e")
    assert gating.gate_config(call, config(linux={"seccomp": own}), terminal=False).gate is not None  # type: ignore[arg-type]


def test_a_time_limit_that_nobody_would_hear_of(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The config's own filter denies what would bring the container to the broker."""
    own = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["remap_file_pages"], "action": "SCMP_ACT_ERRNO"}]}
    under(monkeypatch, layer(limits={"wall_time_ms": 5, "open_files": None}))
    with pytest.raises(PolicyError, match=r"limits\.wall_time"):
        gating.gate_config(call, config(linux={"seccomp": own}), terminal=False)  # type: ignore[arg-type]


def test_a_second_container_of_the_kind(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lowered or compiled again, and what comes out is the same; another policy or kind is another matter."""
    under(monkeypatch, files(write=["/w"]), network(domains=[1], egress=[]), BROKERED)
    made = config(linux={"maskedPaths": ["/m"]}, process={"capabilities": {"bounding": ["CAP_KILL", "CAP_NET_RAW"]}})
    first = gating.gate_config(call, made, terminal=False)  # type: ignore[arg-type]
    count = len(os.listdir(f"{call.root}/{GATES}"))

    def refuse(*_args: object) -> None:
        raise AssertionError("lowered again")

    monkeypatch.setattr("runtime.policy.lower.lower", refuse)
    other = {**made, "hostname": "h", "mounts": [{"destination": "/d", "type": "bind", "source": "/srv"}]}
    second = gating.gate_config(call, other, terminal=False)  # type: ignore[arg-type]
    assert (second.gate, second.compiled, second.trapped) == (first.gate, first.compiled, first.trapped)
    assert second.config["hostname"] == "h"
    assert second.config["process"] == first.config["process"]
    assert len(os.listdir(f"{call.root}/{GATES}")) == count
    with pytest.raises(AssertionError, match="lowered again"):
        gating.gate_config(call, config(linux={"maskedPaths": ["/other"]}), terminal=False)  # type: ignore[arg-type]


def test_the_saved_config_s_text(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of the config's own filter is kept with the gate: what is saved is what writing all of it anew would give."""
    under(monkeypatch, files(write=["/w"]))
    odd = {
        "names": ["read", 'q"\u00e9\n'],
        "action": "SCMP_ACT_ALLOW",
        "comment": "\u2028",
        "args": [{"index": 0, "value": 1 << 63}],
    }
    section = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "flags": [],
        "syscalls": [odd, {"names": [], "action": "SCMP_ACT_LOG"}],
    }
    for text in (section, {**section, "defaultErrnoRet": 38}):
        made = config(linux={"seccomp": text})
        monkeypatch.setattr("runtime.launch.filter_cache.compiled_filter", lambda *_args: FILTER)
        for _ in range(2):
            gated = gating.gate_config(call, made, terminal=False)  # type: ignore[arg-type]
            linux: Any = gated.config["linux"]
            assert linux["seccomp"] == text
            assert json.loads(dumps(gated.config))["linux"]["seccomp"] == text
            assert dumps(gated.config) == dumps(plainly(gated.config))
            assert dumps(gated.config, " ") == dumps(plainly(gated.config), " ")


def plainly(value: Any) -> Any:
    """The same of plain dicts."""
    if isinstance(value, dict):
        return {name: plainly(part) for name, part in value.items()}
    return [plainly(part) for part in value] if isinstance(value, (list, tuple)) else value


def test_another_limit_is_another_kind_with_the_same_filter(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lowered anew, because limits are tightened, and not compiled anew: the same program, found by its sections."""
    under(monkeypatch, syscalls("allow", {"names": ["getpid"], "action": "deny"}))
    compiled: list[int] = []
    real = compile_module.compile_profiles

    def counting(sections: Any, arch: str) -> Any:
        compiled.append(len(sections))
        return real(sections, arch)

    monkeypatch.setattr(compile_module, "compile_profiles", counting)
    found = [
        gating.gate_config(call, config(linux={"resources": {"pids": {"limit": limit}}}), terminal=False)  # type: ignore[arg-type]
        for limit in (10, 20, 10)
    ]
    assert len(compiled) == 1
    assert len({one.compiled.program for one in found if one.compiled is not None}) == 1
    assert len(os.listdir(f"{call.root}/{GATES}")) == 2


@pytest.mark.parametrize("name", builtin_names())
def test_a_plan_from_what_was_kept(call: Invocation, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Is the plan from what was lowered just now, byte for byte, under every built-in policy; the second loads no layers."""
    found = load_builtin(name)
    assert found is not None
    host = facts(landlock=7, cgroup_controllers=("cpu", "memory", "pids"))
    monkeypatch.setattr(gating, "probe_facts", lambda *_args: host)
    monkeypatch.setattr(gating, "find_policy", lambda *_args: Resolved(name, found.hash, found.layers))
    made = config(linux={"cgroupsPath": "/web", "resources": {"pids": {"limit": 7}}})
    plans = []
    for _ in range(2):
        gated = gating.gate_config(call, made, terminal=False)  # type: ignore[arg-type]
        plan = compile_create(gated.config, options(gate=gated.gate), host, gated.compiled)
        plans.append((encode_plan(plan), gated.trapped, gated.warnings))
        monkeypatch.setattr(
            gating, "find_policy", lambda *_args: Resolved(name, found.hash, unread, (found.landlock, found.limits))
        )
    assert plans[0] == plans[1]


def unread() -> Any:
    """Layers that nobody needs."""
    raise AssertionError


def test_what_a_container_s_kind_is() -> None:
    """Whether who makes its cgroup is somebody in its user namespace, and what brings the host's cgroups; not which users else there are."""
    bound = {"destination": "/d", "type": "bind", "source": "/sys", "options": ["rbind", "ro"]}
    users = [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 0, "size": 1}]
    reduced = reduce_config(config(mounts=[bound], linux={"uidMappings": users}))
    assert reduced["linux"]["uidMappings"] == users[1:]
    assert [mount["source"] for mount in reduced["mounts"]] == ["/sys"]
    assert "uidMappings" not in reduce_config(config(linux={"uidMappings": users[:1]}))["linux"]
    assert reduce_config(config(linux={"uidMappings": users}), 1000)["linux"]["uidMappings"] == users[:1]


def test_plan_keeps_nothing(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """It touches nothing."""
    under(monkeypatch, files(write=["/w"]))
    call.verb = "plan"
    gating.gate_config(call, config(), terminal=False)  # type: ignore[arg-type]
    assert not list(Path(call.root).glob(f"{GATES}/*"))


@pytest.mark.parametrize(
    "changes",
    [
        {"landlock": 1},
        {"kernel": (5, 15)},
        {"capabilities": 0},
        {"cgroup_mount": None},
        {"cgroup_controllers": ("pids",)},
        {"initial_userns": False},
        {"euid": 1000},
        {"nsdelegate": False},
        {"may_set_groups": False},
        {"machine": "aarch64"},
    ],
)
def test_the_host_decides_with_it(changes: dict[str, Any]) -> None:
    """Another host's lowering is not taken."""
    assert gate_key("d", facts(landlock=7), {}, "i", False) != gate_key(
        "d", facts(**{"landlock": 7, **changes}), {}, "i", False
    )


class Asked:
    """Facts that remember which of them were asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(facts(landlock=7), name)


def test_no_other_fact_decides() -> None:
    """What lowering looks at is in the key."""
    asked: Any = Asked()
    full = layer(requirements=dict.fromkeys(("landlock", "seccomp_notify", "cgroup_bpf", "cgroup_v2"), "required"))
    full["clone_flags"] = {"allow": 0, "rule": 0}
    lower([full, files(read=["/a"], write=["/w"]), network(egress=[]), BROKERED], config(), asked)
    assert asked.names <= {
        "machine",
        "kernel",
        "landlock",
        "cgroup_mount",
        "cgroup_controllers",
        "initial_userns",
        "euid",
        "may_set_groups",
        "capabilities",
        "joins_own_network",
        "nsdelegate",
    }


LIMITS = st.sampled_from(({}, {"memory": {"limit": 5}}, {"pids": {"limit": -1}, "unified": {"pids.max": "7"}}))
CONFIGS = st.builds(
    lambda resources, masked, sets, rlimits: config(
        linux={"resources": resources, **({"maskedPaths": masked} if masked is not None else {})},
        process={"capabilities": sets, "rlimits": rlimits, "env": ["A=1"]},
        hostname="h",
    ),
    LIMITS,
    st.none() | st.lists(st.sampled_from(("/a", "/b"))),
    st.none() | st.fixed_dictionaries({"bounding": st.lists(st.sampled_from(("CAP_KILL", "CAP_CHOWN")))}),
    st.none() | st.just([{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 7}]),
)


@given(CONFIGS)
def test_the_reduced_config_is_all_that_matters(made: dict[str, Any]) -> None:
    """What lowering makes of it, put into the whole one, is what lowering makes of the whole one."""
    layers = [
        files(hide=["/x"], write=["/w"]),
        layer(
            capabilities={"allow": ["CAP_KILL"], "rule": 0}, resources={"pids": {"limit": 3}, "memory": {"limit": 4}}
        ),
        layer(limits={"wall_time_ms": None, "open_files": 5}),
    ]
    whole = lower(layers, made, facts(landlock=7))
    reduced = lower(layers, reduce_config(made), facts(landlock=7))
    assert reduced.sections == whole.sections
    assert reduced.points == whole.points
    assert reduced.hierarchy == whole.hierarchy

    class Parts:
        process, linux = tightened_parts(reduced.config)
        seccomp = ""

    assert put_in(made, Parts) == {**whole.config, "linux": {**whole.config["linux"]}}  # type: ignore[arg-type]


def test_a_kept_gate_that_is_damaged(call: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts as not there."""
    under(monkeypatch, files(write=["/w"]))
    first = gating.gate_config(call, config(), terminal=False)  # type: ignore[arg-type]
    (kept,) = Path(call.root, GATES).iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert kept_gate(call.root, kept.name) is None
    assert gating.gate_config(call, config(), terminal=False).gate == first.gate  # type: ignore[arg-type]


def test_what_exec_finds(tmp_path: Path) -> None:
    """Nothing without a policy; a damaged file is an error, not no policy."""
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert gating.saved_gate(fd) is None
        (tmp_path / "policy.bin").write_bytes(b"x")
        with pytest.raises(LifecycleError, match=r"^policy\.bin is damaged$"):
            gating.saved_gate(fd)
    finally:
        os.close(fd)
