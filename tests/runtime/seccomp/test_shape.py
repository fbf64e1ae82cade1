"""The shape that programs must have: small, shallow, and effective with the kernel's bitmap of constantly allowed calls."""

from typing import Any

import pytest

from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.assemble import JMP_JEQ_K, JMP_JGE_K, JMP_JGT_K, JMP_JSET_K
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.interpret import Call, Instruction, decode, interpret
from tests.runtime.seccomp.bitmap import is_constantly_allowed
from tests.runtime.seccomp.reference import verdict_of
from tests.runtime.seccomp.samples import read_profile

COMPARISONS = {JMP_JEQ_K, JMP_JGE_K, JMP_JGT_K, JMP_JSET_K}
ALLOW = 0x7FFF0000


def compiled(section: dict[str, Any]) -> tuple[Instruction, ...]:
    """The section's program for x86_64."""
    return decode(compile_profile(section, "x86_64").program)


def test_one_architecture_stays_below_170_instructions() -> None:
    """A profile of the engines' size, x86_64 alone."""
    assert len(compiled(read_profile("wide_allow", "SCMP_ARCH_X86_64"))) <= 170


def test_three_architectures_stay_below_720_instructions() -> None:
    """The same with x86 and x32."""
    assert len(compiled(read_profile("wide_allow"))) <= 720


@pytest.mark.parametrize("name", ["wide_allow", "networks"])
def test_constant_verdicts_are_shallow(name: str) -> None:
    """At most 16 comparisons on any path that loads no argument, over every number near a call of any listed architecture."""
    program = compiled(read_profile(name))
    for token in ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"):
        arch = find_arch(token)
        assert arch is not None
        numbers = syscall_numbers(arch).values()
        for nr in {number + step for number in numbers for step in (0, 1)} | {0xFFFFFFFF, 0x80000000, 0xC0000000}:
            path = interpret(program, Call(nr, arch.audit)).path
            if all(program[at].k < 16 for at in path if program[at].code == 0x20):
                assert sum(program[at].code in COMPARISONS for at in path) <= 16, (token, nr)


@pytest.mark.parametrize("name", ["wide_allow", "networks"])
def test_bitmap_holds_every_constantly_allowed_call(name: str) -> None:
    """The kernel's check finds ALLOW for exactly the calls that the profile allows whatever their arguments are."""
    section = read_profile(name)
    program = compiled(section)
    default = verdict_of(section, "defaultAction", "defaultErrnoRet")
    for token in ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"):
        arch = find_arch(token)
        assert arch is not None
        doors = {"socketcall", "ipc"} if arch.multiplexed else set()
        constant = 0
        for call, nr in syscall_numbers(arch).items():
            if call in doors:
                continue
            entries = [entry for entry in section["syscalls"] if call in entry["names"]]
            plain = [entry for entry in entries if not entry.get("args")]
            verdict = verdict_of(plain[0]) if plain else None if entries else default
            if verdict is not None:
                assert is_constantly_allowed(program, nr, arch.audit) == (verdict == ALLOW), call
                constant += verdict == ALLOW
        assert constant > 200


def test_emulator_sees_through_a_bad_shape() -> None:
    """A program that loads an argument before its ALLOW is not taken for constant, so the test above can fail."""
    loads_argument = bytes.fromhex("2000000010000000060000000000ff7f")
    assert not is_constantly_allowed(decode(loads_argument), 0, 0xC000003E)
    assert is_constantly_allowed(decode(bytes.fromhex("060000000000ff7f")), 0, 0xC000003E)


def test_same_section_same_bytes() -> None:
    """Compiling is a function: nothing of an earlier compilation is left behind."""
    section = read_profile("wide_allow")
    first = compile_profile(section, "x86_64")
    compile_profile(read_profile("networks"), "i686")
    assert compile_profile(section, "x86_64") == first
