"""The hot loader and the whole models accept, reject and return the same, whatever the bytes."""

import functools
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import from_json

from oci_schemas.build import compile_schemas
from oci_schemas.json_text import dumps, loads
from tests.oci_schemas.documents import DOCUMENTS, Place, changed, places, value_at, without
from tests.oci_schemas.loading import HOT, as_json, load_full, load_hot

_NAMES = sorted(HOT)
_TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            "/",
            "/x",
            "x",
            "..",
            "a/b",
            "a=b",
            "=b",
            "1.0.0",
            "\0",
            "/a\0",
            "rwm",
            "0-3",
            "2MB",
            "MB:0=1",
            "MB:\n",
            "pid",
        ]
    ),
    st.text(max_size=8),
)
_NUMBERS = st.one_of(
    st.sampled_from(
        [-1, 0, 1, 5, 6, 100, 101, 2**16, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30]
    ),
    st.integers(),
)
_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, st.floats(), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def _same(name: str, data: bytes) -> None:
    """Both verdicts on `data` agree; the hot loader names at least what pydantic names, in the same words."""
    (hot, hot_violations), (full, full_violations) = load_hot(name, data), load_full(name, data)
    assert hot == full
    assert bool(hot_violations) == bool(full_violations) == (hot is None)
    assert set(full_violations) <= set(hot_violations)
    assert all("\n" not in pointer + message for pointer, message in hot_violations)


def _node(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly valid values for a node of a compiled schema."""
    kind = schema["type"]
    if kind == "nullable":
        return st.one_of(_node(schema["schema"]), st.none())
    if kind == "typed-dict":
        fields = schema["fields"]
        required = {name: _node(field["schema"]) for name, field in fields.items() if field["required"]}
        optional = {name: _node(field["schema"]) for name, field in fields.items() if not field["required"]}
        return st.fixed_dictionaries(required, optional=optional)
    if kind == "list":
        return st.lists(_node(schema["items_schema"]), max_size=2)
    if kind == "dict":
        return st.dictionaries(_node(schema["keys_schema"]), _node(schema["values_schema"]), max_size=2)
    if kind == "literal":
        return st.sampled_from(schema["expected"])
    if kind == "int":
        return st.one_of(_NUMBERS, st.integers(schema["ge"], schema["le"]))
    return st.booleans() if kind == "bool" else _TEXTS


@functools.cache
def _generated(name: str) -> st.SearchStrategy[Any]:
    return _node(compile_schemas()[0][name])


@functools.cache
def _places(name: str) -> list[Place]:
    return places(DOCUMENTS[name])


@st.composite
def _mutated(draw: st.DrawFn) -> tuple[str, Any]:
    """A complete document of some kind, with a few values replaced, removed, repeated or nulled."""
    name = draw(st.sampled_from(_NAMES))
    document = DOCUMENTS[name]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(_places(name)))
        try:
            parent, old = value_at(document, place[:-1]), value_at(document, place)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
        if isinstance(parent, str):
            continue  # or put a text there, whose characters are no places
        change = draw(st.sampled_from(["replace", "remove", "repeat", "null"]))
        if change == "remove":
            document = without(document, place)
        elif change == "repeat" and isinstance(old, list):
            document = changed(document, place, old + old)
        else:
            document = changed(document, place, None if change == "null" else draw(_ANYTHING))
    return name, document


@given(_mutated())
def test_changed_documents(case: tuple[str, Any]) -> None:
    """Valid ones, and those with a value of another type, out of range, missing, null or twice."""
    name, document = case
    _same(name, as_json(document))


@pytest.mark.parametrize("name", _NAMES)
@given(data=st.data())
def test_generated_documents(name: str, data: st.DataObject) -> None:
    """Built from the schema itself, so that every property meets every other."""
    _same(name, as_json(data.draw(_generated(name))))


@given(st.sampled_from(_NAMES), _ANYTHING)
def test_anything(name: str, value: Any) -> None:
    """JSON that has nothing to do with the documents."""
    _same(name, as_json(value))


@given(st.sampled_from(_NAMES), st.binary(max_size=64))
@example("config", b"\xff\xfe{\0}\0")
@example("config", b"-Infinity")
@example("config", b'{"ociVersion":"1.0.0","root":{"path":"a"},"x":NaN}')
@example("config", b'{"ociVersion":5,"root":{"path":"a"},"x":NaN}')
@example("config", b'{"ociVersion":"1.0.0","root":{"path":"a"},"x":' + b"[" * 300 + b"]" * 300 + b"}")
@example("state", b'{"pid":' + b"9" * 4400 + b"}")
@example("state", b'{"pid":1' + b"0" * 4200 + b"}")
def test_any_bytes(name: str, data: bytes) -> None:
    """Whatever is read, the only exception is `Invalid`."""
    _same(name, data)


@given(st.sampled_from(_NAMES), st.data())
def test_damaged_text(name: str, data: st.DataObject) -> None:
    """A document cut off, with bytes overwritten, or with a piece repeated."""
    text = bytearray(as_json(DOCUMENTS[name]))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 40, len(text))))
        text[start:end] = data.draw(st.one_of(st.binary(max_size=4), st.just(bytes(text[start:end]) * 2)))
    _same(name, bytes(text))


@given(_mutated(), _mutated())
def test_repeated_properties(first: tuple[str, Any], second: tuple[str, Any]) -> None:
    """Two documents' properties in one object: both ways read the same one of each name."""
    name = first[0]
    _same(name, as_json(first[1])[:-1] + b"," + as_json(second[1])[1:])


@given(_ANYTHING)
def test_written_json_reads_back(value: Any) -> None:
    """By the standard library and by pydantic-core, but for numbers that JSON does not have."""
    try:
        text = dumps(value)
    except ValueError:
        assert "nan" in repr(value) or "inf" in repr(value)
        return
    assert json.loads(text) == value
    assert loads(text) == from_json(text) == value
