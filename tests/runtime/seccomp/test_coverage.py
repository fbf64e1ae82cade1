"""Nothing in a program is for nothing: the judges' values execute every instruction, and no instruction can be left out.

A judge that never sees an instruction executed says nothing about it, so what the other tests conclude rests on this one.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch
from runtime.seccomp.assemble import JMP_JA, JMP_JEQ_K, JMP_JGE_K, JMP_JGT_K, JMP_JSET_K, RET_K
from runtime.seccomp.compare import possible_steps
from runtime.seccomp.compile import compile_profile, compile_profiles
from runtime.seccomp.engine_profile import Circumstances, resolve_profile
from runtime.seccomp.interpret import Instruction, decode, interpret
from tests.runtime.seccomp import sections
from tests.runtime.seccomp.samples import read_profile

PODMAN = Path("/usr/share/containers/seccomp.json")
COMPARISONS = (JMP_JEQ_K, JMP_JGE_K, JMP_JGT_K, JMP_JSET_K)
BOUNDS = tuple(name for name in sections.OPERATORS if name != "MASKED_EQ")
FEWER = max(15, settings().max_examples // 3)


def executed(several: list[dict[str, Any]], native: str) -> tuple[tuple[Instruction, ...], set[int]]:
    """The program of the sections, and what of it their boundary calls execute."""
    arch = find_arch(native)
    assert arch is not None
    program = decode(compile_profiles(several, arch.token).program, big_endian=arch.big_endian)
    found: set[int] = set()
    for section in several:
        for call in sections.boundary_calls(section, arch.token):
            found.update(interpret(program, call, big_endian=arch.big_endian).path)
    return program, found


@pytest.mark.parametrize("name", ["wide_allow", "networks"])
@pytest.mark.parametrize("native", ["x86_64", "i686"])
def test_boundary_values_execute_every_instruction(name: str, native: str) -> None:
    """Of the checked-in profiles, on both machines that they are for, doors included."""
    program, found = executed([read_profile(name)], native)
    assert found == set(range(len(program)))


@pytest.mark.skipif(not PODMAN.exists(), reason="no containers-common on this machine, which holds podman's profile")
@pytest.mark.parametrize("machine", ["x86_64", "i686", "aarch64", "ppc64le", "riscv64", "s390x"])
@pytest.mark.parametrize("capabilities", [(), ("CAP_SYS_ADMIN", "CAP_SYS_TIME")])
def test_boundary_values_execute_all_of_podmans(machine: str, capabilities: tuple[str, ...]) -> None:
    """podman's own profile, for machines of every width and byte order."""
    arch = find_arch(machine)
    assert arch is not None
    document = json.loads(PODMAN.read_text())
    section = resolve_profile(document, Circumstances(arch, frozenset(capabilities), (6, 1)))
    program, found = executed([section], machine)
    assert found == set(range(len(program)))


def test_boundary_values_execute_all_of_two_together() -> None:
    """Two sections in one program, whose conditions meet."""
    arguments = [{"index": 0, "op": "SCMP_CMP_GT", "value": 2}]
    policy = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": read_profile("wide_allow")["architectures"],
        "syscalls": [
            {"names": ["mkdir", "io_uring_setup"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["socket", "clone", "personality"], "action": "SCMP_ACT_TRAP", "args": arguments},
        ],
    }
    program, found = executed([read_profile("wide_allow"), policy], "x86_64")
    assert found == set(range(len(program)))


def without_waste(program: tuple[Instruction, ...]) -> bool:
    """Whether some call executes every instruction, and every comparison has two answers that lead to different ends."""
    steps = possible_steps(program)
    if {0, *[to for _, to in steps]} != set(range(len(program))):
        return False
    for at, instruction in enumerate(program):
        if instruction.code in COMPARISONS:
            ways = [at + 1 + instruction.jt, at + 1 + instruction.jf]
            if not {(at, way) for way in ways} <= steps or _end(program, ways[0]) == _end(program, ways[1]):
                return False
    return True


def _end(program: tuple[Instruction, ...], at: int) -> tuple[str, int]:
    while program[at].code == JMP_JA:
        at += 1 + program[at].k
    return ("verdict", program[at].k) if program[at].code == RET_K else ("at", at)


@pytest.mark.parametrize("name", ["wide_allow", "networks"])
def test_no_instruction_of_a_profile_is_redundant(name: str) -> None:
    """Decided for every call there is."""
    assert without_waste(decode(compile_profile(read_profile(name), "x86_64").program))


def test_waste_is_noticed() -> None:
    """A comparison that decides nothing, one that contradicts what is known, and an instruction that nothing reaches."""
    idle = "2000000000000000 1500000001000000 060000000000ff7f 060000000000ff7f"
    known = "2000000010000000 3500000209000000 3500000105000000 0600000000000000 060000000000ff7f"
    beyond = "060000000000ff7f 0600000000000000"
    good = "2000000000000000 1500000101000000 060000000000ff7f 0600000000000000"
    found = [without_waste(decode(bytes.fromhex(text))) for text in (idle, known, beyond, good)]
    assert found == [False, False, False, True]


@settings(max_examples=FEWER)
@given(
    several=st.lists(sections.sections(rules=4, operators=BOUNDS), min_size=1, max_size=2),
    native=st.sampled_from(sections.NATIVES),
    listed=st.lists(st.lists(st.sampled_from(sections.X86_FAMILY), unique=True), min_size=2, max_size=2),
)
def test_no_instruction_is_redundant(several: list[dict[str, Any]], native: str, listed: list[list[str]]) -> None:
    """Any sections, alone and two together, but for masks: what a mask and a bound on one word exclude together is not looked for."""
    if native == "x86_64":
        for one, tokens in zip(several, listed, strict=False):
            one["architectures"] = tokens
    arch = find_arch(native)
    assert arch is not None
    try:
        program = decode(compile_profiles(several, native).program, big_endian=arch.big_endian)
    except FilterError:
        assume(False)
        raise
    assert without_waste(program)
