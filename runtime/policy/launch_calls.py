"""What init itself still calls once the filter is loaded: a policy under which it could not start anything is refused by name.  Pure.

The executor's last steps are: report and wait (write, read, close), open exec.fifo and write to it, mark descriptors (close_range, and
fcntl for those that are handed on), hooks, execve, and exit_group when one of them fails.
"""

from runtime.policy.sections import ALLOW, LOG, NOTIFY, WORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.policy.enforcement import Findings
    from runtime.policy.sections import Section

# call: the arguments that are known (O_WRONLY | O_CLOEXEC; CLOSE_RANGE_CLOEXEC)
LAUNCH: "dict[str, dict[int, int]]" = {
    "read": {},
    "write": {},
    "close": {},
    "openat": {2: 0o2000001, 3: 0},
    "close_range": {1: WORD, 2: 4},
    "execve": {},
    "exit_group": {},
}
_PASSING = (ALLOW, LOG, NOTIFY)


def check_launch(findings: "Findings", sections: "list[Section]") -> None:
    """Report the calls of the launch that some section denies."""
    denied = []
    for name, known in LAUNCH.items():
        if any(not _passes(section, name, known) for section in sections):
            denied.append(name)
    if denied:
        words = ", ".join(denied)
        for layer in findings.layers:
            if layer.get("syscalls") is not None:
                findings.impossible(layer, "syscalls", f"denies what starting a program takes: {words}")
                break


def _passes(section: "Section", name: str, known: "Mapping[int, int]") -> bool:
    """Whether a call with these arguments is let through for sure; of arguments that are not known a condition may not hold."""
    entries = [entry for entry in section["syscalls"] if name in entry["names"]]
    default = section["defaultAction"]
    if not entries:
        return section.get("otherwise", default) in _PASSING
    matched = None
    for entry in entries:
        args = entry.get("args") or ()
        denies = entry["action"] not in _PASSING
        if not args:
            return not denies
        if all([_holds(arg, known) is True for arg in args]):  # noqa: C419
            if denies:
                return False
            matched = entry["action"]
    return (matched or default) in _PASSING


def _holds(arg: "Mapping[str, Any]", known: "Mapping[int, int]") -> bool | None:
    """Whether a condition holds for the arguments that are known; None when that cannot be said."""
    if arg["index"] not in known:
        return None
    value = known[arg["index"]]
    wanted: int = arg["value"]
    if arg["op"] == "SCMP_CMP_MASKED_EQ":
        second: int = arg.get("valueTwo") or 0
        return value & wanted == second & wanted
    return {
        "SCMP_CMP_NE": value != wanted,
        "SCMP_CMP_LT": value < wanted,
        "SCMP_CMP_LE": value <= wanted,
        "SCMP_CMP_EQ": value == wanted,
        "SCMP_CMP_GE": value >= wanted,
        "SCMP_CMP_GT": value > wanted,
    }[str(arg["op"])]
