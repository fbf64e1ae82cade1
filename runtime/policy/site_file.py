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
_BROKER_KEYS = ("log", "handlers", "handler_path")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def parse_site(data: bytes, path: str) -> dict[str, Any]:
    """The section `[policy]`.  Raises: PolicyError with every violation and its line."""
    site, found = examine_site(data, path)
    if found:
        raise PolicyError(sorted(found))
    return site


def named_policies(data: bytes, site: dict[str, Any], path: str) -> list[tuple[str, str]]:
    """(word, file:line: key) of every policy that the section names, each once."""
    lines = data.decode().splitlines()
    words: dict[str, str] = {}
    for key in _KEYS:
        value = site[key]
        for word in [value] if isinstance(value, str) else value or ():
            start = _line_of("\n".join(lines), key)
            spelt = (f'"{word}"', f"'{word}'")
            at = (
                number for number, line in enumerate(lines, 1) if number >= start and any(one in line for one in spelt)
            )
            words.setdefault(word, f"{path}:{next(at, start)}: {key}")
    return list(words.items())


def examine_site(data: bytes, path: str) -> tuple[dict[str, Any], list[str]]:
    """What is sound of the section `[policy]`, and every violation with its line.  Raises: PolicyError for what is no TOML."""
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
        default = None
    lists = {}
    for key in ("annotation", "floor"):
        lists[key] = words = section.get(key)
        if words is not None and not (isinstance(words, list) and all(map(_is_word, words))):
            complain(key, "must be a list of names of policies or files")
            lists[key] = None
    if "none" in (lists["floor"] or ()):
        complain("floor", f"{quoted('none')} is no policy: leave the list empty")
    return {"default": default, "annotation": lists["annotation"], "floor": lists["floor"] or []}, found


def broker_violations(data: bytes, path: str) -> list[str]:
    """What is wrong with the section `[broker]`, which the broker reads: each with its line."""
    text = data.decode()
    section = tomllib.loads(text).get("broker", {})
    if not isinstance(section, dict):
        return [f"{path}:{_line_of(text, 'broker')}: broker: must be a table"]
    found = [(key, f"unknown key{nearest(key, _BROKER_KEYS)}") for key in section.keys() - set(_BROKER_KEYS)]
    if section.get("log", "file") not in ("file", "journald"):
        found.append(("log", "must be file or journald"))
    handlers = section.get("handlers", [])
    if not isinstance(handlers, list) or not all(isinstance(one, str) and one.count(":") == 1 for one in handlers):
        found.append(("handlers", 'must be a list of "module:function"'))
    place = section.get("handler_path", "/")
    if not isinstance(place, str) or place[:1] != "/":
        found.append(("handler_path", "must be an absolute path"))
    return [f"{path}:{_line_of(text, key)}: {printable(key)}: {message}" for key, message in found]


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _line_of(text: str, key: str) -> int:
    """The first line that begins with the key; tomllib keeps no places."""
    pattern = re.compile(rf"\s*\[?\s*[\"']?{re.escape(key)}\b")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return number
    return 1
