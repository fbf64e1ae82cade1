"""A decision of the core as a record for the log: which fields it has and what stands in them.

docs/broker-service.md lists the fields; readers of the log rely on their names.
"""

import errno
import posix
from time import gmtime, strftime

from runtime.broker.arguments import decode
from runtime.seccomp.arches import find_arch, syscall_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.broker.native import Event
    from runtime.broker.registry import Registration

LEVELS = ("none", "denials", "decisions", "all")
# a call of which the registers alone decided, or nothing at all
_UNMEDIATED = ("continue",)
_CONTINUE = -1


def timestamp(nanoseconds: int) -> str:
    """A moment as RFC 3339 in UTC, with microseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}.{rest // 1000:06}Z"


class CallNames:
    """Numbers of this machine's system calls to names."""

    __slots__ = ("_names", "machine")

    def __init__(self, machine: str = "") -> None:
        """Of the machine that uname(2) names, unless told."""
        self.machine = machine or posix.uname().machine
        arch = find_arch(self.machine)
        self._names = {number: name for name, number in syscall_numbers(arch).items()} if arch else {}

    def name(self, number: int) -> str:
        """The name, or the number where there is none."""
        return self._names.get(number, str(number))


def verdict_words(verdict: int, mode: str, denied: bool = True) -> tuple[str, str | None]:
    """`allow`, `deny`, `would-deny` (mode audit), `fail` or `continue`, and the errno's name where there is one.

    `denied`: the errno is the policy's.  Otherwise the call was allowed, and its own result when it was carried out: `fail`.
    """
    if verdict > 0:
        word = "fail" if not denied else "would-deny" if mode in ("audit", "record") else "deny"
        return word, errno.errorcode.get(verdict, str(verdict))
    return ("continue" if verdict == _CONTINUE else "allow"), None


def is_wanted(level: str, verdict: int, handler: str, denied: bool = True) -> bool:
    """Whether a decision belongs into a log of this level; what is only observed was asked for."""
    if level == "all" or handler == "record":
        return True
    if level == "none":
        return False
    return (verdict > 0 and denied) or (level == "decisions" and handler not in _UNMEDIATED)


def rule_text(head: "Mapping[str, Any]", rule: int | None) -> str | None:
    """The rule's words and where it stands; None where no rule decided."""
    rules = head.get("rules") or ()
    return rules[rule] if rule is not None and rule < len(rules) else None


def describe(event: "Event", registration: "Registration", names: CallNames, handler: str) -> "dict[str, Any]":
    """The record of a decision."""
    head = registration.head
    call = names.name(event.nr)
    mode = head.get("mode", "enforce")
    verdict, error = verdict_words(event.verdict, mode, event.denied)
    record: dict[str, Any] = {
        "time": timestamp(event.time_ns),
        "container": registration.container_id,
        "policy": registration.policy,
        "mode": mode,
        "init": registration.init,
        "pid": event.pid,
        "program": event.comm,
        "syscall": call,
        "args": [hex(value) for value in event.args],
    }
    decoded = decode(call, event.args, names.machine)
    if decoded:
        record["decoded"] = decoded
    if event.text:
        record["target"] = event.text
        if handler == "record":  # absolute paths, a line each; of what existed before, after a mark
            record["target"] = "\n".join([line.removeprefix("=") for line in event.text.split("\n")])
            record["existed"] = event.text[0] == "="
    record["rule"] = rule_text(head, event.rule)
    record["layer"] = "broker"
    record["handler"] = handler
    record["verdict"] = verdict
    if error:
        record["errno"] = error
    record["micros"] = event.micros
    return record


def limit_record(registration: "Registration", now_ns: int) -> "dict[str, Any]":
    """The record of a container that was killed because its time was up."""
    return {
        "time": timestamp(now_ns),
        "container": registration.container_id,
        "policy": registration.policy,
        "init": registration.init,
        "pid": registration.pid,
        "syscall": "",
        "target": "the container",
        "rule": f"limits.wall_time: {registration.head.get('wall_time_ms')} ms",
        "layer": "broker",
        "verdict": "kill",
    }
