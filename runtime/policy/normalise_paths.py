"""Path patterns of a policy: checked, and brought to one form.

A pattern is absolute.  Without a wildcard it covers the path itself and everything below it; `*` stands for any part of one name,
`**` as a whole component for any number of components.  Cold.
"""

from oci_schemas.wording import quoted
from runtime.policy.judge import Judge
from runtime.policy.lines import Place
from runtime.policy.schema import Filesystem, Unix

Patterns = list[list[object]]  # [pattern, rule id] each

_PATH_MAX = 4095
_NAME_MAX = 255
_OTHER_WILDCARDS = "?[]{}"


def normalise_pattern(text: str) -> str:
    """The pattern's one form: no trailing slash, no trailing `/**`.  Raises: ValueError saying what is wrong."""
    if text[:1] != "/":
        raise ValueError(f"{quoted(text)} must be absolute: paths are those of the container")
    if not text.isprintable():
        raise ValueError(f"{quoted(text)} has characters that cannot be printed")
    if len(text.encode("utf-8", "replace")) > _PATH_MAX:
        raise ValueError(f"{quoted(text)} is longer than a path may be")
    for character in _OTHER_WILDCARDS:
        if character in text:
            raise ValueError(f"{quoted(text)}: {character} would be part of a name; the wildcards are * and **")
    stripped = text[1:].rstrip("/")
    parts = stripped.split("/") if stripped else []
    for part in parts:
        _check_part(text, part)
    while parts and parts[-1] == "**":
        parts.pop()  # what a path covers already
    return "/" + "/".join(parts)


def _check_part(text: str, part: str) -> None:
    if part == "":
        raise ValueError(f"{quoted(text)} has an empty component")
    if part in (".", ".."):
        raise ValueError(f"{quoted(text)} must not contain {quoted(part)}")
    if "**" in part and part != "**":
        raise ValueError(f"{quoted(text)}: ** must be a whole component, as in /a/**/b")
    if len(part.encode("utf-8", "replace")) > _NAME_MAX:
        raise ValueError(f"{quoted(text)}: a name has at most {_NAME_MAX} bytes")


def normalise_filesystem(judge: Judge, section: Filesystem | None) -> dict[str, Patterns | None] | None:
    """The layer's `filesystem`."""
    if section is None:
        return None
    lists = {key: _optional(judge, ("filesystem", key), getattr(section, key)) for key in ("read", "write", "execute")}
    return {**lists, "hide": _patterns(judge, ("filesystem", "hide"), section.hide)}


def normalise_exec(judge: Judge, paths: list[str] | None) -> Patterns | None:
    """The layer's `exec`."""
    return _optional(judge, ("exec",), paths)


def normalise_unix(judge: Judge, section: Unix | None) -> dict[str, object] | None:
    """The layer's `network.unix`."""
    if section is None:
        return None
    place: Place = ("network", "unix")
    return {
        "connect": _patterns(judge, (*place, "connect"), section.connect),
        "bind": _patterns(judge, (*place, "bind"), section.bind),
        "abstract": section.abstract,
    }


def _optional(judge: Judge, place: Place, texts: list[str] | None) -> Patterns | None:
    return None if texts is None else _patterns(judge, place, texts)


def _patterns(judge: Judge, place: Place, texts: list[str]) -> Patterns:
    found: Patterns = []
    seen: set[str] = set()
    for at, text in enumerate(texts):
        pattern = judge.attempt((*place, at), normalise_pattern, text)
        if pattern is not None and pattern not in seen:
            seen.add(pattern)
            found.append([pattern, judge.rule((*place, at), text)])
    return found
