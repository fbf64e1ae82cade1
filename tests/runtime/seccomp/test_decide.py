"""Clauses become decisions: the first that holds wins, and no set of rules makes them explode."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.seccomp import decide as module
from runtime.seccomp.decide import decide
from runtime.seccomp.filter import WORD_MAX, Node
from tests.runtime.seccomp.interpret_clauses import clauses_hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Clause, Target, Test

EDGES = (0, 1, 2, 5, 0x7FFFFFFF, 0x80000000, WORD_MAX)
INTERVALS = st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES)).map(lambda two: (min(two), max(two)))
TESTS = st.tuples(st.integers(0, 3), st.just(WORD_MAX), st.tuples(INTERVALS)) | st.tuples(
    st.integers(0, 3), st.sampled_from((1, 6)), st.sampled_from((0, 1, 2)).map(lambda value: ((value, value),))
)
CLAUSES = st.lists(st.tuples(st.lists(TESTS, max_size=3).map(tuple), st.integers(1, 4)), max_size=6)


def follow(target: "Target", arguments: tuple[int, ...]) -> int:
    """The verdict that a decision gives."""
    while isinstance(target, Node):
        value = arguments[target.word // 2] >> 32 * (target.word % 2) & target.mask
        assert target.starts[0] == 0
        assert target.starts == sorted(set(target.starts))
        target = target.targets[max(at for at, start in enumerate(target.starts) if start <= value)]
    return target


def size(target: "Target", seen: set[int] | None = None) -> int:
    """How many distinct nodes there are."""
    seen = set() if seen is None else seen
    if isinstance(target, Node) and id(target) not in seen:
        seen.add(id(target))
        for one in target.targets:
            size(one, seen)
    return len(seen)


@given(clauses=CLAUSES, words=st.lists(st.sampled_from((*EDGES, 3, 6)), min_size=4, max_size=4))
def test_the_first_clause_that_holds_wins(clauses: "list[Clause]", words: list[int]) -> None:
    """Whatever the tests are, and whether they are decided jointly or one after the other."""
    arguments = (words[0] | words[1] << 32, words[2] | words[3] << 32)
    wanted = next((action for tests, action in clauses if clauses_hold([tests], arguments)), 0)
    assert follow(decide(tuple(clauses), 0), arguments) == wanted
    budget, module.NODE_BUDGET = module.NODE_BUDGET, -1
    try:
        assert follow(decide(tuple(clauses), 0), arguments) == wanted
    finally:
        module.NODE_BUDGET = budget


def test_equal_ways_out_leave_nothing_to_decide() -> None:
    """A decision whose answers are all the same is no decision."""
    test: Test = (0, WORD_MAX, ((5, 5),))
    assert decide((((test,), 7),), 7) == 7
    assert decide((), 3) == 3


def test_many_rules_over_many_arguments_stay_linear() -> None:
    """Sixty rules, each with its own bounds on five words: jointly these are millions of cases."""
    clauses = tuple(
        (tuple((word, WORD_MAX, ((31 * rule + 7 * word, 977 * rule + 100000),)) for word in range(0, 10, 2)), rule + 1)
        for rule in range(60)
    )
    assert size(decide(clauses, 0)) <= 60 * 5
