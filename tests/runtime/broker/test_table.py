"""Tables: what the encoder writes the loop accepts, and both mean the same by a pattern."""

from __future__ import annotations

import posixpath
import re
from struct import unpack_from

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.broker.agent_policy import agent_table
from runtime.broker.table import (
    FLAG_ABSTRACT,
    FLAG_GROUPS_SEEN,
    FLAG_ROOT_SEEN,
    encode_table,
    hash_path,
    table_texts,
    table_wall_time_ms,
)
from runtime.syscalls.broker import glob_matches, table_fault
from tests.runtime.broker.tables import CALLS, FULL, TABLES, policy

GROUPS = ("setgroups", "execve", "execveat")
NAMES = st.text("ab.-é*", min_size=1, max_size=4)
PATTERNS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize("name", TABLES)
def test_the_loop_accepts_what_the_encoder_writes(name: str) -> None:
    """Small, full and large ones."""
    assert table_fault(TABLES[name]) is None


def test_equal_policies_give_equal_bytes() -> None:
    """The planner's output can be compared."""
    assert encode_table(FULL) == encode_table(dict(reversed(FULL.items())))


def test_names_and_rules_come_back() -> None:
    """What an event's rule number means."""
    assert table_texts(encode_table(policy(name="agent", rules=["read: /a", "é"]))) == ("agent", ["read: /a", "é"])
    assert table_wall_time_ms(encode_table(policy(wall_time_ms=5000))) == 5000


def test_calls_that_the_machine_lacks_are_left_out() -> None:
    """aarch64 has no open and no creat."""
    calls = {**CALLS, "open": {"handler": "open", "rule": None}}
    assert len(encode_table(policy(calls=calls), "aarch64")) > 0
    assert encode_table(policy(calls=calls), "aarch64") == encode_table(policy(), "aarch64")


def test_only_what_the_filter_notifies_is_remembered() -> None:
    """An entry for a call does not say that the filter asks: an agent's table has one for every call there is."""
    flags = {
        seen: unpack_from("<I", encode_table(policy(calls={**CALLS, "chroot": CALLS["setgroups"]}, seen=seen)), 24)[0]
        for seen in ((), ("setgroups",), GROUPS, (*GROUPS, "chroot"))
    }
    assert [value & ~FLAG_ABSTRACT for value in flags.values()] == [
        0,
        0,
        FLAG_GROUPS_SEEN,
        FLAG_GROUPS_SEEN | FLAG_ROOT_SEEN,
    ]
    assert "seen" not in agent_table([{"name": "a", "rules": ()}], ["setgroups", "chroot"])


def test_a_table_of_another_machine_is_refused() -> None:
    """Numbers mean something else there."""
    tables = [encode_table(policy(), machine) for machine in ("x86_64", "aarch64")]
    assert sorted(map(str, map(table_fault, tables))) == ["None", "it is for another architecture"]


@pytest.mark.parametrize(
    "broken",
    [
        {"read": [[["usr", None]]]},
        {"egress": [[{"cidr": "10.0.0.0/33"}]]},
        {"egress": [[{"cidr": "1.2.3"}]]},
        {"mode": "off"},
        {"calls": {"openat": {"handler": "opened"}}},
    ],
    ids=str,
)
def test_what_a_table_cannot_hold_is_refused(broken: dict[str, object]) -> None:
    """By the encoder, before anything is started."""
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        encode_table(policy(**broken))


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_table(data: bytes) -> None:
    """Noise is refused with a reason."""
    assert table_fault(data)


@given(st.sampled_from(sorted(TABLES)), st.data())
def test_a_cut_table_is_refused(name: str, data: st.DataObject) -> None:
    """Its size is part of it."""
    table = TABLES[name]
    assert table_fault(table[: data.draw(st.integers(0, len(table) - 1))])


def oracle(pattern: str) -> re.Pattern[bytes]:
    """The same pattern as a regular expression."""
    while "/**/**" in pattern:
        pattern = pattern.replace("/**/**", "/**")  # any depth after any depth is any depth
    text = re.escape(pattern.encode())
    text = text.replace(rb"/\*\*/", rb"/(?:.*/)?").replace(rb"\*\*", rb".*").replace(rb"\*", rb"[^/]*")
    if text.endswith(rb"/.*"):
        text = text[:-3] + rb"(?:/.*)?"
    return re.compile(text, re.DOTALL)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/b/c", False),
        ("/a/**", "/a/b/c", True),
        ("/a/*/**", "/a/b", True),
        ("/**/b", "/b", True),
        ("/**/b", "/a/x/b", True),
        ("/**/b", "/a/xb", False),
        ("/*.log", "/x.log", True),
        ("/*.log", "/a/x.log", False),
        ("/**/*.log", "/a/b/x.log", True),
        ("/a/**/b/*/c", "/a/x/b/y/b/z/c", True),
        ("/srv/*/.ssh", "/srv/a/.ssh", True),
        ("/srv/*/.ssh", "/srv/a/b/.ssh", False),
    ],
)
def test_wildcards(pattern: str, path: str, *, expected: bool) -> None:
    """`*` stays within a component, `**` does not."""
    assert glob_matches(pattern.encode(), path.encode()) is expected
    assert bool(oracle(pattern).fullmatch(path.encode())) is expected


@given(
    st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "*b", "a*b"]), min_size=1, max_size=5),
    st.lists(st.sampled_from(["a", "b", "ab", "aab", "ba"]), min_size=1, max_size=6),
)
@example(["**", "**", "a"], ["a"])
def test_wildcards_mean_what_the_expression_means(pattern: list[str], path: list[str]) -> None:
    """Compared with Python's regular expressions."""
    text, name = "/" + "/".join(pattern), "/" + "/".join(path)
    assert glob_matches(text.encode(), name.encode()) is bool(oracle(text).fullmatch(name.encode()))


@given(PATTERNS)
def test_the_hash_can_be_continued(pattern: str) -> None:
    """A path's prefixes are hashed on the way to the whole."""
    whole = hash_path(pattern.encode())
    value = hash_path(posixpath.dirname(pattern).encode())
    for byte in pattern.encode()[len(posixpath.dirname(pattern).encode()) :]:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    assert value == whole
