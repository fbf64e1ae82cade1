"""Whether two programs mean the same, decided for every call; where they do not, on which.

The numbers and architectures that either program compares with cut all possible ones into classes in which neither can tell
one from another, so one of each class stands for all.  Within a class the arguments are decided symbolically.
"""

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
from runtime.seccomp.filter import WORD_MAX
from runtime.seccomp.interpret import Instruction, ProgramError
from runtime.seccomp.symbolic import Region, walk

NR, ARCH = 0, 1
CLASSES_MAX = 4096


@record
class Difference:
    """Calls of `arch` with numbers from `first` to `last`, and arguments in `region`, that get different verdicts."""

    arch: int
    first: int
    last: int
    region: Region
    verdict_a: int
    verdict_b: int


def differences(a: tuple[Instruction, ...], b: tuple[Instruction, ...]) -> list[Difference]:
    """Every difference between two programs; an empty list is a proof that there is none.

    Raises: ProgramError for a program that tells numbers apart by so many single bits that there are too many classes.
    """
    found: list[Difference] = []
    numbers = classes(_constants(a, NR) | _constants(b, NR), "number")
    for arch, _ in classes(_constants(a, ARCH) | _constants(b, ARCH), "architecture"):
        for first, last in numbers:
            for region, verdict_a in walk(a, first, arch, {}):
                for part, verdict_b in walk(b, first, arch, region):
                    if verdict_a != verdict_b:
                        _add(found, Difference(arch, first, last, part, verdict_a, verdict_b))
    return found


def possible_steps(program: tuple[Instruction, ...]) -> set[tuple[int, int]]:
    """Each (instruction, next one) that some call takes; decided, like the differences.  Raises: ProgramError as `differences` does."""
    steps: set[tuple[int, int]] = set()
    numbers = classes(_constants(program, NR), "number")
    for arch, _ in classes(_constants(program, ARCH), "architecture"):
        for nr, _ in numbers:
            walk(program, nr, arch, {}, steps)
    return steps


def _add(found: list[Difference], new: Difference) -> None:
    """Append, or extend the last one where they are of one kind."""
    if found and not new.region:
        last = found[-1]
        same = (last.arch, last.region, last.verdict_a, last.verdict_b) == (new.arch, {}, new.verdict_a, new.verdict_b)
        if same and last.last + 1 == new.first:
            found[-1] = Difference(new.arch, last.first, new.last, {}, new.verdict_a, new.verdict_b)
            return
    found.append(new)


def classes(constants: "set[tuple[int, int]]", what: str) -> list[tuple[int, int]]:
    """Inclusive ranges of the 32-bit values that no comparison in `constants` (mask, value) tells apart."""
    cuts = {0}
    for mask, value in constants:
        if mask == WORD_MAX:
            cuts.update((value, value + 1))
        elif mask:
            step = mask & -mask
            if (WORD_MAX + 1) // step > CLASSES_MAX:
                raise ProgramError(f"the program tells {what}s apart by single bits ({mask:#x}): too many cases")
            cuts.update(range(0, WORD_MAX + 1, step))
    starts = sorted(cut for cut in cuts if cut <= WORD_MAX)
    return list(zip(starts, [*[start - 1 for start in starts[1:]], WORD_MAX], strict=True))


def _constants(program: tuple[Instruction, ...], word: int) -> "set[tuple[int, int]]":
    """(mask, value) of every comparison that can be reached with that word in the accumulator."""
    found: set[tuple[int, int]] = set()
    seen: set[tuple[int, int, int]] = set()
    waiting = [(0, -1, 0)]  # instruction, word in the accumulator (-1: none), its mask
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        at, held, mask = state
        instruction = program[at]
        code, k = instruction.code, instruction.k
        if code == LD_W_ABS:
            waiting.append((at + 1, k // 4, WORD_MAX))
        elif code == ALU_AND_K:
            waiting.append((at + 1, held, mask & k))
        elif code == JMP_JA:
            waiting.append((at + 1 + k, held, mask))
        elif code != RET_K:
            waiting += [(at + 1 + instruction.jt, held, mask), (at + 1 + instruction.jf, held, mask)]
            if held == word:
                found |= _cuts(code, k, mask)
    return found


def _cuts(code: int, k: int, mask: int) -> "set[tuple[int, int]]":
    if code == JMP_JSET_K:
        return {(mask & k, 0)}
    if mask != WORD_MAX:
        return {(mask, 0)}
    return {JMP_JEQ_K: {(mask, k)}, JMP_JGE_K: {(mask, k)}, JMP_JGT_K: {(mask, k + 1)}}[code]
