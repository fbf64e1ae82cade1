"""Several sections in one program: the strictest verdict on every call, and nothing lost of the program's shape."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.compare import differences
from runtime.seccomp.compile import compile_profile, compile_profiles
from runtime.seccomp.disassemble import verdict_text
from runtime.seccomp.filter import RET_ALLOW
from runtime.seccomp.interpret import Call, Instruction, decode, interpret
from runtime.seccomp.measure import constant_verdict
from runtime.seccomp.symbolic import walk
from tests.runtime.seccomp import sections
from tests.runtime.seccomp.bitmap import is_constantly_allowed
from tests.runtime.seccomp.samples import read_profile

AUDIT = 0xC000003E
# as seccomp(2) lists them, the strictest first
PRECEDENCE = (0x80000000, 0, 0x30000, 0x50000, 0x7FC00000, 0x7FF00000, 0x7FFC0000, 0x7FFF0000)
ALLOW_ALL: dict[str, Any] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}


def strictest(verdicts: list[int]) -> int:
    """What the kernel does with the verdicts of several filters, the last one attached last."""
    return min(verdicts, key=lambda verdict: PRECEDENCE.index(verdict & 0xFFFF0000))


def program_of(several: list[dict[str, Any]], native: str = "x86_64") -> tuple[Instruction, ...]:
    """The program of the sections together; discards sections that contradict themselves."""
    arch = find_arch(native)
    assert arch is not None
    try:
        return decode(compile_profiles(several, native).program, big_endian=arch.big_endian)
    except FilterError:
        assume(False)
        raise


def agree(several: list[dict[str, Any]], native: str) -> None:
    """Assert the strictest verdict on the boundary calls of all sections together."""
    arch = find_arch(native)
    assert arch is not None
    together = program_of(several, native)
    alone = [program_of([one], native) for one in several]
    listed = {token for one in several for token in one.get("architectures") or ()}
    rules = [entry for one in several for entry in one["syscalls"]]
    for call in sections.boundary_calls({"architectures": sorted(listed), "syscalls": rules}, native):
        ours = interpret(together, call, big_endian=arch.big_endian).verdict
        wanted = strictest([interpret(one, call, big_endian=arch.big_endian).verdict for one in alone])
        assert ours == wanted, f"{call}: {verdict_text(ours)}, not {verdict_text(wanted)}"


@given(
    several=st.lists(sections.sections(rules=4) | sections.policy_sections(rules=4), min_size=2, max_size=3),
    native=st.sampled_from(sections.NATIVES),
)
def test_the_strictest_verdict_wins(several: list[dict[str, Any]], native: str) -> None:
    """On machines of every width and byte order."""
    agree(several, native)


@given(
    several=st.lists(sections.sections(rules=4), min_size=2, max_size=3),
    listed=st.lists(st.lists(st.sampled_from(sections.X86_FAMILY), unique=True), min_size=3, max_size=3),
)
def test_each_section_has_its_own_architectures(several: list[dict[str, Any]], listed: list[list[str]]) -> None:
    """What one of them does not decide on, it refuses, x32's numbers among it."""
    for one, tokens in zip(several, listed, strict=False):
        one["architectures"] = tokens
    agree(several, "x86_64")


ONE_CALL = sections.sections(names=("personality", "clone"), rules=5)


