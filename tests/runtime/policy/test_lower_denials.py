"""Denials that the broker hears of: heard of or not, what is denied is the same."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import PolicyError
from runtime.policy.lower import Lowered
from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.compile import compile_profiles
from runtime.seccomp.interpret import Call, decode, interpret
from tests.runtime.policy.layering import (
    ALLOW,
    KILL,
    LAUNCH,
    LOG,
    NOTIFY,
    files,
    layer,
    lowered,
    mode,
    network,
    syscalls,
    verdict,
)
from tests.runtime.policy.traffic import rule as peer

# with handlers of their own, noted on their way, conditional in other sections, and ordinary ones
NAMES = (
    "bind", "chmod", "chroot", "clone", "connect", "creat", "getpid", "ioctl", "kcmp", "memfd_create", "mkdir", "mknod", "mount",
    "open", "openat", "prctl", "rename", "sendto", "setgroups", "setns", "socket", "symlink", "truncate", "unshare", "write",
)  # fmt: skip
HANDLED = "handled"
PASSING = (ALLOW, LOG, HANDLED)
EGRESS = [peer("allow", "10.0.0.0/8", (443, 443))]


def outcomes(found: Lowered) -> dict[tuple[str, int], Any]:
    """What comes of calls at last, by name and argument: an errno, the filter's verdict, or that the broker handles it."""
    arch = find_arch("x86_64")
    assert arch is not None
    program, numbers = decode(compile_profiles(found.sections, "x86_64").program), syscall_numbers(arch)
    made: dict[tuple[str, int], Any] = {}
    for name in NAMES:
        for value in (5, 7, 0x10000000):
            answer = interpret(program, Call(numbers[name], arch.audit, (value, value, 0, 0, 0, 0))).verdict
            made[name, value] = answer & 0xFFFF if answer & 0xFFFF0000 == 0x00050000 else answer
            if answer == NOTIFY:
                assert found.broker is not None
                entry = found.broker["calls"].get(name) or found.broker["default"]
                made[name, value] = entry["errno"] if entry["handler"] == "deny" else HANDLED
    return made


def agree(*layers: dict[str, Any]) -> None:
    """Observed, and with somebody to be asked, nothing passes that is denied otherwise."""
    try:
        plain = lowered(*layers)
        others = [lowered(*layers, observe=True), lowered(*[{**part, **mode("ask")} for part in layers])]
    except PolicyError:
        assume(False)
    wanted = outcomes(plain)
    for found in others:
        for call, got in outcomes(found).items():
            passing = wanted[call] in PASSING
            assert (got in PASSING) if passing else (got == wanted[call]), (call, wanted[call], got)


def _rule(names: list[str], action: str, errno: int | None, value: int | None) -> dict[str, Any]:
    args = [] if value is None else [{"index": 0, "op": "SCMP_CMP_EQ", "value": value, "value_two": 0}]
    return {"names": names, "action": action, "errno": errno if action == "deny" else None, "args": args}


_RULES = st.builds(
    _rule,
    st.lists(st.sampled_from([name for name in NAMES if name != "write"]), min_size=1, max_size=4, unique=True),
    st.sampled_from(["allow", "deny", "broker", "log", "kill"]),
    st.sampled_from([None, 2, 38]),
    st.sampled_from([None, None, 5]),
)
_SYSCALLS = st.builds(
    lambda default, rules, errno: syscalls(default, LAUNCH, *rules, errno=errno),
    st.sampled_from(["allow", "deny", "deny", "kill"]),
    st.lists(_RULES, max_size=4),
    st.sampled_from([1, 38]),
)
_SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "filesystem": st.sampled_from([files(write=["/w"]), files(read=["/r/*.txt"], write=["/w"]), files(write=[])]).map(
            lambda made: made["filesystem"]
        ),
        "network": st.sampled_from([
            network(egress=EGRESS), network(unix={"connect": [["/s", 0]], "bind": [["/b", 0]], "abstract": False})
        ]).map(lambda made: made["network"]),
        "clone_flags": st.just({"allow": 0, "rule": 0}),
        "ioctl": st.just({"allow": [5], "rule": 0}),
        "prctl": st.just({"allow": [5], "rule": 0}),
    },
)  # fmt: skip
_LAYERS = st.builds(lambda made, parts: {**made, **parts}, _SYSCALLS, _SECTIONS)


@settings(max_examples=60, deadline=None)
@given(st.lists(_LAYERS, min_size=1, max_size=3))
def test_property_what_is_denied_stays_denied(layers: list[dict[str, Any]]) -> None:
    """Whatever layers are put together, with the same errno, by the kernel or by the broker."""
    agree(*layers)


@pytest.mark.parametrize(
    "part", [files(write=["/tmp"]), files(read=["/r/*"]), files(execute=["/usr"]), files(write=[])]
)
def test_rules_for_files_lift_no_default(part: dict[str, Any]) -> None:
    """Calls that are noted on their way, because mounts may deny them, are first of all denied by the default."""
    allowing = syscalls("deny", LAUNCH)
    agree({**part, "syscalls": allowing["syscalls"]})
    agree(allowing, part)


def test_rules_for_peers_lift_no_default() -> None:
    """Nor those for unix sockets."""
    allowing = syscalls("deny", LAUNCH)
    for part in (network(egress=EGRESS), network(unix={"connect": [["/s", 0]], "bind": [], "abstract": True})):
        agree({**part, "syscalls": allowing["syscalls"]})


def test_another_layer_s_broker_lifts_no_default() -> None:
    """A call that one layer brokers and the other does not know."""
    agree(syscalls("allow", {"names": ["mkdir", "connect", "ioctl"], "action": "broker"}), syscalls("deny", LAUNCH))


def test_denials_are_heard_of_where_calls_are_noted_too() -> None:
    """By name or default, as long as they hold whatever the arguments are."""
    by_name = syscalls("allow", {"names": ["symlink"], "action": "deny", "errno": 7})
    found = lowered(files(write=["/tmp"]), by_name, observe=True)
    assert found.broker is not None
    assert verdict(found, "symlink") == NOTIFY
    assert found.broker["calls"]["symlink"]["handler"] == "deny"
    assert found.broker["calls"]["mkdir"]["handler"] == "record"


def test_a_default_s_errno_comes_first() -> None:
    """As in the filter: of two denials the first one's."""
    found = {**syscalls("deny", LAUNCH, errno=38), "clone_flags": {"allow": 0, "rule": 0}}
    agree(found)
    assert outcomes(lowered(found, observe=True))["unshare", 0x10000000] == 38


def test_nobody_listens_where_nothing_is_observed() -> None:
    """Enforced, the sections stay as they are."""
    found = lowered(layer(), syscalls("deny", LAUNCH))
    assert found.broker is None
    assert verdict(found, "mkdir") == 1
    assert KILL not in (verdict(found, "mkdir"), verdict(found, "kcmp"))
