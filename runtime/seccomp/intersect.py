"""Several sections into one program: each call gets the strictest of the verdicts that the sections give it.

That is what the kernel does with several filters attached to one process, at the price of one.  The tables of the sections are laid
over each other: over the union of their ranges stands, for each pair of targets, the product of the two decisions.  Words are
asked in one order (the lower argument first, its high word before its low one), and below a range of a word nothing is
asked that the range has settled.  A product that grows too large is made one decision after the other, which is linear.
Source: kernel/seccomp.c seccomp_run_filters().
"""

from runtime.seccomp.filter import RET_ALLOW, RET_USER_NOTIF, WORD_MAX, Node
from runtime.seccomp.profile import FLAG_SPEC_ALLOW
from runtime.seccomp.ranges import BAD_ARCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.seccomp.filter import Target

    # AUDIT_ARCH_*, first numbers, targets: what `range_tables` gives
    Table = tuple[int, list[int], list[Target]]

ACTION = 0xFFFF0000
SIGN = 0x80000000  # the kernel compares actions as signed numbers: KILL_PROCESS is the smallest
DEPTH_MAX = 64


class _OverBudgetError(Exception):
    """The joint decision grows too large."""


def stricter(one: int, other: int) -> int:
    """The verdict that the kernel prefers; `one`, with its data, where the actions are the same."""
    return one if (one ^ SIGN) & ACTION <= (other ^ SIGN) & ACTION else other


def intersect_tables(several: "list[list[Table]]") -> "list[Table]":
    """The tables of all sections together; an architecture that one of them does not decide on is in none."""
    product = _Product()
    together = several[-1]
    # from the end, where the short ones stand, so that the long ones are gone through once
    for tables in reversed(several[:-1]):
        together = _both(tables, together, product)
    return together


def _both(one: "list[Table]", other: "list[Table]", product: "_Product") -> "list[Table]":
    refused: tuple[list[int], list[Target]] = ([0], [BAD_ARCH])
    first = {audit: (starts, targets) for audit, starts, targets in one}
    second = {audit: (starts, targets) for audit, starts, targets in other}
    found = []
    for audit in first | second:
        starts, targets = _overlay(first.get(audit, refused), second.get(audit, refused), product.of)
        if targets != refused[1]:  # as what is in no table
            found.append((audit, starts, targets))
    return found


def intersect_flags(flags: "list[int | None]") -> int | None:
    """What each section asks for in SECCOMP_FILTER_FLAG_* bits; None (not said) stands for SPEC_ALLOW, and stays if all are None."""
    said = [bits for bits in flags if bits is not None]
    if not said:
        return None
    together = 0
    for bits in said:
        together |= bits
    return together if all(bits & FLAG_SPEC_ALLOW for bits in said) else together & ~FLAG_SPEC_ALLOW


def notifies(tables: "list[Table]") -> bool:
    """Whether some call is answered by the listener."""
    seen: set[Target] = set()
    waiting = [target for _, _, targets in tables for target in targets]
    while waiting:
        target = waiting.pop()
        if target not in seen:
            seen.add(target)
            if isinstance(target, Node):
                waiting += target.targets
            elif target & ACTION == RET_USER_NOTIF:
                return True
    return False


def _overlay(
    one: "tuple[list[int], list[Target]]",
    other: "tuple[list[int], list[Target]]",
    join: "Callable[[Target, Target, int, int], Target]",
) -> "tuple[list[int], list[Target]]":
    """Two tables over one word: cut where either is cut; `join` is given both targets and the range's first and last value."""
    (a_starts, a_targets), (b_starts, b_targets) = one, other
    starts: list[int] = []
    targets: list[Target] = []
    a = b = start = 0
    while start <= WORD_MAX:
        a_next = a_starts[a + 1] if a + 1 < len(a_starts) else WORD_MAX + 1
        b_next = b_starts[b + 1] if b + 1 < len(b_starts) else WORD_MAX + 1
        end = min(a_next, b_next)
        target = join(a_targets[a], b_targets[b], start, end - 1)
        if not targets or targets[-1] != target:
            starts.append(start)
            targets.append(target)
        a += a_next == end
        b += b_next == end
        start = end
    return starts, targets


