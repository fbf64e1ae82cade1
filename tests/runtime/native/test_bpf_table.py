"""The reader on tables of programs."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from runtime.plan.encode import encode_plan
from runtime.plan.launch_plan import op
from tests.runtime.native.plans import TABLE, make_plan

Check = Callable[[bytes], str]


def image(table: bytes) -> bytes:
    """A plan that carries the table."""
    steps = [op("OPEN_PATH", "opening", fd=1, path="/"), op("BPF_PROGRAMS", "attaching", cgroup=1, blob=table)]
    return encode_plan(make_plan("CREATE", {"HOST": steps}))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 4),  # maps
        (4, 0),  # programs
        (4, 17),
        (12, 0),  # key
        (12, 256),
        (16, 0xFFFFFFFE),  # value: the sum would be 0
        (24, 1 << 30),  # pairs: place
        (28, 14),  # and size
        (28, 1 << 30),
        (40, 8),  # instructions: place, in the rows
        (40, 4),
        (40, 1 << 31),
        (44, 0),  # and size
        (44, 12),
        (44, 1 << 30),
        (60, 0x41414141),  # a name without an end
        (92, 0x41414141),  # a label without an end
    ],
)
def test_the_reader_refuses_what_is_out_of_shape(check: Check, at: int, value: int) -> None:
    """Every count, place and size is bounded on its own."""
    assert check(image(TABLE)) == ""
    changed = bytearray(TABLE)
    struct.pack_into("<I", changed, at, value)
    assert check(image(bytes(changed))) == "table of programs out of shape"


@pytest.mark.parametrize("size", [1, 7, 8, 40, 100])
def test_the_reader_refuses_what_was_cut(check: Check, size: int) -> None:
    """Rows or instructions that are not there."""
    assert check(image(TABLE[:size])) == "table of programs out of shape"
