"""What is left of a word under several masks is decided exactly."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.seccomp.filter import WORD_MAX
from runtime.seccomp.symbolic import Region, complement, intersection, narrowed, value_of, witness

SMALL = st.integers(0, 15)


def runs(values: set[int]) -> tuple[tuple[int, int], ...]:
    """A set as ascending, disjoint intervals."""
    found: list[tuple[int, int]] = []
    for value in sorted(values):
        if found and found[-1][1] == value - 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return tuple(found)


INTERVALS = st.sets(SMALL, min_size=1).map(runs)


def inside(value: int, intervals: tuple[tuple[int, int], ...]) -> bool:
    """Whether a value lies in one of the intervals."""
    return any(low <= value <= high for low, high in intervals)


@given(st.dictionaries(st.sampled_from((WORD_MAX, 0xF, 0x3, 0xC, 0x5, 0x9)), INTERVALS, min_size=1, max_size=4))
def test_value_of_finds_the_smallest(masks: dict[int, tuple[tuple[int, int], ...]]) -> None:
    """Against trying all values: small masks and bounds leave nothing above 16 that 0 to 31 does not show."""
    region = {(4, mask): intervals for mask, intervals in masks.items()}
    wanted = [value for value in range(32) if all(inside(value & mask, kept) for mask, kept in masks.items())]
    assert value_of(region, 4) == (wanted[0] if wanted else None)


@given(INTERVALS, INTERVALS, st.integers(0, 20) | st.sampled_from((WORD_MAX,)))
def test_sets_of_intervals(one: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...], value: int) -> None:
    """Complement and intersection, value by value."""
    assert inside(value, complement(one)) != inside(value, one)
    assert inside(value, intersection(one, other)) == (inside(value, one) and inside(value, other))


def test_an_empty_part_is_none() -> None:
    """Equal to 5, and even: no such value."""
    region = narrowed({}, (4, WORD_MAX), ((5, 5),))
    assert region is not None
    assert narrowed(region, (4, 1), ((0, 0),)) is None
    assert narrowed(region, (4, 1), ((1, WORD_MAX),)) is not None


def test_witness_puts_words_in_their_place() -> None:
    """Words 4 and 5 are argument 0, in the machine's order."""
    region: Region = {(4, WORD_MAX): ((7, 9),), (5, WORD_MAX): ((1, 1),)}
    assert witness(region, big_endian=False)[0] == 7 | 1 << 32
    assert witness(region, big_endian=True)[0] == 1 | 7 << 32
