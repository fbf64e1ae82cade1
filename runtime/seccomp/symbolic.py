"""All ways through a program at once: for one architecture and number, which arguments lead to which verdict.

A region says what is known of the words that a call carries besides number and architecture: for a word under a mask, the
intervals in which the masked word lies.  A walk splits regions at each comparison and leaves out those that no call is in;
whether one is, is decided exactly.  So the regions of a walk are all calls, each once.
"""

from runtime.seccomp.assemble import ALU_AND_K, JMP_JA, JMP_JEQ_K, JMP_JGE_K, JMP_JGT_K, LD_W_ABS, RET_K
from runtime.seccomp.filter import WORD_MAX
from runtime.seccomp.interpret import Instruction, holds

Interval = tuple[int, int]
# (index of the 32-bit word in struct seccomp_data, mask) -> the intervals of the masked word, ascending and disjoint
Region = dict[tuple[int, int], tuple[Interval, ...]]

ANYTHING: tuple[Interval, ...] = ((0, WORD_MAX),)
NOTHING: tuple[Interval, ...] = ()


def walk(
    program: tuple[Instruction, ...], nr: int, arch: int, region: Region, steps: "set[tuple[int, int]] | None" = None
) -> "list[tuple[Region, int]]":
    """Every part of `region` with the verdict that its calls get; `steps` is given each (instruction, next one) that some call takes."""
    found: list[tuple[Region, int]] = []
    # the accumulator is a number, or a word under a mask
    waiting: list[tuple[int, int | tuple[int, int], Region]] = [(0, 0, region)]
    while waiting:
        at, accumulator, region = waiting.pop()
        before = len(waiting)
        instruction = program[at]
        code, k = instruction.code, instruction.k
        if code == RET_K:
            found.append((region, k))
        elif code == LD_W_ABS:
            loaded = {0: nr, 4: arch}.get(k)
            waiting.append((at + 1, (k // 4, WORD_MAX) if loaded is None else loaded, region))
        elif code == ALU_AND_K:
            masked = accumulator & k if isinstance(accumulator, int) else (accumulator[0], accumulator[1] & k)
            waiting.append((at + 1, masked, region))
        elif code == JMP_JA:
            waiting.append((at + 1 + k, accumulator, region))
        elif isinstance(accumulator, int):
            taken = instruction.jt if holds(code, accumulator, k) else instruction.jf
            waiting.append((at + 1 + taken, accumulator, region))
        else:
            word, mask, true = _question(code, k, accumulator)
            for skip, intervals in ((instruction.jf, complement(true)), (instruction.jt, true)):
                part = narrowed(region, (word, mask), intervals)
                if part is not None:
                    waiting.append((at + 1 + skip, accumulator, part))
        if steps is not None:
            steps.update([(at, one[0]) for one in waiting[before:]])
    return found


def _question(code: int, k: int, accumulator: tuple[int, int]) -> tuple[int, int, tuple[Interval, ...]]:
    """A comparison of a masked word: the word, the mask, and where the answer is yes."""
    word, mask = accumulator
    if code == JMP_JEQ_K:
        return word, mask, ((k, k),)
    if code == JMP_JGE_K:
        return word, mask, ((k, WORD_MAX),)
    if code == JMP_JGT_K:
        return word, mask, ((k + 1, WORD_MAX),) if k < WORD_MAX else NOTHING
    return word, mask & k, ((1, WORD_MAX),)


def complement(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The other values of 32 bits."""
    found = []
    start = 0
    for low, high in intervals:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    if start <= WORD_MAX:
        found.append((start, WORD_MAX))
    return tuple(found)


def intersection(one: tuple[Interval, ...], other: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The values in both."""
    pairs = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return tuple(sorted((low, high) for low, high in pairs if low <= high))


def narrowed(region: Region, key: tuple[int, int], intervals: tuple[Interval, ...]) -> Region | None:
    """The part of a region in which the masked word lies in the intervals; None if no call is there."""
    both = intersection(region.get(key, ANYTHING), intervals)
    part = {**region, key: both}
    return None if value_of(part, key[0]) is None else part


def value_of(region: Region, word: int) -> int | None:
    """The smallest value that a word may have in a region, or None."""
    masks = [(mask, intervals) for (of, mask), intervals in region.items() if of == word]
    return _smallest(masks, [])


def _smallest(masks: "list[tuple[int, tuple[Interval, ...]]]", chosen: list[tuple[int, int, int]]) -> int | None:
    if not masks:
        return _search(chosen, 31, 0, ((1 << len(chosen)) - 1, (1 << len(chosen)) - 1), set())
    (mask, intervals), rest = masks[0], masks[1:]
    best = None
    for low, high in intervals:
        value = _smallest(rest, [*chosen, (mask, low, high)])
        if value is not None and (best is None or value < best):
            best = value
        if best is not None and mask == WORD_MAX and not chosen:
            break  # later intervals hold larger values only
    return best


def _search(
    chosen: list[tuple[int, int, int]], bit: int, value: int, tight: tuple[int, int], dead: set[tuple[int, int, int]]
) -> int | None:
    """The smallest value with low <= value & mask <= high for all chosen, its bits above `bit` being decided.

    `tight` has a bit for each chosen one whose decided part equals that of its lower, of its upper bound.
    """
    if bit < 0:
        return value
    if (bit, *tight) in dead:
        return None
    for choice in (0, 1):
        left = _tight_after(chosen, bit, choice, tight)
        if left is not None:
            found = _search(chosen, bit - 1, value | choice << bit, left, dead)
            if found is not None:
                return found
    dead.add((bit, *tight))
    return None


def _tight_after(
    chosen: list[tuple[int, int, int]], bit: int, choice: int, tight: tuple[int, int]
) -> tuple[int, int] | None:
    lows, highs = tight
    for at, (mask, low, high) in enumerate(chosen):
        seen = choice & mask >> bit
        here = 1 << at
        if lows & here:
            if seen < low >> bit & 1:
                return None
            if seen > low >> bit & 1:
                lows &= ~here
        if highs & here:
            if seen > high >> bit & 1:
                return None
            if seen < high >> bit & 1:
                highs &= ~here
    return lows, highs


def witness(region: Region, *, big_endian: bool) -> tuple[int, ...]:
    """Arguments of a call in the region."""
    values = [value_of(region, word) or 0 for word in range(4, 16)]
    pairs = list(zip(values[::2], values[1::2], strict=True))
    return tuple(low | high << 32 for low, high in ([(b, a) for a, b in pairs] if big_endian else pairs))
