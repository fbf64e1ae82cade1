"""Sections are checked as a whole: what they mean, and everything that is wrong with them."""

from typing import Any

import pytest

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch
from runtime.seccomp.filter import Profile
from runtime.seccomp.profile import parse_profile


def parse(section: dict[str, Any], machine: str = "x86_64") -> Profile:
    """The profile of a section."""
    native = find_arch(machine)
    assert native is not None
    return parse_profile(section, native)


def violations(section: dict[str, Any], machine: str = "x86_64") -> list[tuple[str, str]]:
    """What is wrong with a section."""
    with pytest.raises(FilterError) as caught:
        parse(section, machine)
    return caught.value.violations


def rule(**fields: Any) -> dict[str, Any]:
    """A section with one rule."""
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", **fields}]}


@pytest.mark.parametrize(
    ("action", "errno", "verdict"),
    [
        ("SCMP_ACT_KILL", None, 0x00000000),
        ("SCMP_ACT_KILL_THREAD", None, 0x00000000),
        ("SCMP_ACT_KILL_PROCESS", None, 0x80000000),
        ("SCMP_ACT_TRAP", None, 0x00030000),
        ("SCMP_ACT_ERRNO", None, 0x00050001),
        ("SCMP_ACT_ERRNO", 0, 0x00050000),
        ("SCMP_ACT_ERRNO", 38, 0x00050026),
        ("SCMP_ACT_ERRNO", 4096, 0x00050FFF),
        ("SCMP_ACT_ERRNO", 65536, 0x00050FFF),
        ("SCMP_ACT_TRACE", None, 0x7FF00001),
        ("SCMP_ACT_TRACE", 65535, 0x7FF0FFFF),
        ("SCMP_ACT_LOG", None, 0x7FFC0000),
        ("SCMP_ACT_ALLOW", None, 0x7FFF0000),
    ],
)
def test_actions(action: str, errno: int | None, verdict: int) -> None:
    """Each action's SECCOMP_RET value; the errno defaults to EPERM and is capped as the kernel caps it, never wrapped."""
    assert parse({"defaultAction": action, "defaultErrnoRet": errno}).default == verdict
    assert (
        parse(
            {
                "defaultAction": "SCMP_ACT_LOG",
                "syscalls": [{"names": ["read"], "action": action, "errnoRet": errno}],
            }
        )
        .rules[0]
        .action
        == verdict
    )


def test_notify_rules() -> None:
    """A notifying rule makes the program need a listener; as the default, or for write, it would hang init."""
    section = rule(action="SCMP_ACT_NOTIFY")
    assert parse(section).notify
    assert not parse(rule()).notify
    assert violations({"defaultAction": "SCMP_ACT_NOTIFY"}) == [
        ("/defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action")
    ]
    found = violations(rule(names=["read", "write"], action="SCMP_ACT_NOTIFY"))
    assert found == [
        ("/syscalls/0/action", "SCMP_ACT_NOTIFY cannot be used for the write syscall (rule 0: read and 1 more)")
    ]


