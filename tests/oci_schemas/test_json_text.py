"""JSON text without the json module: the same text and the same data."""

import json
from typing import Any

import pytest

from oci_schemas.json_text import dumps, loads

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**64,
    1.5,
    -0.0,
    1e300,
    "",
    "text",
    'quote " backslash \\ slash /',
    "\x00\x01\x1f\x7f\n\r\t\b\f",
    "é ß 漢 🙂 \u2028\u00a0",
    [],
    {},
    [1, [2, []], {}],
    {"a": 1, "": {"b": [None, True, {"c": "\n"}]}, 'k"': []},
]


@pytest.mark.parametrize("value", VALUES)
def test_written_text_reads_back_as_the_same_value(value: Any) -> None:
    """By our own reader and by the standard library's, compact and indented."""
    for text in (dumps(value), dumps(value, "    ")):
        assert json.loads(text) == value
        assert loads(text) == value


@pytest.mark.parametrize("value", VALUES)
def test_the_text_is_laid_out_as_the_standard_library_does(value: Any) -> None:
    """Engines and people read it; the layout is the usual one."""
    if "\x7f" not in str(value):
        assert dumps(value).decode() == json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        assert dumps(value, "  ").decode() == json.dumps(value, ensure_ascii=False, indent=2)
        assert dumps(value, "\t").decode() == json.dumps(value, ensure_ascii=False, indent="\t")


def test_a_tuple_is_an_array() -> None:
    """Records hold tuples."""
    assert dumps({"a": (1, 2)}) == b'{"a":[1,2]}'


def test_a_file_name_that_is_no_utf8_gives_valid_text() -> None:
    """Its bytes, which Python keeps as lone surrogates, become replacement characters as in Go."""
    name = b"/a\xffb".decode("utf-8", "surrogateescape")
    assert set(json.loads(dumps(name))) == {"/", "a", "\ufffd", "b"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have_are_refused(value: float) -> None:
    """Never written as NaN or Infinity, which no strict reader takes."""
    with pytest.raises(ValueError, match="JSON cannot express"):
        dumps(value)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), {1: "x"}, [b"x"]])
def test_other_types_are_refused(value: Any) -> None:
    """Never written as something else."""
    with pytest.raises(TypeError, match="JSON cannot express a"):
        dumps(value)


@pytest.mark.parametrize("data", [b"", b"{", b"[1,]", b"NaN", b"[Infinity]", b"1 2", b"\xff", b"'x'", b"[" * 10000])
def test_text_that_is_not_json_is_refused(data: bytes) -> None:
    """As a ValueError, whatever is wrong."""
    with pytest.raises(ValueError, match="line 1"):
        loads(data)
