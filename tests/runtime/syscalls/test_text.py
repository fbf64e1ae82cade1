"""Bounded text in C: numbers, JSON escapes, errno's words."""

from __future__ import annotations

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.syscalls._native import ffi, lib


def escape(data: bytes, size: int) -> tuple[bytes, bool]:
    """text_add_json into a buffer of `size` bytes: what is in it, and whether something did not fit."""
    buffer = ffi.new("char[]", size)
    text = ffi.new("struct text *")
    text[0] = lib.text_in(buffer, size)
    lib.text_add_json(text, data)
    assert text.length < size
    assert bytes(ffi.buffer(buffer, size))[text.length] == 0
    return bytes(ffi.buffer(buffer, text.length)), bool(text.cut)


@given(st.binary(max_size=60).filter(lambda data: b"\0" not in data))
def test_property_escaped_text_is_the_inside_of_a_json_string(data: bytes) -> None:
    """Valid UTF-8 comes back as it was; each byte that is none becomes U+FFFD."""
    escaped, cut = escape(data, 1024)
    assert not cut
    value = json.loads(b'"' + escaped + b'"')
    try:
        assert value == data.decode()
    except UnicodeDecodeError:
        assert "\N{REPLACEMENT CHARACTER}" in value


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60), st.integers(1, 40))
def test_property_cut_text_is_still_valid(text: str, size: int) -> None:
    """Whatever the buffer's size, no escape or character is cut in half."""
    escaped, cut = escape(text.encode(), size)
    value = json.loads(b'"' + escaped + b'"')
    assert text.startswith(value)
    assert cut == (value != text)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 30))
def test_property_numbers(number: int, size: int) -> None:
    """All digits, or as many as fit."""
    buffer = ffi.new("char[]", size)
    text = ffi.new("struct text *")
    text[0] = lib.text_in(buffer, size)
    lib.text_add_number(text, number)
    assert ffi.string(buffer).decode() == str(number)[: size - 1]
    assert bool(text.cut) == (len(str(number)) >= size)


@given(st.one_of(st.integers(0, 2**64 + 5).map(str), st.text("0123456789 +-x", max_size=5)))
def test_property_only_digits_are_a_number(text: str) -> None:
    """No sign, no blank, nothing after, no overflow."""
    number = ffi.new("uint64_t *")
    accepted = lib.parse_number(text.encode(), len(text), number)
    assert accepted == (text.isdigit() and int(text) < 2**64)
    assert not accepted or number[0] == int(text)


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_errno_words_are_the_c_librarys_in_lower_case(number: int) -> None:
    """Engines search for them: `no such file or directory`."""
    words = os.strerror(number)
    expected = words if words[:3].isupper() else words[0].lower() + words[1:]
    assert ffi.string(lib.errno_text(number)).decode() == expected
    assert ffi.string(lib.errno_text(-number)).decode() == expected


def test_unknown_errno_values_do_not_run_off_the_table() -> None:
    """Whatever a kernel may invent."""
    for number in (0, 41, 58, 200, 4095, 2**31 - 1):
        assert ffi.string(lib.errno_text(number)).decode() == "unknown error"
