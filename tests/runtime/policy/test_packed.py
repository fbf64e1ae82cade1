"""Layers as bytes."""

import marshal
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.policy.packed import PACKED_FROM, pack_layers, unpack_layers

_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=20
)


@given(st.lists(st.dictionaries(st.text(max_size=8), _VALUES)), st.booleans())
def test_layers_come_back(layers: list[dict[str, object]], long: bool) -> None:
    """Short and long ones."""
    if long:
        layers = [*layers, {"rules": ["10.0.0.0/8" for _ in range(PACKED_FROM // 10)]}]
    data = pack_layers(layers)
    assert unpack_layers(data) == layers
    assert (len(data) < len(marshal.dumps(layers, 2))) == long


def test_equal_layers_equal_bytes() -> None:
    """Whatever of them is interned or shared."""
    one: list[dict[str, object]] = [{"name": [sys.intern("agent")]}]
    other: list[dict[str, object]] = [{"eman"[::-1]: ["tnega"[::-1]]}]
    assert pack_layers(one) == pack_layers(other)


@given(st.data())
def test_damage_is_told(data: st.DataObject) -> None:
    """What was cut off, or changed within what is compressed, is no policy."""
    layers: list[dict[str, object]] = [{"rules": [str(number) for number in range(PACKED_FROM // 4)]}]
    packed = pack_layers(layers)
    at = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises((ValueError, EOFError, TypeError)):
        unpack_layers(packed[:at])
    if at >= 2:
        changed = packed[:at] + bytes([packed[at] ^ data.draw(st.integers(1, 255))]) + packed[at + 1 :]
        try:
            assert unpack_layers(changed) == layers  # bits that fill the last byte mean nothing
        except (ValueError, EOFError, TypeError):
            pass
