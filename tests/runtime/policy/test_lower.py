"""Policies as a whole: what the host must have, what starting takes, that no rule is forgotten and nothing is given."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import PolicyError
from runtime.policy.enforcement import Findings
from runtime.policy.lower import examine
from runtime.seccomp.compare import differences
from runtime.seccomp.compile import compile_profiles
from runtime.seccomp.interpret import decode
from tests.runtime.plan.drafting import config, facts
from tests.runtime.policy.layering import files, layer, lowered, network, refusal, row_of, syscalls
from tests.runtime.policy.traffic import rule as peer

LAUNCH = ["read", "write", "close", "openat", "close_range", "execve", "exit_group"]


@pytest.mark.parametrize(
    ("name", "host", "why"),
    [
        ("landlock", {"landlock": 0}, "this kernel has no Landlock, or it is not among its active security modules"),
        ("seccomp_notify", {"kernel": (5, 13)}, "needs seccomp notifications as of Linux 5.14"),
        (
            "cgroup_bpf",
            {"capabilities": 0},
            "attaching programs to cgroups takes CAP_BPF and CAP_NET_ADMIN in the initial user namespace",
        ),
        ("cgroup_bpf", {"cgroup_mount": None}, "cgroup v2 is not mounted on this host"),
        ("cgroup_v2", {"cgroup_mount": None}, "cgroup v2 is not mounted on this host"),
        ("userns", {}, "the container has no user namespace of its own"),
    ],
)
def test_requirements(name: str, host: dict[str, Any], why: str) -> None:
    """A required one that is missing refuses the policy; an optional one is noted."""
    assert refusal(layer(requirements={name: "required"}), **host) == [f"/p.yaml: requirements.{name}: {why}"]
    found = lowered(layer(requirements={name: "optional"}), **host)
    assert row_of(found, f"requirements.{name}: optional") == [("config", f"not met: {why}")]


def test_requirements_that_are_met() -> None:
    """On a host that has everything."""
    names = ("landlock", "seccomp_notify", "cgroup_bpf", "cgroup_v2")
    assert refusal(layer(requirements=dict.fromkeys(names, "required"))) == []


def test_required_namespaces() -> None:
    """Made or joined, by the config."""
    one = layer(namespaces={"required": ["pid", "cgroup"]})
    assert refusal(one) == ["/p.yaml: namespaces.required: cgroup: the config neither makes nor joins one"]


def test_the_host_s_own_network_is_no_namespace_of_the_container() -> None:
    """Engines join it by path for --network host."""
    one = layer(namespaces={"required": ["network"]})
    asked = {
        "namespaces": [{"type": "network", "path": "/run/docker/netns/default"}, {"type": "pid"}, {"type": "mount"}]
    }
    assert refusal(one, made=config(linux=asked)) == []
    assert refusal(one, made=config(linux=asked), joins_own_network=True) == [
        "/p.yaml: namespaces.required: network: the config joins the host's own"
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Of every layer."""
    lines = refusal(
        layer(requirements={"userns": "required"}), files(execute=["/a*"]), layer(exec=[["/b", 1]]), landlock=0
    )
    assert len(lines) == 3


@pytest.mark.parametrize("denied", LAUNCH)
def test_a_policy_that_could_start_nothing(denied: str) -> None:
    """Is refused with the name of the call, whether it is denied or not allowed."""
    line = f"/p.yaml: syscalls: denies what starting a program takes: {denied}"
    assert refusal(syscalls("allow", {"names": [denied], "action": "deny"})) == [line]
    assert refusal(syscalls("kill", {"names": [name for name in LAUNCH if name != denied], "action": "allow"})) == [
        line
    ]


