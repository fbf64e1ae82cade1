"""What the worker keeps of tables."""

from __future__ import annotations

import os

import pytest

from runtime.broker.registry import Heads
from runtime.broker.table import encode_table
from tests.runtime.broker.tables import policy


def table_file(content: bytes) -> int:
    """An owned descriptor."""
    fd = os.memfd_create("table")
    os.write(fd, content)
    return fd


@pytest.fixture
def heads() -> Heads:
    """None known."""
    return Heads()


def read(heads: Heads, content: bytes) -> dict[str, object]:
    """The head of a file with this content."""
    fd = table_file(content)
    try:
        return heads.read(fd)
    finally:
        os.close(fd)


def test_equal_tables_share_their_head(heads: Heads) -> None:
    """Whatever file they are in; another name is another one."""
    one = read(heads, encode_table(policy(name="one")))
    assert read(heads, encode_table(policy(name="one"))) is one
    other = read(heads, encode_table(policy(name="other")))
    assert (one["name"], other["name"]) == ("one", "other")


def test_the_oldest_is_forgotten(heads: Heads) -> None:
    """So that many policies that come and go take no memory."""
    first = read(heads, encode_table(policy(name="0")))
    for number in range(1, 40):
        read(heads, encode_table(policy(name=str(number))))
    again = read(heads, encode_table(policy(name="0")))
    assert again == first
    assert again is not first


def test_large_tables_are_not_kept(heads: Heads) -> None:
    """Their memory is worth more than the time."""
    content = encode_table(policy(rules=["x" * 70000]))
    assert read(heads, content) is not read(heads, content)


def test_what_is_no_table_is_refused(heads: Heads) -> None:
    """Each time."""
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            read(heads, b"nothing")
