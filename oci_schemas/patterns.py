"""HOT: the regular expressions of the models as plain Python tests.

A pattern inside a pydantic-core schema makes it import `re` (6 ms), so the build step takes the patterns out of the
compiled schemas and leaves a tree of where they stand; `check_patterns` walks it.
A test compares each twin with its expression. A pattern without a twin stays in the schema: slower, same result.
Imports nothing of the standard library.
"""

from oci_schemas.wording import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from oci_schemas.rules import Found, Pointer

    Twin = tuple[Callable[[str], bool], str]

_DIGITS = "0123456789"


def check_patterns(value: "Any", tree: "Any", at: "Pointer", found: "Found") -> None:
    """Add to `found` every text of `value` that does not match its pattern.

    `tree` mirrors the data: a pattern for a text, `[tree]` for an array's elements, `(tree,)` for the values of a map,
    and a dict for the properties of an object; what has no pattern does not occur in it.
    """
    if isinstance(tree, str):
        test, message = TWINS[tree]
        if not test(value):
            found.append((at, f"{message}, not {quoted(value)}"))
    elif isinstance(tree, list):
        for i, item in enumerate(value):
            check_patterns(item, tree[0], (*at, i), found)
    elif isinstance(tree, tuple):
        for key, item in value.items():
            check_patterns(item, tree[0], (*at, key), found)
    else:
        for key, inner in tree.items():
            item = value.get(key)
            if item is not None:
                check_patterns(item, inner, (*at, key), found)


def _is_absolute(text: str) -> bool:
    return text[:1] == "/"


def _is_empty_or_absolute(text: str) -> bool:
    return text[:1] in ("", "/")


def _is_device_access(text: str) -> bool:
    return not text.strip("rwm")


def _is_cpu_list(text: str) -> bool:
    return not text.strip(_DIGITS + ", -")


def _is_page_size(text: str) -> bool:
    digits = text[:-2]
    return text[-2:] in ("KB", "MB", "GB") and digits != "" and digits[0] != "0" and not digits.strip(_DIGITS)


def _is_bandwidth_schema(text: str) -> bool:
    return text == "" or (text[:3] == "MB:" and "\n" not in text)


TWINS: "dict[str, Twin]" = {
    "^/": (_is_absolute, "must be an absolute path"),
    "^(/|$)": (_is_empty_or_absolute, "must be an absolute path"),
    "^[rwm]*$": (_is_device_access, "may only contain r, w and m"),
    "^[0-9, -]*$": (_is_cpu_list, "must be a list of CPUs such as 0-3,7"),
    "^[1-9][0-9]*[KMG]B$": (_is_page_size, "must be a page size such as 2MB"),
    "^(MB:[^\n]*)?$": (_is_bandwidth_schema, "must be one line that begins with MB:"),
}
