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


def program_of(tables: "list[tuple[int, list[int], list[Target]]]", other: int, *, big_endian: bool) -> bytes:
    """The program over (AUDIT_ARCH_*, starts, targets) of several architectures; `other` is the verdict on all others."""
    lowering = Lowering(big_endian=big_endian)
    entry = ~other
    for audit, starts, targets in reversed(tables):
        entry = lowering.arch(audit, starts, targets, entry)
    return lowering.finish(entry)


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

    def target(self, target: Node) -> int:
        """Where a decision is; it is written here if it is not yet, what it leads to before it."""
        labels = self.labels
        waiting = (
            [] if target in labels else [target]
        )  # no recursion: rules decided one after the other are as deep as many
        while waiting:
            node = waiting[-1]
            inner = [one for one in node.targets if isinstance(one, Node) and one not in labels]
            if inner:
                waiting += inner
            else:
                waiting.pop()
                if node not in labels:
                    self._write(node)
        return labels[target]

    def _write(self, node: Node) -> None:
        asm = self.asm
        inner = self.ranges(node.starts, node.targets)
        if node.mask != WORD_MAX:
            inner = asm.before(ALU_AND_K, node.mask, inner)
        high = node.word & 1
        offset = OFFSET_ARGS + 4 * (node.word - high) + 4 * (high ^ self.big_endian)
        self.labels[node] = asm.before(LD_W_ABS, offset, inner)

    def ranges(self, starts: list[int], targets: "list[Target]") -> int:
        """The tree over one range table; its label, or a verdict.  The accumulator holds the value."""
        groups = group(starts, targets)
        tree = _Tree(self, starts, targets, groups)
        return tree.leaf(0) if len(groups) == 2 else tree.split(0, len(groups) - 1)


class _Tree:
    """One range table on its way into instructions."""

    __slots__ = ("branch", "groups", "resolve", "starts", "targets")

    def __init__(self, lowering: Lowering, starts: list[int], targets: "list[Target]", groups: list[int]) -> None:
        self.branch = lowering.asm.branch
        self.resolve = lowering.target
        self.starts = starts
        self.targets = targets
        self.groups = groups

    def leaf(self, at: int) -> int:
        """One group: its target, behind one comparison for each single value inside it."""
        targets = self.targets
        first, end = self.groups[at], self.groups[at + 1]
        target = targets[first]
        label = ~target if isinstance(target, int) else self.resolve(target)
        if end - first == 1:
            return label
        branch, starts = self.branch, self.starts
        for single in range(end - 2, first, -2):
            target = targets[single]
            label = branch(
                JMP_JEQ_K, starts[single], ~target if isinstance(target, int) else self.resolve(target), label
            )
        return label

    def split(self, low: int, high: int) -> int:
        """The groups from `low` to before `high`, at least two."""
        middle = (low + high) >> 1
        upper = self.leaf(middle) if high - middle == 1 else self.split(middle, high)
        lower = self.leaf(low) if middle - low == 1 else self.split(low, middle)
        return self.branch(JMP_JGE_K, self.starts[self.groups[middle]], upper, lower)


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
