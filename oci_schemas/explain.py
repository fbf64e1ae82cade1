"""From pydantic-core's errors to violations that a person can act on: all of them, each with a JSON pointer.

Cold: only a bad document gets here.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

from oci_schemas import rules
from oci_schemas.json_text import dumps, loads
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
_UNTWINNED = {"^CAP_[A-Z_]+$": "must be a capability name such as CAP_KILL"}


def explain_error(error: Any, data: bytes, check: Check) -> list[tuple[str, str]]:  # noqa: ANN401 - ValidationError
    """Every violation of `data`: those in `error`, and those that `check` finds in what is sound besides them."""
    details = error.errors(include_url=False, include_context=True)
    found: rules.Found = [(_place(detail), _message(detail)) for detail in details]
    if details[0]["type"] != "json_invalid":
        found += _broken_rules(data, [place for place, _ in found], check)
    return format_found(found)


def format_found(found: rules.Found) -> list[tuple[str, str]]:
    """`found` with JSON pointers, sorted by place, each violation once."""
    lines = {(json_pointer(place), message): place for place, message in found}
    return sorted(lines, key=lambda line: [(isinstance(step, str), step) for step in lines[line]])


def json_pointer(place: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of `place`, with control characters escaped as in a JSON string."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in place]
    return "".join(f"/{printable(step)}" for step in steps)


def _broken_rules(data: bytes, wrong: list[rules.Pointer], check: Check) -> rules.Found:
    """What `check` finds when the wrong values are taken out; what could follow from taking them out is left away."""
    value = loads(data)
    if not isinstance(value, dict):
        return []
    kept = _without(value, (), set(wrong), originals := {})
    found: rules.Found = []
    check(kept, found)
    restored = [(_restored(place, originals), message) for place, message in found]
    return [(place, message) for place, message in restored if not any(w[: len(place)] == place for w in wrong)]


def _without(value: Any, at: rules.Pointer, wrong: set[rules.Pointer], originals: dict[rules.Pointer, list[int]]) -> Any:  # noqa: ANN401
    """`value` less what lies at a place of `wrong`; `originals` gets the old indices of each shortened array."""
    if isinstance(value, dict):
        return {
            key: _without(item, (*at, key), wrong, originals) for key, item in value.items() if (*at, key) not in wrong
        }
    if isinstance(value, list):
        indices = [i for i in range(len(value)) if (*at, i) not in wrong]
        if len(indices) < len(value):
            originals[at] = indices
        return [_without(value[i], (*at, i), wrong, originals) for i in indices]
    return value


def _restored(place: rules.Pointer, originals: dict[rules.Pointer, list[int]]) -> rules.Pointer:
    steps: rules.Pointer = ()
    for step in place:
        indices = originals.get(steps)
        steps = (*steps, indices[step] if indices is not None and isinstance(step, int) else step)
    return steps


def _place(detail: Any) -> rules.Pointer:  # noqa: ANN401 - ErrorDetails
    place: rules.Pointer = detail["loc"]
    return place[:-1] if place[-1:] == ("[key]",) else place


def _message(detail: Any) -> str:  # noqa: ANN401 - ErrorDetails
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if detail["loc"][-1:] == ("[key]",):
        return _key_message(detail)
    if kind == "missing":
        return "required property is missing"
    if kind == "literal_error":
        return _choice_message(value, context["expected"])
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {_shown_kind(value)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"must be {bound}, not {value}"
    if kind == "string_pattern_mismatch":
        return f"{_pattern_message(context['pattern'])}, not {quoted(value)}"
    if kind in ("string_too_short", "too_short"):
        return "must not be empty"
    if kind == "json_invalid":
        return f"invalid JSON: {context['error']}"
    if kind == "oci_rule":
        return str(context["reason"])
    return printable(str(detail["msg"]))


def _pattern_message(pattern: str) -> str:
    return TWINS[pattern][1] if pattern in TWINS else _UNTWINNED.get(pattern, f"must match {pattern}")


def _key_message(detail: Any) -> str:  # noqa: ANN401 - ErrorDetails
    if detail["type"] == "literal_error":
        return _choice_message(detail["input"], detail["ctx"]["expected"])
    return "the property name must not be empty"


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
        return dumps(value).decode()
    return _KINDS.get(type(value), type(value).__name__)

