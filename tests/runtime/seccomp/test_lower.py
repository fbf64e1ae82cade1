"""Range tables into trees."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.seccomp.filter import WORD_MAX, Node
from runtime.seccomp.interpret import Call, decode, interpret
from runtime.seccomp.lower import CHAIN, Lowering, group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Target


def run(starts: list[int], targets: list[int], value: int) -> int:
    """The verdict of a program with one table over `nr`."""
    lowering = Lowering(big_endian=False)
    entry = lowering.arch(1, starts, list(targets), ~77)
    return interpret(decode(lowering.finish(entry)), Call(value, 1)).verdict


@given(
    cuts=st.sets(st.integers(1, 60) | st.integers(1, WORD_MAX), max_size=120),
    data=st.data(),
)
def test_any_table(cuts: set[int], data: st.DataObject) -> None:
    """At every border and beside it, the table's own answer."""
    starts = [0, *sorted(cuts)]
    targets = data.draw(st.lists(st.integers(0, 3), min_size=len(starts), max_size=len(starts)))
    lowering = Lowering(big_endian=False)
    entry = lowering.arch(1, starts, list(targets), ~77)
    program = decode(lowering.finish(entry))
    for at, start in enumerate(starts):
        end = starts[at + 1] - 1 if at + 1 < len(starts) else WORD_MAX
        for value in (start, (start + end) // 2, end):
            assert interpret(program, Call(value, 1)).verdict == targets[at]
    assert interpret(program, Call(0, 2)).verdict == 77


def test_single_values_share_a_group() -> None:
    """a b a c a: one group, as long as the chain is short enough."""
    assert group([0, 5, 6, 9, 10], [1, 2, 1, 3, 1]) == [0, 5]
    assert group([0, 5, 7, 9, 10], [1, 2, 1, 3, 1]) == [0, 1, 2, 5]
    many = [0, *[10 * at + step for at in range(1, CHAIN + 2) for step in (0, 1)]]
    assert group(many, [1 + at % 2 for at in range(len(many))]) == [0, 2 * CHAIN + 1, 2 * CHAIN + 2, len(many)]


def test_a_constant_table_needs_no_comparison() -> None:
    """One verdict for all numbers is one return."""
    assert run([0], [5], 123) == 5


def test_a_decision_used_twice_is_written_once() -> None:
    """Two calls with the same rules share the block."""
    node = Node(0, WORD_MAX, [0, 5], [1, 2])
    lengths = []
    tables: list[list[Target]] = [[0, node, 0, 3], [0, node, 0, node]]
    for targets in tables:
        lowering = Lowering(big_endian=False)
        entry = lowering.arch(1, [0, 10, 11, 20], targets, ~77)
        lengths.append(len(lowering.finish(entry)))
    assert lengths[1] <= lengths[0]


def test_words_are_found_in_both_byte_orders() -> None:
    """The high word of argument 1 lies second on little-endian machines, first on big-endian ones."""
    for big_endian in (False, True):
        lowering = Lowering(big_endian=big_endian)
        node = Node(3, WORD_MAX, [0, 1], [4, 5])
        entry = lowering.arch(1, [0], [node], ~77)
        program = decode(lowering.finish(entry), big_endian=big_endian)
        verdicts = [
            interpret(program, Call(0, 1, (0, value, 0, 0, 0, 0)), big_endian=big_endian).verdict
            for value in (1, 1 << 32)
        ]
        assert verdicts == [4, 5]
