"""System calls, ioctl requests, prctl options and clone flags of a policy, to names and numbers.

Cold.
"""

import re
from collections.abc import Mapping
from typing import Any

from oci_schemas.wording import quoted
from runtime.policy.categories import CALL_GROUPS, IOCTL_GROUPS, KNOWN, PRCTL_GROUPS
from runtime.policy.judge import Judge
from runtime.policy.lines import Place
from runtime.policy.names import CLONE_FLAGS, CONSTANTS, ERRNOS, Unknown, group_or_name, nearest, number_of
from runtime.policy.schema import CallRule, Policy, Syscalls
from runtime.policy.tables.ioctls import IOCTLS
from runtime.policy.tables.prctls import PRCTLS

Layer = dict[str, Any]

_CONDITION = re.compile(r"arg([0-5])\s*(?:&\s*(\w+)\s*)?(==|!=|<=|>=|<|>)\s*(\w+)", re.ASCII)
_OPERATORS = {
    "==": "SCMP_CMP_EQ",
    "!=": "SCMP_CMP_NE",
    "<": "SCMP_CMP_LT",
    "<=": "SCMP_CMP_LE",
    ">": "SCMP_CMP_GT",
    ">=": "SCMP_CMP_GE",
}
_LISTS = ("kill", "deny", "broker", "log", "allow")
_ERRNO_MAX = 4095
_REQUEST_MAX = (1 << 32) - 1  # the kernel's ioctl takes 32 bits, and ignores the rest of the register


def normalise_syscalls(judge: Judge, section: Syscalls | None) -> Layer | None:
    """The layer's `syscalls`."""
    if section is None:
        return None
    errno = _errno(judge, ("syscalls", "errno"), section.errno)
    rules = [
        _call_rule(judge, ("syscalls", action, at), action, rule)
        for action in _LISTS
        for at, rule in enumerate(getattr(section, action))
    ]
    return {
        "default": {"action": section.default, "errno": errno},
        "rules": [rule for rule in rules if rule is not None],
        "rule": judge.rule(("syscalls", "default"), section.default),
    }


def _call_rule(judge: Judge, place: Place, action: str, rule: CallRule) -> Layer | None:
    names: dict[str, None] = {}
    for word in rule.call:
        for name in judge.attempt(place, group_or_name, word, CALL_GROUPS, "system calls") or ():
            if name in KNOWN:
                names[str(name)] = None
            else:
                judge.complain(place, f"unknown system call {quoted(str(name))}{nearest(str(name), KNOWN)}")
    conditions = [judge.attempt((*place, "when", at), _condition, text) for at, text in enumerate(rule.when)]
    if rule.errno is not None and action != "deny":
        judge.complain((*place, "errno"), "only a denied call fails with an error number")
    text = ", ".join(rule.call) + (f" when {' and '.join(rule.when)}" if rule.when else "")
    return {
        "names": list(names),
        "action": action,
        "errno": None if rule.errno is None else _errno(judge, (*place, "errno"), rule.errno),
        "args": [condition for condition in conditions if condition is not None],
        "rule": judge.rule(place, text),
    }


def _errno(judge: Judge, place: Place, word: str) -> int:
    number = judge.attempt(place, number_of, word, ERRNOS, "error number")
    if number is not None and not 1 <= number <= _ERRNO_MAX:
        judge.complain(place, f"must be 1 to {_ERRNO_MAX}: with 0 the call would seem to work")
    return number or 1


def _condition(text: str) -> Layer:
    """One condition in the OCI's form: with a mask `value` is the mask and `value_two` what must remain."""
    match = _CONDITION.fullmatch(text.strip())
    if not match:
        raise Unknown(f'{quoted(text)} is no condition, such as "arg0 == AF_UNIX" or "arg1 & 0xff == 3"')
    index, mask, operator, word = match.groups()
    value = number_of(word, CONSTANTS, "constant")
    if mask is None:
        return {"index": int(index), "op": _OPERATORS[operator], "value": value, "value_two": 0}
    if operator != "==":
        raise Unknown(f"{quoted(text)}: with a mask only == can be asked")
    bits = number_of(mask, CONSTANTS, "constant")
    if value & ~bits:
        raise Unknown(f"{quoted(text)} never holds: the mask leaves no such value")
    return {"index": int(index), "op": "SCMP_CMP_MASKED_EQ", "value": bits, "value_two": value}


def normalise_numbers(judge: Judge, policy: Policy) -> Layer:
    """The layer's `ioctl`, `prctl` and `clone_flags`."""
    flags = _numbers(judge, "clone_flags", policy.clone_flags, (CLONE_FLAGS, {}))
    if flags is not None:
        known = 0
        for number in CLONE_FLAGS.values():
            known |= number
        mask = 0
        for number in flags["allow"]:
            if number & ~known:
                judge.complain(("clone_flags",), f"{number:#x} is no CLONE_NEW flag")
            mask |= number & known
        flags["allow"] = mask
    ioctl = _numbers(judge, "ioctl", policy.ioctl, (IOCTLS, IOCTL_GROUPS))
    return {
        "ioctl": ioctl,
        "prctl": _numbers(judge, "prctl", policy.prctl, (PRCTLS, PRCTL_GROUPS)),
        "clone_flags": flags,
    }


def _numbers(
    judge: Judge, key: str, words: list[str] | None, known: tuple[Mapping[str, int], Mapping[str, tuple[str, ...]]]
) -> Layer | None:
    if words is None:
        return None
    names, groups = known
    found: dict[int, None] = {}
    for at, word in enumerate(words):
        for name in judge.attempt((key, at), group_or_name, word, groups, key) or ():
            number = judge.attempt((key, at), number_of, name, names, f"name for {key}")
            if number is not None and number > _REQUEST_MAX:
                judge.complain((key, at), f"{number:#x} has more than 32 bits")
            elif number is not None:
                found[number] = None
    return {"allow": sorted(found), "rule": judge.rule((key,), ", ".join(words) or "none")}
