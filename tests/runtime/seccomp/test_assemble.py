"""Instructions backwards: every jump lands, however far it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.seccomp.assemble import ALU_AND_K, JMP_JEQ_K, JMP_JGE_K, LD_W_ABS, RET_K, Assembler
from runtime.seccomp.interpret import Call, decode, interpret


def test_an_instruction_falls_through_to_its_target() -> None:
    """A load before a verdict brings its own return; before a block that is not next, a jump."""
    asm = Assembler()
    far = asm.before(LD_W_ABS, 0, ~7)
    asm.branch(JMP_JEQ_K, 1, ~8, ~9)
    asm.before(ALU_AND_K, 3, far)
    program = decode(asm.finish(big_endian=False))
    assert [one.code for one in program[:2]] == [ALU_AND_K, 0x05]
    assert interpret(program, Call(0, 0)).verdict == 7


@pytest.mark.parametrize("distance", [0, 1, 200, 253, 254, 255, 256, 257, 300, 600])
def test_jumps_of_any_distance(distance: int) -> None:
    """Both ways out of a comparison, past more instructions than its 8-bit offsets can count."""
    asm = Assembler()
    block = asm.branch(JMP_JEQ_K, 1, ~1, ~2)
    other = asm.branch(JMP_JEQ_K, 1, ~3, ~4)
    for _ in range(distance):
        asm.code.append(RET_K | 99 << 32)
    entry = asm.branch(JMP_JGE_K, 2, block, other)
    asm.before(LD_W_ABS, 0, entry)
    program = decode(asm.finish(big_endian=False))
    assert interpret(program, Call(2, 0)).verdict == 2
    assert interpret(program, Call(1, 0)).verdict == 3


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2000), st.integers(0, 2000)), max_size=60))
def test_any_program_of_branches_decodes(steps: list[tuple[int, int, int]]) -> None:
    """Labels anywhere behind, verdicts new and old, padding of any length: the kernel's checks pass."""
    asm = Assembler()
    labels = [asm.branch(JMP_JEQ_K, 0, ~0, ~1)]
    for padding, yes, no in steps:
        asm.code.extend([RET_K] * padding)
        targets = [~(one // 2 % 9) if one % 2 else labels[one // 2 % len(labels)] for one in (yes, no)]
        labels.append(asm.branch(JMP_JGE_K, yes, *targets))
    data = asm.finish(big_endian=False)
    if len(data) <= 8 * 4096:
        interpret(decode(data), Call(5, 0))


def test_byte_orders() -> None:
    """The same instruction in both orders of struct sock_filter."""
    little, big = Assembler(), Assembler()
    for asm in (little, big):
        asm.branch(JMP_JEQ_K, 0x12345678, ~1, ~2)
    assert little.finish(big_endian=False)[:8] == bytes.fromhex("1500000178563412")
    assert big.finish(big_endian=True)[:8] == bytes.fromhex("0015000112345678")
