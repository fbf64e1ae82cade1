"""What the actions of `postern policy` are given: flags and arguments, and how they answer."""

from oci_schemas.json_text import dumps
from runtime.commands.invocation import Invocation
from runtime.errors import UsageError
from runtime.launch.report import encode, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class PolicyCall:
    """One action's flags and arguments, and the invocation that holds the global ones."""

    __slots__ = ("action", "arguments", "flags", "invocation")

    def __init__(self, invocation: Invocation, action: str, flags: dict[str, list[str]], arguments: list[str]) -> None:
        """`flags` are values by first name, [""] for a switch."""
        self.invocation = invocation
        self.action = action
        self.flags = flags
        self.arguments = arguments

    def switch(self, name: str) -> bool:
        """Whether a switch was given."""
        return name in self.flags

    def text(self, name: str) -> str | None:
        """The last value of a flag; None when absent."""
        return self.flags[name][-1] if name in self.flags else None

    def texts(self, name: str) -> list[str]:
        """All values of a flag, in order."""
        return self.flags.get(name, [])

    def positional(self, least: int, most: int | None = -1) -> list[str]:
        """The arguments, between `least` and `most` (default: exactly `least`; None: any number).  Raises: UsageError."""
        limit = least if most == -1 else most
        if len(self.arguments) < least or (limit is not None and len(self.arguments) > limit):
            raise self.usage("wrong number of arguments; see postern policy --help")
        return self.arguments

    def usage(self, text: str) -> UsageError:
        """The error of a command line that this action cannot take."""
        return UsageError(f"policy {self.action}: {text}")

    def say(self, lines: "Sequence[str]", value: object) -> None:
        """Print the lines, or with --json the value."""
        show(dumps(value, "  ") + b"\n" if self.switch("json") else encode("".join(f"{line}\n" for line in lines)))


def parse_call(invocation: Invocation, action: str, spelling: str, argv: list[str]) -> PolicyCall:
    """Take an action's words apart by its spelling: `--json` a switch, `--output=FILE,-o` a value with a short name.

    Flags may stand anywhere; `--` ends them.  Raises: UsageError.
    """
    names: dict[str, tuple[str, bool]] = {}
    for word in spelling.split():
        first, _, more = word.partition(",")
        name, mark, _placeholder = first.lstrip("-").partition("=")
        for spelt in [f"--{name}", *filter(None, more.split(","))]:
            names[spelt] = (name, bool(mark))
    flags: dict[str, list[str]] = {}
    arguments: list[str] = []
    at = 0
    while at < len(argv):
        word, at = argv[at], at + 1
        if word == "--":
            arguments += argv[at:]
            break
        if word[:1] != "-" or word == "-":
            arguments.append(word)
            continue
        spelt, mark, value = word.partition("=")
        if spelt not in names:
            raise UsageError(f"policy {action}: unknown flag {word}")
        name, takes = names[spelt]
        if takes and not mark:
            if at == len(argv):
                raise UsageError(f"policy {action}: {word} needs a value")
            value, at = argv[at], at + 1
        elif mark and not takes:
            raise UsageError(f"policy {action}: {spelt} takes no value")
        flags.setdefault(name, []).append(value)
    return PolicyCall(invocation, action, flags, arguments)