@pytest.mark.parametrize(
    ("action", "args", "possible"),
    [
        ("deny", [{"index": 2, "op": "SCMP_CMP_MASKED_EQ", "value": 0o100, "value_two": 0o100}], True),  # O_CREAT
        ("deny", [{"index": 2, "op": "SCMP_CMP_MASKED_EQ", "value": 3, "value_two": 1}], False),  # O_WRONLY
        ("kill", [{"index": 2, "op": "SCMP_CMP_GE", "value": 1, "value_two": 0}], False),
        (
            "deny",
            [{"index": 0, "op": "SCMP_CMP_EQ", "value": 7, "value_two": 0}],
            True,
        ),  # not known, so a descriptor's number
        ("broker", [], True),
        ("log", [], True),
    ],
)
def test_conditions_on_calls_of_the_launch(action: str, args: list[dict[str, Any]], possible: bool) -> None:
    """Judged by the arguments that the launch is known to pass."""
    assert (refusal(syscalls("allow", {"names": ["openat"], "action": action, "args": args})) == []) is possible


def test_a_call_of_the_launch_that_is_allowed_under_a_condition_alone() -> None:
    """It cannot be said that it holds."""
    condition = [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1, "value_two": 0}]
    rest = {"names": [name for name in LAUNCH if name != "write"], "action": "allow"}
    (line,) = refusal(syscalls("deny", rest, {"names": ["write"], "action": "allow", "args": condition}))
    assert line.endswith("takes: write")


def test_network_rules_need_a_cgroup() -> None:
    """Where programs cannot be attached they are not enforceable; without internet sockets there is nothing to judge."""
    assert refusal(network(egress=[]), cgroup_mount=None) == ["p.yaml:1: rule 0: cgroup v2 is not mounted on this host"]
    assert refusal(network(egress=[], domains=[1]), cgroup_mount=None) == []
    assert lowered(network(egress=[])).network is not None


# --- any layers at all

PATTERNS = st.lists(
    st.tuples(st.sampled_from(("/", "/a", "/a/b", "/c", "/a/*.x", "/d/**/e")), st.integers(0, 9)).map(list), max_size=3
)
NAMES = (
    "read",
    "openat",
    "socket",
    "personality",
    "clone",
    "clone3",
    "connect",
    "ioctl",
    "mmap",
    "no_such_call",
    "io_uring_setup",
)
ARGS = st.lists(
    st.fixed_dictionaries(
        {
            "index": st.integers(0, 2),
            "op": st.sampled_from(("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")).map("SCMP_CMP_{}".format),
            "value": st.sampled_from((0, 1, 2, 0x80000000, 1 << 33)),
            "value_two": st.sampled_from((0, 1, 2)),
        }
    ),
    max_size=2,
)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "names": st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
            "action": st.sampled_from(("allow", "deny", "broker", "log", "kill")),
            "errno": st.none() | st.sampled_from((1, 13, 38)),
            "args": ARGS,
            "rule": st.integers(0, 9),
        }
    ),
    max_size=5,
)
NUMBERS = st.lists(st.sampled_from((0, 1, 2, 10, 16, 0x5401)), max_size=3)
PEERS = st.none() | st.lists(
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(("allow", "deny")),
            "cidr": st.sampled_from(("10.0.0.0/8", "::/0")),
            "ports": st.just([[0, 65535]]),
            "protocols": st.just(["tcp", "udp"]),
            "rule": st.integers(0, 9),
        }
    ),
    max_size=2,
)
LAYERS = st.lists(
    st.fixed_dictionaries(
        {
            "syscalls": st.none()
            | st.fixed_dictionaries(
                {
                    "default": st.fixed_dictionaries(
                        {"action": st.sampled_from(("allow", "deny", "kill", "log")), "errno": st.just(1)}
                    ),
                    "rules": RULES,
                    "rule": st.just(9),
                }
            ),
            "ioctl": st.none() | st.fixed_dictionaries({"allow": NUMBERS, "rule": st.integers(0, 9)}),
            "prctl": st.none() | st.fixed_dictionaries({"allow": NUMBERS, "rule": st.integers(0, 9)}),
            "clone_flags": st.none()
            | st.fixed_dictionaries({"allow": st.sampled_from((0, 0x10000000)), "rule": st.integers(0, 9)}),
            "filesystem": st.none()
            | st.fixed_dictionaries(
                {
                    "read": st.none() | PATTERNS,
                    "write": st.none() | PATTERNS,
                    "execute": st.none() | PATTERNS,
                    "hide": PATTERNS,
                }
            ),
            "exec": st.none() | PATTERNS,
            "network": st.none()
            | st.fixed_dictionaries(
                {
                    "domains": st.none() | NUMBERS,
                    "types": st.none() | NUMBERS,
                    "protocols": st.none() | NUMBERS,
                    "egress": PEERS,
                    "ingress": PEERS,
                    "bind": st.none(),
                    "unix": st.none()
                    | st.fixed_dictionaries({"connect": PATTERNS, "bind": PATTERNS, "abstract": st.booleans()}),
                    "rule": st.integers(0, 9),
                }
            ),
            "capabilities": st.none() | st.just({"allow": ["CAP_KILL"], "rule": 5}),
            "broker": st.sampled_from(("enforce", "audit", "ask")).map(
                lambda mode: {"mode": mode, "timeout_ms": 9, "max_inflight": 9, "on_failure": "deny", "handler": None}
            ),
        }
    ).map(lambda parts: layer(**parts)),
    min_size=1,
    max_size=2,
)
CONFIGS_OWN: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {"names": [*LAUNCH, "socket", "clone", "remap_file_pages"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 0}]},
    ],
}