class _Product:
    """Pairs of decisions so far; equal results are one node, whatever they were made of."""

    __slots__ = ("budget", "joined", "made", "narrowed", "nodes")

    def __init__(self) -> None:
        self.budget = 0
        self.nodes: dict[tuple[int, int, tuple[int, ...], tuple[Target, ...]], Node] = {}
        self.made: set[Target] = set()
        self.joined: dict[tuple[Target, Target], Target] = {}
        self.narrowed: dict[tuple[Node, tuple[int, int, int, int]], Target] = {}

    def of(self, one: "Target", other: "Target", _low: int = 0, _high: int = 0) -> "Target":
        """The target that gives the stricter verdict of the two."""
        if isinstance(one, int) and isinstance(other, int):
            return stricter(one, other)
        known = self.joined.get((one, other))
        if known is not None:
            return known
        self.budget = 64 + 4 * (_ranges_in(one) + _ranges_in(other))
        try:
            target = self._join(one, other, 0)
        except _OverBudgetError:
            target = self._with_leaves(one, lambda v: self._with_leaves(other, lambda w: stricter(v, w)))
        self.joined[one, other] = target
        return target

    def _join(self, one: "Target", other: "Target", depth: int) -> "Target":
        if isinstance(one, int) and isinstance(other, int):
            return stricter(one, other)
        known = self.joined.get((one, other))
        if known is not None:
            return known
        if RET_ALLOW in (one, other):  # every verdict is as strict; only equal nodes must become one
            target = other if one == RET_ALLOW else one
            if target not in self.made:
                target = self._with_leaves(target, int)
            self.joined[one, other] = target
            return target
        word, mask = min(_rank(target) for target in (one, other) if isinstance(target, Node))
        word ^= 1

        def join(a: "Target", b: "Target", low: int, high: int) -> "Target":
            self.budget -= 1
            if self.budget < 0:
                raise _OverBudgetError
            known = (word, mask, low, high)
            return self._join(self._narrow(a, known, depth), self._narrow(b, known, depth), depth + 1)

        target = self._node(word, mask, *_overlay(_on(one, word, mask), _on(other, word, mask), join))
        self.joined[one, other] = target
        return target

    def _narrow(self, target: "Target", known: tuple[int, int, int, int], depth: int) -> "Target":
        """What is left to ask once it is known of (word, mask, low, high) that the masked word lies between the two.

        `depth` is that of the whole decision so far.
        """
        if isinstance(target, int):
            return target
        found = self.narrowed.get((target, known))
        if found is not None:
            return found
        self.budget -= 1
        if self.budget < 0 or depth > DEPTH_MAX:
            raise _OverBudgetError
        word, mask, low, high = known
        same = target.word == word and target.mask == mask
        starts: list[int] = []
        targets: list[Target] = []
        for at, start in enumerate(target.starts):
            if same and (start > high or (at + 1 < len(target.starts) and target.starts[at + 1] <= low)):
                continue
            inner = self._narrow(target.targets[at], known, depth + 1)
            if not targets or targets[-1] != inner:
                starts.append(start if starts else 0)
                targets.append(inner)
        self.narrowed[target, known] = found = self._node(target.word, target.mask, starts, targets)
        return found

    def _node(self, word: int, mask: int, starts: list[int], targets: "list[Target]") -> "Target":
        if len(targets) == 1:
            return targets[0]
        key = (word, mask, tuple(starts), tuple(targets))
        node = self.nodes.get(key)
        if node is None:
            self.nodes[key] = node = Node(word, mask, starts, targets)
            self.made.add(node)
        return node

    def _with_leaves(self, root: "Target", change: "Callable[[int], Target]") -> "Target":
        """The same decision with other verdicts; without recursion, since it may be as deep as many rules."""
        done: dict[Target, Target] = {}
        waiting = [root]
        while waiting:
            target = waiting[-1]
            if isinstance(target, int):
                done[target] = change(target)
                waiting.pop()
                continue
            inner = [one for one in target.targets if one not in done]
            if inner:
                waiting += inner
                continue
            waiting.pop()
            starts: list[int] = []
            targets: list[Target] = []
            for start, old in zip(target.starts, target.targets, strict=True):
                if not targets or targets[-1] != done[old]:
                    starts.append(start)
                    targets.append(done[old])
            done[target] = self._node(target.word, target.mask, starts, targets)
        return done[root]


def _rank(node: Node) -> tuple[int, int]:
    """Which word is asked first: the lower argument, of one argument the high word."""
    return node.word ^ 1, node.mask


def _on(target: "Target", word: int, mask: int) -> "tuple[list[int], list[Target]]":
    """A target as a table over a word, of one range if it does not ask for that word first."""
    if isinstance(target, Node) and target.word == word and target.mask == mask:
        return target.starts, target.targets
    return [0], [target]


def _ranges_in(root: "Target") -> int:
    seen: set[Target] = set()
    waiting = [root]
    ranges = 0
    while waiting:
        target = waiting.pop()
        if isinstance(target, Node) and target not in seen:
            seen.add(target)
            ranges += len(target.targets)
            waiting += target.targets
    return ranges
