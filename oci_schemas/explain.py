"""From pydantic-core's errors to violations that a person can act on: all of them, each with a JSON pointer.

Cold: only a bad document gets here.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from oci_schemas import rules
from oci_schemas.extension import load_extension
from oci_schemas.patterns import TWINS
from oci_schemas.wording import printable, quoted

Check = Callable[[dict[str, Any], rules.Found], None]
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
_EXPECTED = {
    "model_type": "an object",
    "dict_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "an array",
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "int_parsing_size": "an integer",
}
_SHOWN = 40  # digits of a number that a message quotes
_UNTWINNED = {"^CAP_[A-Z_]+$": "must be a capability name such as CAP_KILL"}


def explain_error(error: Any, data: bytes, schema: Mapping[str, Any], check: Check) -> list[tuple[str, str]]:
    """Every violation of `data`: those in `error`, and those that `check` finds in what is sound besides them.

    `schema` is the compiled schema that `data` was validated with.
    """
    found = _found_by(error)
    if not _is_syntax(error):
        found += _broken_rules(load_extension().from_json(data), schema, [place for place, _ in found], check)
    return format_found(found)


def violations_of(error: Any) -> list[tuple[str, str]]:
    """What a pydantic ValidationError of any model says, in the same form and the same words."""
    return format_found(_found_by(error))


def format_found(found: rules.Found) -> list[tuple[str, str]]:
    """`found` with JSON pointers, sorted by place, each violation once."""
    lines = {(json_pointer(place), message): place for place, message in found}
    return sorted(lines, key=lambda line: [(isinstance(step, str), step) for step in lines[line]])


def json_pointer(place: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of `place`, with control characters escaped as in a JSON string."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in place]
    return "".join(f"/{printable(step)}" for step in steps)


def _broken_rules(value: Any, schema: Mapping[str, Any], wrong: list[rules.Pointer], check: Check) -> rules.Found:
    """What `check` finds when the wrong values are taken out; what could follow from taking them out is left away."""
    if () in wrong:
        return []
    sound = _Sound(set(wrong))
    found: rules.Found = []
    check(sound.part(value, schema, ()), found)
    restored = [(sound.restored(place), message) for place, message in found]
    return [(place, message) for place, message in restored if not any(w[: len(place)] == place for w in wrong)]


class _Sound:
    """The part of a document that `check` can work on: known properties, less what lies at a wrong place."""

    def __init__(self, wrong: set[rules.Pointer]) -> None:
        self._wrong = wrong
        self._indices: dict[rules.Pointer, list[int]] = {}

    def part(self, value: Any, schema: Mapping[str, Any], at: rules.Pointer) -> Any:
        """The sound part of `value`, which lies at `at` and is not wrong itself."""
        kind = schema["type"]
        if value is None or kind not in ("nullable", "typed-dict", "dict", "list"):
            return value
        if kind == "nullable":
            return self.part(value, schema["schema"], at)
        if kind == "list":
            self._indices[at] = indices = [i for i in range(len(value)) if (*at, i) not in self._wrong]
            return [self.part(value[i], schema["items_schema"], (*at, i)) for i in indices]
        inner = self._inner_schemas(value, schema)
        return {key: self.part(value[key], inner[key], (*at, key)) for key in inner if (*at, key) not in self._wrong}

    @staticmethod
    def _inner_schemas(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        if schema["type"] == "dict":
            return dict.fromkeys(value, schema["values_schema"])
        return {key: field["schema"] for key, field in schema["fields"].items() if key in value}

    def restored(self, place: rules.Pointer) -> rules.Pointer:
        """`place` in the sound part, as a place in the document."""
        steps: rules.Pointer = ()
        for step in place:
            steps = (*steps, self._indices[steps][step] if isinstance(step, int) else step)
        return steps


def _is_syntax(error: Any) -> bool:
    return any(detail["type"] == "json_invalid" for detail in error.errors(include_url=False))


def _found_by(error: Any) -> rules.Found:
    return [(_place(detail), message_of(detail)) for detail in error.errors(include_url=False)]


def _place(detail: Any) -> rules.Pointer:
    place: rules.Pointer = detail["loc"]
    return place[:-1] if place[-1:] == ("[key]",) else place


def message_of(detail: Any) -> str:
    """One entry of a pydantic ValidationError's `errors()` in our words."""
    kind, value = detail["type"], detail["input"]
    if detail["loc"][-1:] == ("[key]",) and kind == "string_too_short":
        return "the property name must not be empty"
    if kind == "literal_error":
        return _choice_message(value, detail["ctx"]["expected"])
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {_shown_kind(value)}"
    if kind in _WORDED:
        return _WORDED[kind](detail.get("ctx", {}), value)
    return printable(str(detail["msg"]))


_WORDED: Mapping[str, Callable[[dict[str, Any], Any], str]] = {
    "missing": lambda _context, _value: "required property is missing",
    "greater_than_equal": lambda context, value: f"must be at least {context['ge']}, not {_shown_kind(value)}",
    "less_than_equal": lambda context, value: f"must be at most {context['le']}, not {_shown_kind(value)}",
    "string_pattern_mismatch": lambda context, value: f"{_pattern_message(context['pattern'])}, not {quoted(value)}",
    "string_too_short": lambda _context, _value: "must not be empty",
    "too_short": lambda _context, _value: "must not be empty",
    "json_invalid": lambda context, _value: f"invalid JSON: {context['error']}",
    "oci_rule": lambda context, _value: str(context["reason"]),
}


def _pattern_message(pattern: str) -> str:
    return TWINS[pattern][1] if pattern in TWINS else _UNTWINNED.get(pattern, f"must match {pattern}")


def _choice_message(value: object, expected: str) -> str:
    """Name the choices, and the nearest one when there is one that near."""
    if not isinstance(value, str):
        return f"must be a string, not {_shown_kind(value)}"
    choices = [choice for choice in re.findall(r"'([^']*)'", expected) if choice]
    near = difflib.get_close_matches(value, choices, 1) or difflib.get_close_matches(value.upper(), choices, 1)
    if near:
        return f'unknown value {quoted(value)}, did you mean "{near[0]}"?'
    return f"unknown value {quoted(value)}, must be one of {', '.join(choices)}"


def _shown_kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float)):
        text = str(value).lower()
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return _KINDS.get(type(value), type(value).__name__)
