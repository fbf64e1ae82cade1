"""What the parts of the normaliser share: complaining about a place, and numbering the rules that enforcement refers to.

Cold.
"""

from collections.abc import Callable
from typing import TypeVar

from runtime.policy.lines import Place
from runtime.policy.load import Loaded, dotted

T = TypeVar("T")


class Judge:
    """Collects violations and rules of one file; places are those of the checked model."""

    __slots__ = ("_loaded", "_shown", "rules")

    def __init__(self, loaded: Loaded, shown: str) -> None:
        """`shown` is how the file is called in a rule's `where`."""
        self._loaded = loaded
        self._shown = shown
        self.rules: list[dict[str, str]] = []

    def complain(self, place: Place, text: str) -> None:
        """Note a violation."""
        self._loaded.complain(self._loaded.in_file(place), text)

    def is_touched(self, place: Place) -> bool:
        """Whether something was found at a place or in it, so that what is missing there may not be missing in the file."""
        return self._loaded.is_touched(self._loaded.in_file(place))

    def attempt(self, place: Place, function: Callable[..., T], *arguments: object) -> T | None:
        """The function's result; None, and a violation, when it raises ValueError."""
        try:
            return function(*arguments)
        except ValueError as error:
            self.complain(place, str(error))
            return None

    def rule(self, place: Place, text: str) -> int:
        """A new rule's id: its place without indices, what it says, and the line where it stands."""
        key = dotted(tuple(step for step in place if isinstance(step, str)))
        self.rules.append({"text": f"{key}: {text}" if text else key, "where": self.where(place)})
        return len(self.rules) - 1

    def where(self, place: Place) -> str:
        """File and line of a place; the file alone where the file has no such key."""
        if place[:1] not in self._loaded.document.lines:
            return self._shown
        return f"{self._shown}:{self._loaded.document.line(self._loaded.in_file(place))}"