def examined(layers: list[dict[str, Any]], landlock: int) -> tuple[Any, Findings] | None:
    """The lowering of layers, None if one of their parts cannot be lowered at all."""
    made = config(process={"capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN"]}})
    try:
        return examine(layers, made, facts(landlock=landlock))
    except PolicyError:
        return None


@settings(max_examples=60)
@given(LAYERS, st.sampled_from((0, 1, 7)))
def test_no_rule_is_forgotten(layers: list[dict[str, Any]], landlock: int) -> None:
    """Whatever the layers: each rule that stands in a section is enforced by something, or said not to be."""
    result = examined(layers, landlock)
    if result is None:
        return
    found, findings = result
    told = {text for text, *_ in found.rows} | {text for text, *_ in findings.violations}
    for one in layers:
        numbers = [rule["rule"] for rule in (one["syscalls"] or {"rules": ()})["rules"]]
        numbers += [one[name]["rule"] for name in ("ioctl", "prctl", "clone_flags", "capabilities") if one[name]]
        sections = [*(one["filesystem"] or {}).values(), one["exec"]]
        numbers += [number for patterns in sections for _, number in patterns or ()]
        assert {one["rules"][number]["text"] for number in numbers} <= told


@settings(max_examples=60)
@given(LAYERS, st.booleans())
def test_nothing_is_given_that_the_config_withholds(layers: list[dict[str, Any]], observe: bool) -> None:
    """The filter of config and policy together never lets through what the config's own does not."""
    made = config(linux={"seccomp": CONFIGS_OWN})
    try:
        found, _ = examine(layers, made, facts(landlock=7), observe)
    except PolicyError:
        return
    own = decode(compile_profiles([CONFIGS_OWN], "x86_64").program)
    both = decode(compile_profiles([CONFIGS_OWN, *found.sections], "x86_64").program)
    for difference in differences(own, both):
        signed = [
            verdict - (1 << 32 if verdict >> 31 else 0) for verdict in (difference.verdict_a, difference.verdict_b)
        ]
        assert signed[1] & ~0xFFFF <= signed[0] & ~0xFFFF, difference


def test_peers_that_another_layer_makes_moot() -> None:
    """Allowing whom to talk to has no effect where another layer leaves no socket to talk with: explain says so."""
    talking = network(egress=[peer("allow", "10.20.0.0/16")])
    text = talking["rules"][0]["text"]
    assert [mechanism for mechanism, _note in row_of(lowered(talking), text)] == ["cgroup_bpf"]
    found = lowered(talking, network(domains=[1]))
    assert ("seccomp", "no effect: another layer leaves no such socket") in row_of(found, text)
    assert "cgroup_bpf" not in [mechanism for mechanism, _note in row_of(found, text)]
