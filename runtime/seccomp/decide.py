"""Clauses into decisions: the first clause whose tests all hold gives the verdict.

All clauses are looked at together, one word of one argument at a time: the values at which any test on that word changes its
answer cut the word's range into pieces, and for each piece only the clauses that can still hold remain.  Equal remainders
become one node, so the result is a graph without repeated loads.  Many clauses over several arguments could make it
large; then clauses are decided one after the other, which is linear.
"""

from runtime.seccomp.filter import WORD_MAX, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Clause, Target

NODE_BUDGET = 96
UNBOUNDED = 1 << 30  # one clause has no more nodes than tests


class _OverBudgetError(Exception):
    """The joint decision grows too large."""


def decide(clauses: "tuple[Clause, ...]", default: "Target") -> "Target":
    """The decision that gives the first matching clause's target, or `default`."""
    try:
        return _joint((*clauses, ((), default)), {}, NODE_BUDGET)
    except _OverBudgetError:
        target = default
        for tests, action in reversed(clauses):
            target = _joint(((tests, action), ((), target)), {}, UNBOUNDED)
        return target


def _joint(clauses: "tuple[Clause, ...]", known: "dict[tuple[Clause, ...], Target]", budget: int) -> "Target":
    tests, action = clauses[0]
    if not tests:
        return action
    found = known.get(clauses)
    if found is not None:
        return found
    if len(known) > budget:
        raise _OverBudgetError
    word, mask, _ = tests[0]
    starts: list[int] = []
    targets: list[Target] = []
    for start in _pieces(clauses, word, mask):
        target = _joint(_remaining(clauses, word, mask, start), known, budget)
        if not targets or targets[-1] != target:
            starts.append(start)
            targets.append(target)
    known[clauses] = result = targets[0] if len(targets) == 1 else Node(word, mask, starts, targets)
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
