"""What an importer leaves behind, one line each; and the words that profiles of others use for our actions.  Cold."""

from typing import Any

from oci_schemas.wording import printable, quoted
from runtime.policy.categories import KNOWN

_SHOWN = 96


class Notes:
    """Collects what was not carried over."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: list[str] = []

    def lost(self, text: str) -> None:
        """Something that the policy does not say."""
        line = f"not carried over: {printable(text)}"
        if line not in self.lines:
            self.lines.append(line)

    def rest(self, value: dict[Any, Any], known: set[str], place: str) -> None:
        """Every key of a mapping that nobody looks at."""
        for key, item in value.items():
            if key not in known:
                self.lost(f"{place}{key}: {shortened(item)}")

    def known_calls(self, names: list[Any], place: str) -> list[str]:
        """Those that are names of system calls or of nothing that we have."""
        found = [str(name) for name in names]
        unknown = [name for name in found if name not in KNOWN]
        if unknown:
            self.lost(f"{place}: unknown system calls {', '.join(map(quoted, unknown))}")
        return list(dict.fromkeys(name for name in found if name in KNOWN))


def shortened(value: Any) -> str:
    """A value on one line, cut when it is long."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def as_list(value: Any) -> list[Any]:
    """A list of what may be one value or a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
