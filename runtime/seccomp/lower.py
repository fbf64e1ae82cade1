"""Ranges and decisions into instructions: balanced trees, the cheapest comparison at each step.

A range table (`starts`, `targets`) is first cut into groups: one target, and up to CHAIN single values inside it that have
another one (each costs one JEQ instead of two JGE).  Over the groups stands a balanced tree of JGE.
On the way to a verdict that depends on the system call alone, only `nr` and `arch` are loaded, and only with operations
that the kernel's constant-action emulation knows (kernel/seccomp.c, seccomp_is_const_allow), so its bitmap stays effective.
"""

from runtime.seccomp.assemble import ALU_AND_K, JMP_JEQ_K, JMP_JGE_K, LD_W_ABS, Assembler
from runtime.seccomp.filter import WORD_MAX, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Target

OFFSET_NR = 0
OFFSET_ARCH = 4
OFFSET_ARGS = 16
CHAIN = 3


class Lowering:
    """The program's blocks so far: `asm` writes them, nodes that were already written are reused."""

    __slots__ = ("asm", "big_endian", "labels")

    def __init__(self, *, big_endian: bool) -> None:
        """Start a program for machines of that byte order."""
        self.asm = Assembler()
        self.big_endian = big_endian
        self.labels: dict[Node, int] = {}

    def arch(self, audit: int, starts: list[int], targets: "list[Target]", other: int) -> int:
        """One architecture's calls; `other` is where the remaining ones go.  The accumulator holds `arch`."""
        asm = self.asm
        section = asm.before(LD_W_ABS, OFFSET_NR, self.ranges(starts, targets))
        return asm.branch(JMP_JEQ_K, audit, section, other)

    def finish(self, entry: int) -> bytes:
        """Load `arch`, go to `entry`: the whole program."""
        self.asm.before(LD_W_ABS, OFFSET_ARCH, entry)
        return self.asm.finish(big_endian=self.big_endian)

    def target(self, target: "Target") -> int:
        """Where a verdict or a node is; a node is written here if it is not yet."""
        if isinstance(target, int):
            return ~target
        label = self.labels.get(target)
        if label is None:
            asm = self.asm
            inner = self.ranges(target.starts, target.targets)
            if target.mask != WORD_MAX:
                inner = asm.before(ALU_AND_K, target.mask, inner)
            high = target.word & 1
            offset = OFFSET_ARGS + 4 * (target.word - high) + 4 * (high ^ self.big_endian)
            self.labels[target] = label = asm.before(LD_W_ABS, offset, inner)
        return label

    def ranges(self, starts: list[int], targets: "list[Target]") -> int:
        """The tree over one range table; its label, or a verdict.  The accumulator holds the value."""
        groups = group(starts, targets)
        asm = self.asm
        resolve = self.target

        def tree(low: int, high: int) -> int:
            if high - low > 1:
                middle = (low + high) // 2
                upper = tree(middle, high)
                lower = tree(low, middle)
                return asm.branch(JMP_JGE_K, starts[groups[middle]], upper, lower)
            first = groups[low]
            label = resolve(targets[first])
            for at in range(groups[high] - 2, first, -2):
                label = asm.branch(JMP_JEQ_K, starts[at], resolve(targets[at]), label)
            return label

        return tree(0, len(groups) - 1)


def group(starts: list[int], targets: "list[Target]") -> list[int]:
    """Cut the table into groups: indices of their first ranges, and the number of ranges at the end.

    Inside a group every second range has the first one's target, and those between are single values.
    """
    count = len(starts)
    groups = []
    at = 0
    while at < count:
        groups.append(at)
        end = at
        target = targets[at]
        limit = min(at + 2 * CHAIN, count - 1)
        while end + 2 <= limit and targets[end + 2] == target and starts[end + 2] - starts[end + 1] == 1:
            end += 2
        at = end + 1
    groups.append(count)
    return groups
