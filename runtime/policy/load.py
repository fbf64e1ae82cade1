"""A policy file's text to a checked model: every violation of form and shape at once, each with its line.

Reads no file itself.  What the values mean is judged by `normalise`, which goes on with whatever is sound here.
Cold.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from oci_schemas.explain import message_of
from oci_schemas.wording import printable, quoted
from runtime.policy.lines import Document, Found, Place, parse_document
from runtime.policy.names import nearest
from runtime.policy.schema import SECTION, WORD, Policy

_PATTERNS = {
    "^CAP_[A-Z_]+$": "must be a capability such as CAP_KILL",
    r"^[a-z0-9][a-z0-9._-]{0,62}$": "must be lower case letters, digits, dots and hyphens",
}
_ROUNDS = 8  # taking out what is wrong can make its surroundings wrong, and a policy is not nested deeper


class Loaded:
    """A policy file taken apart: `policy` holds what is sound (None: nothing is), `found` what is not."""

    __slots__ = ("_kept", "_named", "_wrong", "document", "found", "policy")

    def __init__(self, document: Document) -> None:
        """Wrap what was parsed; `load_policy` checks it."""
        self.document = document
        self.found: Found = list(document.found)
        self.policy: Policy | None = None
        self._named = ("name",) in {place for _, place, _ in document.found}
        self._wrong: set[Place] = {place for _, place, _ in document.found}
        self._kept: dict[Place, list[int]] = {}  # for each list of the file: the indices of the entries that are sound

    def complain(self, place: Place, text: str) -> None:
        """Note a violation at a place of the file, or of what a short form there stands for."""
        self.found.append((self.document.line(place), place, text))
        self._wrong.add(place)
        while place not in self.document.lines:  # what stands there is wrong as a whole
            place = place[:-1]
        if place:
            self._wrong.add(place)

    def is_touched(self, place: Place) -> bool:
        """Whether something was found at a place of the file, or in it."""
        return any(found[: len(place)] == place for found in self._wrong)

    def in_file(self, place: Place) -> Place:
        """A place in `policy` as a place in the file, where the entries that were taken out still stand."""
        steps: Place = ()
        for step in place:
            kept = self._kept.get(steps)
            steps = (*steps, kept[step] if kept is not None and isinstance(step, int) else step)
        return steps

    def sound(self, value: Any, place: Place = ()) -> Any:
        """The part of the file's content that nothing was found against."""
        if isinstance(value, dict):
            return {
                key: self.sound(item, (*place, key)) for key, item in value.items() if (*place, key) not in self._wrong
            }
        if isinstance(value, list):
            self._kept[place] = kept = [at for at in range(len(value)) if (*place, at) not in self._wrong]
            return [self.sound(value[at], (*place, at)) for at in kept]
        return value

    def check(self, model: type[Policy]) -> bool:
        """One round: validate what is sound so far.  False when something was found that may hide more."""
        try:
            sound = self.sound(self.document.data)
            if self._named:
                sound.setdefault("name", "unnamed")
            self.policy = model.model_validate(sound)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place = self.in_file(tuple(step for step in detail["loc"] if step not in (SECTION, WORD)))
                if detail["type"] in ("too_short", "missing") and self.is_touched(place):
                    self._wrong.add(place)  # empty because of what was taken out, which has been told
                elif detail["type"] == "missing":
                    self.found.append((self.document.line(place), place, _message(detail, place)))
                    self._wrong.add(place)
                else:
                    self.complain(place, _message(detail, place))
                if place == ("name",):
                    self._named = True  # a name of ours stands in for it, so that the rest can be judged
                elif detail["type"] == "missing":
                    self._wrong.add(place[:-1])
            return False
        return True


def load_policy(text: bytes, *, is_json: bool) -> Loaded:
    """Parse and check one file; nothing is raised, everything that is wrong is in `found`."""
    loaded = Loaded(parse_document(text, is_json=is_json))
    data = loaded.document.data
    if not isinstance(data, dict):
        if not loaded.found:
            loaded.complain((), "must be a mapping: the keys of a policy")
        return loaded
    for place in _empty_places(data, ()):
        if not any(place == found for _, found, _ in loaded.found):
            # it would stand for no restriction at all, where somebody may have meant that nothing is allowed
            loaded.complain(place, "has no value")
    for _ in range(_ROUNDS):
        if loaded.check(Policy):
            break
    return loaded


def _empty_places(value: Any, place: Place) -> Iterator[Place]:
    if value is None:
        yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _empty_places(item, (*place, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _empty_places(item, (*place, at))


def _message(detail: Any, place: Place) -> str:
    if detail["type"] == "extra_forbidden" and place[-1] == "<<":
        return "merge keys are not taken: write it out"
    if detail["type"] == "extra_forbidden":
        return f"unknown key{nearest(str(place[-1]), _keys_at(place[:-1]))}"
    if detail["type"] == "string_pattern_mismatch" and detail["ctx"]["pattern"] in _PATTERNS:
        return f"{_PATTERNS[detail['ctx']['pattern']]}, not {quoted(detail['input'])}"
    message: str = message_of(detail)
    return message


def _keys_at(place: Place) -> list[str]:
    """The keys that may stand at a place."""
    models: list[type[BaseModel]] = [Policy]
    for step in place:
        if isinstance(step, str):
            models = [
                inner
                for model in models
                if step in model.model_fields
                for inner in _models_in(model.model_fields[step].annotation)
            ]
    return [name for model in models for name in model.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every model that a field's type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def format_found(shown: str, found: Found) -> list[str]:
    """Violations as lines `file:line: key: text`, in the order of the file, each once."""
    rows = sorted({(line, dotted(place), text) for line, place, text in found})
    return [f"{shown}:{line}: {key + ': ' if key else ''}{text}" for line, key, text in rows]


def dotted(place: Place) -> str:
    """A place as people write it: network.egress[2].ports."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{printable(step)}"
    return text
