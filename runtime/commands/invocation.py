"""One call of the program: what the command line said, as a value that every verb gets."""

import posix

from runtime.errors import UsageError
from runtime.launch.report import Report
from runtime.state.container_id import check_id

Value = bool | int | str | list[str]

DEFAULT_ROOT = "/run/postern"


def absolute(path: str, base: str | None = None) -> str:
    """The path itself when absolute, else below `base` (default: the working directory); nothing is resolved."""
    if path[:1] == "/":
        return path
    return f"{base or posix.getcwd()}/{path}"


class Invocation:
    """A verb's flags and arguments, and the settings that hold for every verb."""

    __slots__ = (
        "arguments",
        "cgroup_manager",
        "exe_fd",
        "flags",
        "policy",
        "policy_dir",
        "report",
        "root",
        "rootless",
        "verb",
    )

    def __init__(self, verb: str, flags: dict[str, Value], arguments: list[str], exe_fd: int = -1) -> None:
        """`exe_fd` is the executor's sealed file, -1 when the caller gave none; `settle` sets the rest."""
        self.verb = verb
        self.flags = flags
        self.arguments = arguments
        self.exe_fd = exe_fd
        self.report = Report()
        self.root = DEFAULT_ROOT
        self.rootless: bool | None = None  # None: decided by who we are
        self.cgroup_manager = "cgroupfs"
        self.policy: str | None = None  # what --policy asks for: a name, or the absolute path of a file
        self.policy_dir = ""  # the site's directory; "": /etc/postern

    def container_id(self) -> str:
        """The first argument, checked.  Raises: InvalidId."""
        return check_id(self.arguments[0] if self.arguments else "")

    def switch(self, name: str) -> bool:
        """Whether a switch was given (and not as `=false`)."""
        return self.flags.get(name) is True

    def text(self, name: str) -> str | None:
        """A flag's text; None when absent.  An empty value counts as absent, as in runc."""
        value = self.flags.get(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str, default: int = 0) -> int:
        """A flag's number, or `default`."""
        value = self.flags.get(name)
        return value if isinstance(value, int) else default

    def texts(self, name: str) -> list[str]:
        """All values of a repeatable flag, in order."""
        value = self.flags.get(name)
        return value if isinstance(value, list) else []

    def count(self, name: str) -> int:
        """A flag's number that must not be negative.  Raises: UsageError."""
        value = self.number(name)
        if value < 0:
            raise UsageError(f'invalid value "{value}" for flag -{name}: must not be negative')
        return value
