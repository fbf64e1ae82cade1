"""Alternatives into decisions: the first one that holds gives the verdict.

All alternatives are looked at together, one word of one argument at a time: the values at which any test on that word changes its
answer cut the word's range into pieces, and for each piece only what can still hold remains.  Equal remainders become one
node, so the result is a graph without repeated loads.  Many alternatives over several arguments could make it large; then
they are decided one after the other, which is linear.
"""

from runtime.seccomp.filter import WORD_MAX, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Clause, Target, Test

    # conjunctions of tests, one of which must hold -> the verdict
    Choice = tuple[tuple[tuple[Test, ...], ...], int]

UNBOUNDED = 1 << 30
DEPTH_MAX = 64  # words under masks that one call is asked about; a single rule has twelve


class _OverBudgetError(Exception):
    """The joint decision grows too large."""


def decide(choices: "tuple[Choice, ...]", default: "Target") -> "Target":
    """The decision that gives the verdict of the first choice that holds, or `default`."""
    clauses = tuple([(tests, action) for conjunctions, action in choices for tests in conjunctions])
    # what the choices take one after the other: two or three instructions for each distinct test
    tests = sum([len({test for tests in conjunctions for test in tests}) for conjunctions, _ in choices])
    try:
        return _Joint(32 + 2 * tests).decide((*merged(clauses), ((), default)))
    except _OverBudgetError:
        target = default
        for conjunctions, action in reversed(choices):
            alone = tuple([(tests, action) for tests in conjunctions])
            target = _Joint(UNBOUNDED).decide((*alone, ((), target)))
        return target


def merged(clauses: "tuple[Clause, ...]") -> "list[Clause]":
    """Neighbours with one action that differ in the intervals of their last test alone, as one clause: lists of allowed values."""
    found: list[Clause] = []
    at = 0
    while at < len(clauses):
        tests, action = clauses[at]
        end = at + 1
        while end < len(clauses) and _is_alike(clauses[at], clauses[end]):
            end += 1
        if end > at + 1:
            word, mask, _ = tests[-1]
            intervals = sorted([one for other, _ in clauses[at:end] for one in other[-1][2]])
            tests = (*tests[:-1], (word, mask, tuple(intervals)))
        found.append((tests, action))
        at = end
    return found


def _is_alike(one: "Clause", other: "Clause") -> bool:
    tests, others = one[0], other[0]
    if one[1] != other[1] or not tests or len(tests) != len(others):
        return False
    return tests[-1][:2] == others[-1][:2] and tests[:-1] == others[:-1]


class _Joint:
    """A decision under construction: `known` has what was decided before, `budget` how many ranges may still be made."""

    __slots__ = ("budget", "known")

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.known: dict[tuple[Clause, ...], Target] = {}

    def decide(self, clauses: "tuple[Clause, ...]", depth: int = 0) -> "Target":
        """The first clause that holds wins; the last one always does."""
        tests, action = clauses[0]
        if not tests:
            return action
        found = self.known.get(clauses)
        if found is not None:
            return found
        word, mask, _ = tests[0]
        pieces = _pieces(clauses, word, mask)
        self.budget -= len(pieces)
        if self.budget < 0 or depth > DEPTH_MAX:
            raise _OverBudgetError
        starts: list[int] = []
        targets: list[Target] = []
        for start in pieces:
            target = self.decide(_remaining(clauses, word, mask, start), depth + 1)
            if not targets or targets[-1] != target:
                starts.append(start)
                targets.append(target)
        self.known[clauses] = result = targets[0] if len(targets) == 1 else Node(word, mask, starts, targets)
        return result


def _pieces(clauses: "tuple[Clause, ...]", word: int, mask: int) -> list[int]:
    """The values of the masked word at which some test changes its answer."""
    cuts = {0}
    for tests, _ in clauses:
        for test_word, test_mask, intervals in tests:
            if test_word == word and test_mask == mask:
                for low, high in intervals:
                    cuts.add(low)
                    if high < WORD_MAX:
                        cuts.add(high + 1)
    return sorted(cuts)


def _remaining(clauses: "tuple[Clause, ...]", word: int, mask: int, value: int) -> "tuple[Clause, ...]":
    """What is left to decide once the masked word is known to be like `value`."""
    left: list[Clause] = []
    for clause in clauses:
        tests = clause[0]
        open_tests = tests
        for test in tests:
            if test[0] == word and test[1] == mask:
                for low, high in test[2]:
                    if low <= value <= high:
                        break
                else:
                    break  # this clause cannot hold any more
                open_tests = tuple([other for other in tests if other[0] != word or other[1] != mask])
        else:
            left.append(clause if open_tests is tests else (open_tests, clause[1]))
            if not open_tests:
                break
    while len(left) > 1 and left[-2][1] == left[-1][1]:
        del left[-2]  # both ways out give the same
    return tuple(left)
