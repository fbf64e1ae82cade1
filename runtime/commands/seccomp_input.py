"""What the actions of `postern seccomp` are given: flags, and files in three forms of a profile or as a program."""

import posix

from oci_schemas.json_text import loads
from runtime.commands.seccomp_shape import misshapen
from runtime.errors import FilterError, UsageError
from runtime.launch.report import reason
from runtime.record import record
from runtime.seccomp.arches import Arch, find_arch
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.engine_profile import (
    Circumstances,
    is_engine_profile,
    parse_kernel,
    resolve_profile,
    rules_that_apply,
)
from runtime.seccomp.filter import Profile
from runtime.seccomp.interpret import Instruction, ProgramError, decode
from runtime.seccomp.profile import parse_profile
from runtime.seccomp.program import Filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE_MAX = 16 << 20
POLICY_KEYS = ("otherwise", "otherwiseErrnoRet")  # not the specification's: create drops them from a config as well
POLICY_RULE_KEYS = ("joint",)
FLAGS = {"--arch": "arch", "--cap": "cap", "--kernel": "kernel", "-o": "output", "--output": "output"}


@record
class Loaded:
    """A file: its program; profile and compiled form are None if it was a program.

    `places` has where the profile's rules stand in the file, None if they are all there.
    """

    program: tuple[Instruction, ...]
    profile: Profile | None
    compiled: Filter | None
    places: list[int] | None


class Request:
    """One action's flags and arguments."""

    __slots__ = ("action", "arches", "arguments", "call_arch", "capabilities", "json", "kernel", "native", "output")

    def __init__(self, action: str, flags: dict[str, list[str]], arguments: list[str]) -> None:
        """Settle what the flags leave open.  Raises: UsageError, FilterError."""
        host = posix.uname()
        self.action = action
        self.arguments = arguments
        self.json = "json" in flags
        self.output = flags.get("output", [""])[-1]
        self.arches = [self._arch(name) for name in flags.get("arch", [])]
        self.native = self.arches[0] if self.arches else self._arch(host.machine)
        self.call_arch = self.native
        self.capabilities = frozenset(flags.get("cap", []))
        self.kernel = parse_kernel(flags.get("kernel", [host.release])[-1])

    def _arch(self, name: str) -> Arch:
        arch = find_arch(name) or find_arch(f"SCMP_ARCH_{name.upper()}")
        if arch is None:
            raise UsageError(f"seccomp {self.action}: unknown architecture {name!r}")
        return arch

    def positional(self, least: int, most: int = 0) -> list[str]:
        """The arguments, between `least` and `most` (default: exactly `least`).  Raises: UsageError."""
        if not least <= len(self.arguments) <= (most or least):
            raise UsageError(f"seccomp {self.action}: wrong number of arguments; see postern seccomp --help")
        return self.arguments

    def load(self, path: str, *, call_arch: bool = False) -> Loaded:
        """Read a profile or a program.

        With `call_arch`, --arch says whose call it is: if the machine decides on such calls, it stays the machine.
        Raises: UsageError, FilterError.
        """
        data = _read(path)
        if data.lstrip()[:1] != b"{":
            try:
                return Loaded(decode(data, big_endian=self.native.big_endian), None, None, None)
            except ProgramError as error:
                raise UsageError(f"{path}: {error}") from None
        document = _parse(path, data)
        facts = Circumstances(self.native, self.capabilities, self.kernel)
        if call_arch:
            machine = find_arch(posix.uname().machine)
            if machine is not None and self._decides(document, machine):
                self.native = machine
                facts = Circumstances(machine, self.capabilities, self.kernel)
        engines = is_engine_profile(document)
        section = resolve_profile(document, facts) if engines else document
        places = rules_that_apply(document, facts) if engines else None
        if self.arches and not call_arch:
            section = {**section, "architectures": [arch.token for arch in self.arches]}
        try:
            compiled = compile_profile(section, self.native.token)
        except FilterError as error:
            raise renumbered(error, places) from None
        program = decode(compiled.program, big_endian=self.native.big_endian)
        return Loaded(program, parse_profile(section, self.native), compiled, places)

    def _decides(self, document: "dict[str, Any]", machine: Arch) -> bool:
        """Whether the program for a machine decides on calls of `call_arch`."""
        facts = Circumstances(machine, self.capabilities, self.kernel)
        section = resolve_profile(document, facts) if is_engine_profile(document) else document
        try:
            return self.call_arch in parse_profile(section, machine).arches
        except FilterError:
            return False  # it will be said of the program that is compiled


def renumbered(error: FilterError, places: list[int] | None) -> FilterError:
    """What is wrong with a resolved section, by the rules' places in the file."""
    if places is None:
        return error
    return FilterError(
        [(_in_file(pointer, "/", places), _in_file(text, " ", places)) for pointer, text in error.violations]
    )


def _in_file(text: str, separator: str, places: list[int]) -> str:
    words = text.split(separator)
    for at, word in enumerate(words[1:], start=1):
        digits = word.rstrip(":")
        if words[at - 1] in ("syscalls", "rule", "(rule") and digits.isdigit():
            words[at] = f"{places[int(digits)]}{word[len(digits) :]}"
    return separator.join(words)


def _read(path: str) -> bytes:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            parts = []
            while part := posix.read(fd, 1 << 16):
                parts.append(part)
                if len(parts) > FILE_MAX >> 16:
                    raise UsageError(f"{path} is too large for a profile")
        finally:
            posix.close(fd)
    except OSError as error:
        raise UsageError(f"open {path}: {reason(error)}") from None
    return b"".join(parts)


def _parse(path: str, data: bytes) -> "dict[str, Any]":
    try:
        document = loads(data)
    except ValueError as error:
        raise UsageError(f"{path}: {error}".replace("\n", " ")) from None
    linux = document.get("linux")
    if "ociVersion" in document or (isinstance(linux, dict) and "defaultAction" not in document):
        section = linux.get("seccomp") if isinstance(linux, dict) else None
        if not isinstance(section, dict):
            raise UsageError(f"{path}: this config has no seccomp section")
        return _typed(section)
    return _typed(document)


def _typed(section: "dict[str, Any]") -> "dict[str, Any]":
    """The section, if it is of the shape that the compiler relies on.  Raises: FilterError."""
    wrong = misshapen(section)
    if wrong:
        raise FilterError(wrong)
    kept = {key: value for key, value in section.items() if key not in POLICY_KEYS}
    if kept.get("syscalls"):
        rules = [rule.items() for rule in kept["syscalls"]]
        kept["syscalls"] = [{key: one for key, one in rule if key not in POLICY_RULE_KEYS} for rule in rules]
    return kept


def parse_request(action: str, argv: list[str]) -> Request:
    """Flags anywhere, `--flag value` or `--flag=value`; `--` ends them.  Raises: UsageError, FilterError."""
    flags: dict[str, list[str]] = {}
    arguments: list[str] = []
    words = iter(argv)
    for word in words:
        name, mark, value = word.partition("=")
        if word == "--":
            arguments.extend(words)
        elif word == "--json":
            flags["json"] = []
        elif name in FLAGS:
            given = value if mark else next(words, None)
            if given is None:
                raise UsageError(f"flag needs an argument: {name}")
            flags.setdefault(FLAGS[name], []).append(given)
        elif word[:1] == "-" and not word[1:2].isdigit() and len(word) > 1:
            raise UsageError(f"flag provided but not defined: {name}")
        else:
            arguments.append(word)
    return Request(action, flags, arguments)
