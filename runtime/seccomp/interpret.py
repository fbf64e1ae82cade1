"""A classic BPF interpreter for seccomp programs: the oracle of tests and of `simulate`.

It refuses what the kernel would refuse at attach time or what cannot end in a verdict, so a wrong program never passes for a
right one.  Source: seccomp(2), kernel/seccomp.c seccomp_check_filter().
"""

from _struct import iter_unpack

from runtime.record import record
from runtime.seccomp.assemble import (
    ALU_AND_K,
    JMP_JA,
    JMP_JEQ_K,
    JMP_JGE_K,
    JMP_JGT_K,
    JMP_JSET_K,
    LD_W_ABS,
    RET_K,
)

WORD_MAX = 0xFFFFFFFF
DATA_BYTES = 64  # sizeof(struct seccomp_data)


@record
class Instruction:
    """struct sock_filter."""

    code: int
    jt: int
    jf: int
    k: int


@record
class Call:
    """struct seccomp_data."""

    nr: int
    arch: int
    args: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    instruction_pointer: int = 0


@record
class Outcome:
    """What a program said: the SECCOMP_RET_* value with its data, and the indices of the instructions executed, in order."""

    verdict: int
    path: tuple[int, ...]


class ProgramError(Exception):
    """The bytes are no seccomp program; the text names the instruction."""


def decode(program: bytes, *, big_endian: bool = False) -> tuple[Instruction, ...]:
    """The instructions of an array of struct sock_filter.

    Raises: ProgramError if the kernel's checker would refuse it.
    """
    if not program or len(program) % 8 or len(program) > 8 * 4096:
        raise ProgramError(f"{len(program)} bytes are no array of 1 to 4096 instructions")
    order = ">" if big_endian else "<"
    found = tuple(Instruction(*fields) for fields in iter_unpack(order + "HBBI", program))
    for position, instruction in enumerate(found):
        _check(position, instruction, len(found))
    if found[-1].code != RET_K:
        raise ProgramError("the last instruction is no return")
    return found


def _check(position: int, instruction: Instruction, count: int) -> None:
    code, k = instruction.code, instruction.k
    if code == LD_W_ABS:
        if k % 4 or k >= DATA_BYTES:
            raise ProgramError(f"instruction {position} loads from offset {k}")
    elif code == JMP_JA:
        if position + 1 + k >= count:
            raise ProgramError(f"instruction {position} jumps out of the program")
    elif code in (JMP_JEQ_K, JMP_JGT_K, JMP_JGE_K, JMP_JSET_K):
        if position + 1 + max(instruction.jt, instruction.jf) >= count:
            raise ProgramError(f"instruction {position} jumps out of the program")
    elif code not in (ALU_AND_K, RET_K):
        raise ProgramError(f"instruction {position} has code {code:#04x}, which this interpreter does not know")


def interpret(program: tuple[Instruction, ...], call: Call, *, big_endian: bool = False) -> Outcome:
    """Run a decoded program on one call."""
    words = words_of(call, big_endian=big_endian)
    accumulator = 0
    at = 0
    path = []
    while True:
        instruction = program[at]
        path.append(at)
        at += 1
        code, k = instruction.code, instruction.k
        if code == RET_K:
            return Outcome(k, tuple(path))
        if code == LD_W_ABS:
            accumulator = words[k // 4]
        elif code == ALU_AND_K:
            accumulator &= k
        elif code == JMP_JA:
            at += k
        else:
            at += instruction.jt if holds(code, accumulator, k) else instruction.jf


def holds(code: int, accumulator: int, k: int) -> bool:
    """Whether a conditional jump is taken."""
    if code == JMP_JEQ_K:
        return accumulator == k
    if code == JMP_JGT_K:
        return accumulator > k
    if code == JMP_JGE_K:
        return accumulator >= k
    return bool(accumulator & k)


def words_of(call: Call, *, big_endian: bool) -> list[int]:
    """The struct seccomp_data of a call as the 16 words that a program can load."""
    words = [call.nr & WORD_MAX, call.arch]
    for value in (call.instruction_pointer, *call.args):
        low, high = value & WORD_MAX, value >> 32 & WORD_MAX
        words += (high, low) if big_endian else (low, high)
    return words
