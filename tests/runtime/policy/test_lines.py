"""Policies as text: what is taken of YAML and JSON, and that every value knows its line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.policy.lines import MAX_BYTES, parse_document

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 2**63)
    | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef_", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def complaints(text: str, *, is_json: bool = False) -> list[tuple[int, str]]:
    """Line and text of what is wrong."""
    return [(line, message) for line, _, message in parse_document(text.encode(), is_json=is_json).found]


def test_values_know_their_lines() -> None:
    """A key's line is its value's, and a list's entries have their own."""
    document = parse_document(b"name: x\nwrite:\n  - /a\n\n  - /b\nnet: {a: 1,\n  b: 2}\n", is_json=False)
    assert document.data == {"name": "x", "write": ["/a", "/b"], "net": {"a": 1, "b": 2}}
    assert [document.line(place) for place in (("name",), ("write", 0), ("write", 1), ("net", "b"))] == [1, 3, 5, 7]
    assert document.line(("write", 1, "missing")) == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", "1.10"),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("010", "010"),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("'true'", "true"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
    ],
)
def test_words_mean_what_they_look_like(text: str, value: object) -> None:
    """Only true, false, null and plain whole numbers are anything but text."""
    assert parse_document(f"a: {text}".encode(), is_json=False).data == {"a": value}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: &x [1]\nb: 2", 1, "anchors (&x) are not taken: write it out where it is used"),
        ("a: 1\nb: *x", 2, "aliases (*x) are not taken: write it out"),
        ("a: !!python/name:os.system ''", 1, "tags (tag:yaml.org,2002:python/name:os.system) are not taken"),
        ("a: 1\na: 2", 2, '"a" stands here for the second time, first in line 1'),
        ("a: 1\n---\nb: 2", 2, "holds a second document"),
        ("? [a]\n: 1", 1, "a key must be a word"),
        ("", 1, "is empty"),
        ("a: [1", 1, "invalid YAML"),
    ],
)
def test_the_tricks_of_yaml_are_refused(text: str, line: int, message: str) -> None:
    """Nothing is executed, repeated or overwritten by a policy's text."""
    found = complaints(text)
    assert found[0][0] == line or message == "invalid YAML"
    assert found[0][1].startswith(message)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [*.py]", 2, "invalid YAML: a word that begins with * has to be in quotes"),
        ("a: 1\nb: [@basic-io]", 2, "invalid YAML: a word that begins with @ has to be in quotes"),
        ("a: 1\nb: %x", 2, "invalid YAML: a word that begins with % has to be in quotes"),
        ("a:\n\tb: 1", 2, "invalid YAML: a tab stands where only spaces may"),
        ('a: 1\nb: "x\n\n\n', 2, "invalid YAML: found unexpected end of stream while scanning a quoted scalar"),
        ("a: 1\nb: x\0y", 2, r"has the character '\x00', which no text may hold"),
        ("a: 1\r\nb: x\x07", 2, r"has the character '\x07', which no text may hold"),
    ],
)
def test_the_parsers_words_are_put_into_ours(text: str, line: int, message: str) -> None:
    """With the line in which it begins."""
    assert complaints(text) == [(line, message)]


def test_what_could_take_for_ever_is_refused() -> None:
    """Length and depth have bounds, and a bomb of aliases is refused at its first alias."""
    assert complaints("a" * (MAX_BYTES + 1)) == [(1, f"is longer than {MAX_BYTES // 1024} KiB")]
    assert complaints("[" * 5000)[0][1].startswith("is nested deeper than")
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    assert "aliases (*a) are not taken: write it out" in [message for _, message in complaints(bomb)]
    assert complaints("\ufffe")[0][0] == 1
    assert parse_document(b"\xff", is_json=False).found[0][2] == "is not UTF-8 (byte 0)"


def test_json_is_json() -> None:
    """What is called JSON must be JSON, and then its lines are known as well."""
    document = parse_document(b'{\t"a": [1,\n{"b": "\\ud83d\\ude00\\/"}]}', is_json=True)
    assert document.data == {"a": [1, {"b": "\U0001f600/"}]}
    assert document.line(("a", 1, "b")) == 2
    assert complaints('{"a": 1,\n b: 2}', is_json=True)[0][0] == 2
    assert complaints('{"a": 1, "a": 2}', is_json=True)[0][1].startswith('"a" stands here for the second time')


@given(PLAIN)
def test_any_json_reads_the_same(value: object) -> None:
    """The parser of lines agrees with the JSON parser."""
    document = parse_document(json.dumps({"v": value}, indent=1).encode(), is_json=True)
    if not document.found:
        assert document.data == {"v": value}
    else:
        assert "nested deeper" in document.found[0][2]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing in a file raises anything: it has a value, or a violation with a line."""
    for is_json in (False, True):
        document = parse_document(data, is_json=is_json)
        assert all(line >= 1 and message.isprintable() for line, _, message in document.found)
