"""update's flags to a resources document, as `--resources` would give it.  Pure."""

from runtime.commands.invocation import Invocation
from runtime.errors import NotBuilt, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SCALE = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_U64_MAX = (1 << 64) - 1
_I64_MAX = (1 << 63) - 1

# flag, section, key of the section, may it be negative?
_INTEGERS = (
    ("cpu-period", "cpu", "period", False),
    ("cpu-quota", "cpu", "quota", True),
    ("cpu-burst", "cpu", "burst", False),
    ("cpu-share", "cpu", "shares", False),
    ("cpu-rt-period", "cpu", "realtimePeriod", False),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime", True),
    ("cpu-idle", "cpu", "idle", True),
    ("blkio-weight", "blockIO", "weight", False),
)
_TEXTS = (("cpuset-cpus", "cpu", "cpus"), ("cpuset-mems", "cpu", "mems"))
_BYTES = (
    ("memory", "limit"),
    ("memory-reservation", "reservation"),
    ("memory-swap", "swap"),
)
_IGNORED = ("kernel-memory", "kernel-memory-tcp")
_RESCTRL = ("l3-cache-schema", "mem-bw-schema")


def parse_integer(flag: str, text: str, negative: bool) -> int:
    """A decimal number.  Raises: UsageError."""
    digits = text[1:] if negative and text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()) or int(digits) > (_I64_MAX if negative else _U64_MAX):
        raise UsageError(f'invalid value for {flag}: "{text}" is not a number')
    return int(text)


def parse_bytes(flag: str, text: str) -> int:
    """A size: a number, maybe with a fraction and a binary suffix (`512m`, `1.5GiB`), or -1.  Raises: UsageError."""
    if text == "-1":
        return -1
    number = text.lower().removesuffix("b").removesuffix("i").strip(" ")
    suffix = number[-1:] if number[-1:] in _SCALE else ""
    number = number.removesuffix(suffix).removesuffix(" ")
    whole, point, fraction = number.partition(".")
    if not (whole.isascii() and whole.isdigit()) or (point and not (fraction.isascii() and fraction.isdigit())):
        raise UsageError(f'invalid value for {flag}: invalid size: "{text}"')
    value = (int(whole + fraction) << _SCALE[suffix]) // int("1" + "0" * len(fraction))
    if value > _I64_MAX:
        raise UsageError(f'invalid value for {flag}: invalid size: "{text}"')
    return value


def resources_of_flags(invocation: Invocation) -> "dict[str, Any]":
    """The resources that the flags name, nothing else.  Raises: UsageError, NotBuilt."""
    for flag in _RESCTRL:
        if invocation.text(flag):
            raise NotBuilt(f"--{flag}")
    found: dict[str, dict[str, Any]] = {}
    for flag, section, key, negative in _INTEGERS:
        text = invocation.text(flag)
        if text is not None:
            found.setdefault(section, {})[key] = parse_integer(flag, text, negative)
    for flag, section, key in _TEXTS:
        text = invocation.text(flag)
        if text is not None:
            found.setdefault(section, {})[key] = text
    for flag, key in _BYTES:
        text = invocation.text(flag)
        if text is not None:
            found.setdefault("memory", {})[key] = parse_bytes(flag, text)
    if invocation.number("pids-limit"):
        found["pids"] = {"limit": invocation.number("pids-limit")}
    if any(invocation.text(flag) for flag in _IGNORED):
        invocation.report.warning("Kernel memory settings are ignored and will be removed")
    return found