@settings(max_examples=max(15, settings().max_examples // 3))
@given(several=st.lists(ONE_CALL, min_size=2, max_size=2))
def test_the_strictest_verdict_on_every_call(several: list[dict[str, Any]]) -> None:
    """Decided, not sampled: what is not the first one's verdict is the second one's, and stricter; and none is laxer than that."""
    together, first, second = program_of(several), program_of(several[:1]), program_of(several[1:])
    for difference in differences(first, together):
        for _, verdict in walk(second, difference.first, difference.arch, difference.region):
            assert verdict == difference.verdict_b
            assert strictest([difference.verdict_a, verdict]) == verdict
    for difference in differences(second, together):
        assert strictest([difference.verdict_b, difference.verdict_a]) == difference.verdict_b


@pytest.mark.parametrize("name", ["wide_allow", "networks"])
def test_a_section_with_itself_or_with_one_that_allows_all_is_itself(name: str) -> None:
    """Proven for every call; a section that adds nothing costs nothing."""
    section = read_profile(name, "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")
    alone = compile_profiles([section], "x86_64")
    assert alone == compile_profile(section, "x86_64")
    for several in ([section, section], [section, ALLOW_ALL], [ALLOW_ALL, section]):
        together = compile_profiles(several, "x86_64").program
        assert differences(decode(alone.program), decode(together)) == []
        assert len(together) <= len(alone.program) * 1.05


def test_the_bitmap_stays_effective() -> None:
    """Whatever both sections allow by number alone is decided by number alone."""
    policy = {
        **ALLOW_ALL,
        "syscalls": [
            {"names": ["mkdir", "clone3", "socket"], "action": "SCMP_ACT_ERRNO"},
            {
                "names": ["ioctl"],
                "action": "SCMP_ACT_NOTIFY",
                "args": [{"index": 1, "op": "SCMP_CMP_NE", "value": 0x5401}],
            },
        ],
    }
    together = program_of([read_profile("wide_allow"), policy])
    alone = [program_of([read_profile("wide_allow")]), program_of([policy])]
    for token in ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"):
        arch = find_arch(token)
        assert arch is not None
        allowed = 0
        for nr in syscall_numbers(arch).values():
            constant = [constant_verdict(one, nr, arch.audit)[0] for one in alone]
            assert is_constantly_allowed(together, nr, arch.audit) == (constant == [RET_ALLOW, RET_ALLOW])
            allowed += constant == [RET_ALLOW, RET_ALLOW]
        assert allowed > 200


def test_many_rules_on_both_sides() -> None:
    """Where the joint decision would explode, one is asked after the other: as deep as there are rules, without recursion."""
    several = [
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {
                    "names": ["ioctl"],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": first + rule % 100,
                    "args": [
                        {"index": at, "op": "SCMP_CMP_MASKED_EQ", "value": 1 << rule % 60 | rule, "valueTwo": rule},
                        {"index": at + 1, "op": "SCMP_CMP_NE", "value": rule},
                    ],
                }
                for rule in range(120)
            ],
        }
        for at, first in ((0, 2), (1, 1000))
    ]
    together = program_of(several)
    ioctl = syscall_numbers(find_arch("x86_64"))["ioctl"]  # type: ignore[arg-type]
    for arguments in ((0x1234, 999, 0, 0, 0, 0), (0, 0x777, 5, 0, 0, 0), (3, 119, 119, 0, 0, 0), (0, 0, 0, 0, 0, 0)):
        call = Call(ioctl, AUDIT, arguments)
        wanted = strictest([interpret(program_of([one]), call).verdict for one in several])
        assert interpret(together, call).verdict == wanted


def test_a_tie_keeps_the_data_of_the_first() -> None:
    """Two errnos: the first section's."""
    several = [
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": n}],
        }
        for n in (13, 2)
    ]
    assert interpret(program_of(several), Call(0, AUDIT)).verdict == 0x5000D
    assert interpret(program_of(several[::-1]), Call(0, AUDIT)).verdict == 0x50002


NOTIFY = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
DENY = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}
TSYNC, LOG, SPEC_ALLOW, WAIT = (
    f"SECCOMP_FILTER_FLAG_{name}" for name in ("TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV")
)


@pytest.mark.parametrize(
    ("several", "flags", "notify"),
    [
        ([NOTIFY, ALLOW_ALL], None, True),
        ([NOTIFY, DENY], None, False),
        ([{**DENY, "flags": [LOG]}, ALLOW_ALL], 2, False),
        ([{**DENY, "flags": [LOG, SPEC_ALLOW]}, ALLOW_ALL], 6, False),
        ([{**DENY, "flags": [SPEC_ALLOW]}, {**DENY, "flags": []}], 0, False),
        ([{**ALLOW_ALL, "flags": [TSYNC]}, NOTIFY], 1 | 16, True),
        ([{**ALLOW_ALL, "flags": [WAIT]}, NOTIFY], 32, True),
        ([{**NOTIFY, "flags": [WAIT, LOG]}, DENY], 2, False),
    ],
)
def test_flags_of_several(several: list[dict[str, Any]], flags: int | None, *, notify: bool) -> None:
    """Restrictions add up, SPEC_ALLOW needs all; a listener is made if a call is left to it."""
    found = compile_profiles(several, "x86_64")
    assert (found.flags, found.notify) == (flags, notify)


def test_every_violation_of_every_section() -> None:
    """At once; those of later sections say which."""
    wrong = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "NO"}]}
    with pytest.raises(FilterError) as caught:
        compile_profiles([{"defaultAction": "X"}, wrong], "x86_64")
    assert caught.value.violations == [
        ("/defaultAction", "unknown action 'X'"),
        ("/syscalls/0/action", "unknown action 'NO' (rule 0: read) (section 2 of 2)"),
    ]
    with pytest.raises(FilterError, match="there is no section"):
        compile_profiles([], "x86_64")
