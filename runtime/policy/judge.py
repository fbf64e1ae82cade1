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
        line = self._loaded.document.line(self._loaded.in_file(place))
        self.rules.append({"text": f"{key}: {text}" if text else key, "where": f"{self._shown}:{line}"})
        return len(self.rules) - 1