def test_all_violations_at_once() -> None:
    """One error lists everything, by pointer, with the rule's index and system call."""
    section = {
        "defaultErrnoRet": 5,
        "architectures": ["SCMP_ARCH_VAX", "SCMP_ARCH_S390X"],
        "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"],
        "syscalls": [
            {"names": [], "action": "ALLOW"},
            {"names": [""], "action": "SCMP_ACT_ALLOW", "errnoRet": 1},
            {"names": ["read"], "args": [{"index": 6, "op": "EQ", "value": -1}, {"index": 0, "valueTwo": 1 << 64}]},
            {"names": ["open"], "action": "SCMP_ACT_TRACE", "errnoRet": 65536},
            {"names": ["open"], "action": "SCMP_ACT_ERRNO", "errnoRet": -1},
        ],
    }
    assert violations(section) == [
        ("/defaultAction", "is required"),
        ("/architectures/0", "unknown architecture 'SCMP_ARCH_VAX'"),
        ("/architectures/1", "SCMP_ARCH_S390X has another byte order than SCMP_ARCH_X86_64"),
        ("/syscalls/0/names", "at least one system call is required"),
        ("/syscalls/0/action", "unknown action 'ALLOW'"),
        ("/syscalls/1/names", "an empty string is not a system call (rule 1: )"),
        ("/syscalls/1/errnoRet", "SCMP_ACT_ALLOW returns no errno (rule 1: )"),
        ("/syscalls/2/action", "is required (rule 2: read)"),
        ("/syscalls/2/args/0/index", "6 is not an argument's index, 0 to 5 (rule 2: read)"),
        ("/syscalls/2/args/0/op", "unknown operator 'EQ' (rule 2: read)"),
        ("/syscalls/2/args/0/value", "-1 is not a 64-bit value (rule 2: read)"),
        ("/syscalls/2/args/1/op", "is required (rule 2: read)"),
        ("/syscalls/2/args/1/value", "is required (rule 2: read)"),
        ("/syscalls/2/args/1/valueTwo", "18446744073709551616 is not a 64-bit value (rule 2: read)"),
        ("/syscalls/3/errnoRet", "65536 does not fit the 16 bits that a tracer is handed (rule 3: open)"),
        ("/syscalls/4/errnoRet", "-1 is not an errno (rule 4: open)"),
        ("/flags/0", "unknown flag 'SECCOMP_FILTER_FLAG_NEW_LISTENER'"),
    ]


@pytest.mark.parametrize(
    ("flags", "action", "bits", "warned"),
    [
        (None, "SCMP_ACT_ERRNO", None, False),
        ([], "SCMP_ACT_ERRNO", 0, False),
        (["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], "SCMP_ACT_ERRNO", 6, False),
        (["SECCOMP_FILTER_FLAG_TSYNC"], "SCMP_ACT_ERRNO", 1, False),
        (["SECCOMP_FILTER_FLAG_TSYNC"], "SCMP_ACT_NOTIFY", 17, False),
        (["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], "SCMP_ACT_NOTIFY", 32, False),
        (["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], "SCMP_ACT_ERRNO", 0, True),
    ],
)
def test_flags(flags: list[str] | None, action: str, bits: int | None, *, warned: bool) -> None:
    """null is not []; what the kernel refuses in combination is completed or left out with a warning."""
    profile = parse({**rule(action=action), "flags": flags})
    assert profile.flags == bits
    assert bool(profile.warnings) == warned


def test_architectures() -> None:
    """The native architecture is always decided on, listed or not; NATIVE means it; nothing is decided on twice."""
    section = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_NATIVE", "SCMP_ARCH_X86"],
    }
    profile = parse(section)
    assert [arch.token for arch in profile.arches] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert profile.listed == {"SCMP_ARCH_X86", "SCMP_ARCH_X86_64"}
    assert parse({"defaultAction": "SCMP_ACT_ERRNO"}).listed == {"SCMP_ARCH_X86_64"}


@pytest.mark.parametrize(
    ("action", "newer"),
    [
        ("ERRNO", True),
        ("KILL", True),
        ("KILL_PROCESS", True),
        ("TRAP", True),
        ("ALLOW", False),
        ("LOG", False),
        ("TRACE", False),
    ],
)
def test_newer_calls(action: str, *, newer: bool) -> None:
    """ENOSYS for newer calls belongs to defaults that refuse; those that let calls pass keep letting them pass."""
    assert parse({"defaultAction": f"SCMP_ACT_{action}"}).newer_enosys is newer


def test_contradictions() -> None:
    """The same condition with two actions is refused, except where it is skipped or settled by an earlier rule."""
    test = [{"index": 0, "op": "SCMP_CMP_EQ", "value": 5}]
    one = {"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": test}
    other = {"names": ["write", "read"], "action": "SCMP_ACT_TRAP", "args": test}
    text = "rule 1 gives read another action than rule 0 under the same condition"
    assert violations({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [one, other]}) == [("/syscalls/1/args", text)]
    assert len(parse({"defaultAction": "SCMP_ACT_TRAP", "syscalls": [one, other]}).rules) == 2
    settled = {"names": ["read"], "action": "SCMP_ACT_LOG"}
    assert len(parse({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [settled, one, other]}).rules) == 3
