"""The site's config.toml: which policy holds where nobody chooses, which ones an annotation may choose, and the floor.

Cold: parsed once, and kept until it changes.
"""

import re
import tomllib
from typing import Any

from oci_schemas.wording import printable, quoted
from runtime.errors import PolicyError
from runtime.policy.names import nearest

_KEYS = ("default", "annotation", "floor")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def parse_site(data: bytes, path: str) -> dict[str, Any]:
    """The section `[policy]`.  Raises: PolicyError with every violation and its line."""
    try:
        text = data.decode()
        document = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        line = _LINE.search(str(error))
        told = _LINE.sub("", str(error)).strip()
        raise PolicyError(
            [f"{path}:{line[1] if line else 1}: invalid TOML: {printable(told[:1].lower() + told[1:])}"]
        ) from None
    found: list[str] = []

    def complain(key: str, message: str) -> None:
        found.append(f"{path}:{_line_of(text, key)}: {printable(key)}: {message}")

    for key in document.keys() - {"policy", "broker"}:
        complain(key, f"unknown table{nearest(key, ['policy'])}")
    section = document.get("policy", {})
    if not isinstance(section, dict):
        complain("policy", "must be a table")
        section = {}
    for key in section.keys() - set(_KEYS):
        complain(key, f"unknown key{nearest(key, _KEYS)}")
    default = section.get("default")
    if default is not None and not _is_word(default):
        complain("default", "must be the name of a policy or a file")
    lists = {}
    for key in ("annotation", "floor"):
        lists[key] = words = section.get(key)
        if words is not None and not (isinstance(words, list) and all(map(_is_word, words))):
            complain(key, "must be a list of names of policies or files")
    if "none" in (lists["floor"] or ()):
        complain("floor", f"{quoted('none')} is no policy: leave the list empty")
    if found:
        raise PolicyError(sorted(found))
    return {"default": default, "annotation": lists["annotation"], "floor": lists["floor"] or []}


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _line_of(text: str, key: str) -> int:
    """The first line that begins with the key; tomllib keeps no places."""
    pattern = re.compile(rf"\s*\[?\s*[\"']?{re.escape(key)}\b")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return number
    return 1
