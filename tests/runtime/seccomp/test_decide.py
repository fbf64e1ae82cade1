"""Clauses become decisions: the first that holds wins, and no set of rules makes them explode."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.seccomp import decide as module
from runtime.seccomp.decide import decide, merged
from runtime.seccomp.filter import WORD_MAX, Node
from tests.runtime.seccomp.interpret_clauses import clauses_hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.decide import Choice
    from runtime.seccomp.filter import Target, Test

EDGES = (0, 1, 2, 5, 0x7FFFFFFF, 0x80000000, WORD_MAX)
INTERVALS = st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES)).map(lambda two: (min(two), max(two)))
TESTS = st.tuples(st.integers(0, 3), st.just(WORD_MAX), st.tuples(INTERVALS)) | st.tuples(
    st.integers(0, 3), st.sampled_from((1, 6)), st.sampled_from((0, 1, 2)).map(lambda value: ((value, value),))
)
CONJUNCTIONS = st.lists(st.lists(TESTS, max_size=3).map(tuple), max_size=2).map(tuple)
CHOICES = st.lists(st.tuples(CONJUNCTIONS, st.integers(1, 4)), max_size=6)


def follow(target: "Target", arguments: tuple[int, ...]) -> int:
    """The verdict that a decision gives."""
    while isinstance(target, Node):
        value = arguments[target.word // 2] >> 32 * (target.word % 2) & target.mask
        assert target.starts[0] == 0
        assert target.starts == sorted(set(target.starts))
        target = target.targets[max(at for at, start in enumerate(target.starts) if start <= value)]
    return target


def size(target: "Target") -> int:
    """How many distinct nodes there are."""
    seen: set[int] = set()
    waiting = [target]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Node) and id(one) not in seen:
            seen.add(id(one))
            waiting += one.targets
    return len(seen)


@given(
    choices=CHOICES,
    words=st.lists(st.sampled_from((*EDGES, 3, 6)), min_size=4, max_size=4),
    bound=st.sampled_from((0, 64)),
)
def test_the_first_choice_that_holds_wins(choices: "list[Choice]", words: list[int], bound: int) -> None:
    """Whatever the tests are, and whether they are decided jointly or, beyond a depth of 0, one after the other."""
    arguments = (words[0] | words[1] << 32, words[2] | words[3] << 32)
    wanted = next((action for conjunctions, action in choices if clauses_hold(conjunctions, arguments)), 0)
    single = all(
        len(conjunctions) <= 1 and all(len(tests) <= 1 for tests in conjunctions) for conjunctions, _ in choices
    )
    depth, module.DEPTH_MAX = module.DEPTH_MAX, bound if single else 64
    try:
        assert follow(decide(tuple(choices), 0), arguments) == wanted
    finally:
        module.DEPTH_MAX = depth


def test_equal_ways_out_leave_nothing_to_decide() -> None:
    """A decision whose answers are all the same is no decision."""
    test: Test = (0, WORD_MAX, ((5, 5),))
    assert decide(((((test,),), 7),), 7) == 7
    assert decide((), 3) == 3


def test_many_rules_over_many_arguments_stay_linear() -> None:
    """Three hundred rules, each with its own bounds on five words: jointly these are millions of cases."""
    choices = tuple(
        (
            (tuple((word, WORD_MAX, ((31 * rule + 7 * word, 977 * rule + 100000),)) for word in range(0, 10, 2)),),
            rule + 1,
        )
        for rule in range(300)
    )
    target = decide(choices, 0)
    assert size(target) <= 300 * 5
    assert follow(target, (5, 0, 0)) == 0
    assert follow(target, tuple(31 * 299 + 100 for _ in range(6))) == 1


def test_many_masks_on_one_word_do_not_nest_without_end() -> None:
    """A thousand masks: as deep a graph, made without recursion of that depth."""
    choices = tuple(((((0, rule + 2, ((rule % 2, rule % 2),)),),), rule % 50 + 1) for rule in range(1000))
    assert size(decide(choices, 0)) <= 1000


def test_lists_of_values_are_one_clause() -> None:
    """As many rules as there are allowed values, but one test; others' clauses between them keep them apart."""
    values = [((1, WORD_MAX, ((0, 0),)), (0, WORD_MAX, ((value, value),))) for value in (5, 3, 9)]
    other = ((0, 7, ((1, 1),)),)
    found = merged((*[(tests, 1) for tests in values], (other, 1), (values[0], 2), (values[1], 1), ((), 1)))
    assert found == [
        (((1, WORD_MAX, ((0, 0),)), (0, WORD_MAX, ((3, 3), (5, 5), (9, 9)))), 1),
        (other, 1),
        (values[0], 2),
        (values[1], 1),
        ((), 1),
    ]
