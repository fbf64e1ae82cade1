"""Programs of a cgroup as one table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.plan.programs import decode_programs, encode_programs

_NUMBERS = st.integers(0, 2**32 - 1)
_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=15)
_CODE = st.binary(min_size=1, max_size=5).map(lambda part: part * 8)
_PAIRS = st.integers(0, 4).map(lambda count: bytes(5 * count))
_MAPS = st.lists(st.tuples(_NUMBERS, st.just(2), st.just(3), _NUMBERS, _PAIRS), max_size=3)
_PROGRAMS = st.lists(st.tuples(_NAMES, _NAMES, _NUMBERS, _NUMBERS, _CODE), min_size=1, max_size=16)


@given(_MAPS, _PROGRAMS)
def test_property_what_is_encoded_comes_back(
    maps: list[tuple[int, int, int, int, bytes]], programs: list[tuple[str, str, int, int, bytes]]
) -> None:
    """Whatever the numbers; instructions are aligned."""
    data = encode_programs(maps, programs)
    assert decode_programs(data) == (maps, programs)
    assert encode_programs(*decode_programs(data)) == data


def test_long_words_are_cut() -> None:
    """The kernel's name to 15 bytes, the label to 31."""
    _maps, ((name, label, *_),) = decode_programs(encode_programs((), (("n" * 40, "l" * 40, 1, 2, bytes(8)),)))
    assert (len(name), len(label)) == (15, 31)
