"""Two programs are compared on every call there is."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import FilterError
from runtime.seccomp.compare import Difference, differences
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.interpret import Call, Instruction, ProgramError, decode, interpret
from runtime.seccomp.symbolic import witness
from tests.runtime.seccomp import sections
from tests.runtime.seccomp.samples import read_profile

AUDIT = 0xC000003E


def program(section: dict[str, Any]) -> tuple[Instruction, ...]:
    """The section's program for x86_64; discards sections that contradict themselves."""
    try:
        return decode(compile_profile(section, "x86_64").program)
    except FilterError:
        assume(False)
        raise


@settings(max_examples=max(15, settings().max_examples // 3))
@given(a=sections.sections(rules=3), b=sections.sections(rules=3))
def test_differences_are_all_and_real(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Each one's example differs as said; and a call on which the programs differ is in one."""
    one, other = program(a), program(b)
    found = differences(one, other)
    for difference in found[:200]:
        call = Call(difference.first, difference.arch, witness(difference.region, big_endian=False))
        assert interpret(one, call).verdict == difference.verdict_a
        assert interpret(other, call).verdict == difference.verdict_b
    for call in sections.boundary_calls({**a, "syscalls": a["syscalls"] + b["syscalls"]}, "x86_64"):
        differ = interpret(one, call).verdict != interpret(other, call).verdict
        assert differ == any(holds(difference, call) for difference in found), call


def holds(difference: Difference, call: Call) -> bool:
    """Whether a call is among those that a difference names."""
    words = [call.nr, call.arch, 0, 0, *[half for value in call.args for half in (value & 0xFFFFFFFF, value >> 32)]]
    return (
        difference.arch == call.arch
        and difference.first <= call.nr <= difference.last
        and all(
            any(low <= words[word] & mask <= high for low, high in intervals)
            for (word, mask), intervals in difference.region.items()
        )
    ) or (difference.arch not in (AUDIT, call.arch) and call.arch == 0x1234 and difference.arch < AUDIT)


def test_a_program_equals_itself_and_a_longer_one() -> None:
    """Far jumps and repeated verdicts change nothing: a proof, not a sample."""
    section = read_profile("wide_allow")
    ours = program(section)
    assert differences(ours, ours) == []
    padded = (Instruction(0x05, 0, 0, 300), *[Instruction(0x06, 0, 0, 7)] * 300, *ours)
    assert differences(ours, padded) == []


def test_one_changed_value_is_found() -> None:
    """A single argument value of a single call among two to the power of 64."""
    section = read_profile("networks")
    changed = read_profile("networks")
    changed["syscalls"][7]["args"][0]["value"] += 1
    found = differences(program(section), program(changed))
    low = [one for one in found if one.arch == AUDIT and one.first == one.last == 16]
    assert {one.region[6, 0xFFFFFFFF] for one in low} == {((0x5412, 0x5412),), ((0x5413, 0x5413),)}


def test_a_bit_test_on_the_number() -> None:
    """runc's own programs test bit 30; a program that tests low bits has too many classes and is refused, not guessed."""
    tested = (
        Instruction(0x20, 0, 0, 0),
        Instruction(0x45, 0, 1, 1 << 30),
        Instruction(0x06, 0, 0, 1),
        Instruction(0x06, 0, 0, 2),
    )
    constant = (Instruction(0x06, 0, 0, 1),)
    assert [(one.first, one.last) for one in differences(constant, tested)] == [
        (0, (1 << 30) - 1),
        (1 << 31, (1 << 31) + (1 << 30) - 1),
    ]
    high_byte = (tested[0], Instruction(0x54, 0, 0, 0xFF000000), Instruction(0x15, 0, 1, 0x02000000), *tested[2:])
    assert [(one.first, one.last) for one in differences((Instruction(0x06, 0, 0, 2),), high_byte)] == [
        (0x02000000, 0x02FFFFFF)
    ]
    nothing = (tested[0], Instruction(0x45, 0, 0, 0), Instruction(0x06, 0, 0, 1))
    assert differences(constant, nothing) == []
    odd = (tested[0], Instruction(0x45, 0, 1, 1), *tested[2:])
    with pytest.raises(ProgramError, match="single bits"):
        differences(constant, odd)


@given(st.sampled_from((0x15, 0x25, 0x35, 0x45)), st.integers(0, 40), st.sampled_from((0xFFFFFFFF, 0x1F, 0x6)))
def test_comparisons_of_masked_arguments(code: int, k: int, mask: int) -> None:
    """Every conditional jump, with and without a mask, agrees with the interpreter."""
    tested = decode(
        b"".join(
            one.code.to_bytes(2, "little") + bytes((one.jt, one.jf)) + one.k.to_bytes(4, "little")
            for one in (
                Instruction(0x20, 0, 0, 16),
                Instruction(0x54, 0, 0, mask),
                Instruction(code, 0, 1, k),
                Instruction(0x06, 0, 0, 1),
                Instruction(0x06, 0, 0, 2),
            )
        )
    )
    found = differences((Instruction(0x06, 0, 0, 2),), tested)
    for value in range(70):
        taken = interpret(tested, Call(0, 0, (value, 0, 0, 0, 0, 0))).verdict == 1
        assert taken == any(
            all(
                any(low <= value & masked <= high for low, high in intervals)
                for (_, masked), intervals in one.region.items()
            )
            for one in found
        )
