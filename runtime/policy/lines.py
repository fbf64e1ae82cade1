"""YAML and JSON text to plain data that remembers its lines.

A policy is written by hand and read by a program that guards something, so only the plain part of YAML is taken: no tags, no
anchors and aliases (a few lines of them can stand for gigabytes), no key twice, and plain words mean what they look like (`no`,
`on` and `1:30` are text, 1.10 is not 1.1).  JSON is read by the same parser, after the JSON parser found nothing wrong.
Cold.
"""

import json
import re
from typing import Any

import yaml

from oci_schemas.wording import printable, quoted

Place = tuple[str | int, ...]
Found = list[tuple[int, Place, str]]  # line, place, what is wrong

MAX_BYTES = 1 << 18
MAX_DEPTH = 16
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})|0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_FIRST = re.compile(r"found character '(\\t|.)' that cannot start any token")
_SURROGATES = re.compile("[\ud800-\udfff]")


class Document:
    """`data` is the content, `lines` the line (from 1) of every place in it: a key's line for its value."""

    __slots__ = ("data", "found", "lines")

    def __init__(self) -> None:
        """Empty; `parse_document` fills it."""
        self.data: Any = None
        self.lines: dict[Place, int] = {(): 1}
        self.found: Found = []

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


def parse_document(text: bytes, *, is_json: bool) -> Document:
    """The content of a file, and what is wrong with its form; where that is anything, `data` may lack parts."""
    document, source = Document(), ""
    try:
        source = _decoded(text)
        if is_json:
            _check_json(source)
            source = source.replace(
                "\t", " "
            )  # only white space: JSON has no other raw tabs, and YAML's flow style wants spaces
        _Builder(document, source).build()
    except json.JSONDecodeError as error:
        document.found.append((error.lineno, (), f"invalid JSON: {error.msg[:1].lower()}{error.msg[1:]}"))
    except yaml.MarkedYAMLError as error:
        document.found.append(_of_yaml(error))
    except yaml.reader.ReaderError as error:
        line = source.count("\n", 0, error.position) + 1
        document.found.append((line, (), f"has the character {chr(error.character)!a}, which no text may hold"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        document.found.append((1, (), printable(" ".join(str(error).split()))))
    return document


def _of_yaml(error: Any) -> tuple[int, Place, str]:
    """What the parser found: where, and in which words for those who do not know its grammar."""
    problem, context = str(error.problem), str(error.context or "")
    mark = error.problem_mark or error.context_mark
    if "end of stream" in problem and error.context_mark:  # what is not closed begins there
        mark, problem = error.context_mark, f"{problem} {context}"
    first = _FIRST.search(problem)
    if first and first[1] == "\\t":
        problem = "a tab stands where only spaces may"
    elif first or "scanning an alias" in context or "scanning an anchor" in context:
        sign = first[1] if first else "*" if "alias" in context else "&"
        problem = f"a word that begins with {sign} has to be in quotes"
    return mark.line + 1 if mark else 1, (), f"invalid YAML: {printable(problem)}"


def _check_json(source: str) -> None:
    try:
        json.loads(source)
    except RecursionError:
        raise ValueError(f"is nested deeper than {MAX_DEPTH}") from None


def _decoded(text: bytes) -> str:
    if len(text) > MAX_BYTES:
        raise ValueError(f"is longer than {MAX_BYTES // 1024} KiB")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start})") from None


class _Builder:
    """Goes through the parser's events once; nothing is built from what is refused."""

    def __init__(self, document: Document, source: str) -> None:
        self._document = document
        self._loader: Any = yaml.SafeLoader(source)  # its methods have no types

    def build(self) -> None:
        loader = self._loader
        try:
            loader.get_event()  # the stream's start
            if loader.check_event(yaml.StreamEndEvent):
                self._complain(1, (), "is empty")
                return
            loader.get_event()  # the document's start
            self._document.data = self._node((), 0)
            loader.get_event()  # its end
            if not loader.check_event(yaml.StreamEndEvent):
                self._complain(loader.peek_event().start_mark.line + 1, (), "holds a second document")
        finally:
            loader.dispose()

    def _complain(self, line: int, place: Place, text: str) -> None:
        self._document.found.append((line, place, text))

    def _node(self, place: Place, depth: int) -> Any:
        event = self._loader.get_event()
        line = event.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise ValueError(f"is nested deeper than {MAX_DEPTH}")
        if isinstance(event, yaml.AliasEvent):
            self._complain(line, place, f"aliases (*{event.anchor}) are not taken: write it out")
            return None
        if getattr(event, "anchor", None):
            self._complain(line, place, f"anchors (&{event.anchor}) are not taken: write it out where it is used")
        if getattr(event, "tag", None):
            self._complain(line, place, f"tags ({printable(str(event.tag))}) are not taken")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, depth)
        return _scalar(event)

    def _sequence(self, place: Place, depth: int) -> list[Any]:
        items: list[Any] = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            inner = (*place, len(items))
            self._document.lines[inner] = self._loader.peek_event().start_mark.line + 1
            items.append(self._node(inner, depth + 1))
        self._loader.get_event()
        return items

    def _mapping(self, place: Place, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            event = self._loader.peek_event()
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                self._complain(line, place, "a key must be a word")
                self._node(place, depth + 1)
                self._node(place, depth + 1)
                continue
            self._node(place, depth + 1)
            key = _text(event)
            inner = (*place, key)
            if key in items:
                self._complain(
                    line,
                    inner,
                    f"{quoted(key)} stands here for the second time, first in line {self._document.lines[inner]}",
                )
                self._node(inner, depth + 1)
                continue
            self._document.lines[inner] = line
            items[key] = self._node(inner, depth + 1)
        self._loader.get_event()
        return items


def _text(event: Any) -> str:
    value: str = event.value
    if not _SURROGATES.search(value):
        return value
    try:  # the parser takes the two halves of a JSON escape for two characters
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ValueError("holds half a character (a lone surrogate)") from None


def _scalar(event: Any) -> Any:
    text = _text(event)
    if event.style:  # quoted, or a block
        return text
    if text.lower() in _WORDS and (text == text.lower() or text == text.upper() or text == text.capitalize()):
        return _WORDS[text.lower()]
    return int(text, 0) if _INTEGER.fullmatch(text) else text
