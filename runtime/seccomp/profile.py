"""An OCI seccomp section into a checked Profile; everything wrong with it is reported at once.

Takes plain data with the spec's types (as `oci_schemas.validate` returns it; None stands for absent) and refuses what has
no meaning: unknown actions, operators, architectures and flags, a wrong argument index, an errno for an action that returns
none, notification as the default or for write(2).
Two properties that the specification does not have, and that no config.json can bring in because its schema drops them: with
`otherwise`, an action, the default holds for the calls that some rule names, and that action for all others, and both may be
notification; in a rule that is `joint`, several conditions on one argument must all hold.
Source: config-linux.md#seccomp.
"""

from runtime.errors import FilterError
from runtime.seccomp.arches import ARCHES, NATIVE, Arch, find_arch
from runtime.seccomp.filter import (
    EPERM,
    MAX_ERRNO,
    RET_ALLOW,
    RET_ERRNO,
    RET_KILL_PROCESS,
    RET_KILL_THREAD,
    RET_LOG,
    RET_TRACE,
    RET_TRAP,
    RET_USER_NOTIF,
    Condition,
    Profile,
    Rule,
)
from runtime.seccomp.rewrite import refuse_contradictions

ACTIONS = {
    "SCMP_ACT_ALLOW": RET_ALLOW,
    "SCMP_ACT_ERRNO": RET_ERRNO,
    "SCMP_ACT_KILL": RET_KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": RET_KILL_PROCESS,
    "SCMP_ACT_KILL_THREAD": RET_KILL_THREAD,
    "SCMP_ACT_LOG": RET_LOG,
    "SCMP_ACT_NOTIFY": RET_USER_NOTIF,
    "SCMP_ACT_TRACE": RET_TRACE,
    "SCMP_ACT_TRAP": RET_TRAP,
}
OPERATORS = frozenset(
    (
        "SCMP_CMP_NE",
        "SCMP_CMP_LT",
        "SCMP_CMP_LE",
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_MASKED_EQ",
    )
)
FLAG_TSYNC = 1
FLAG_LOG = 2
FLAG_SPEC_ALLOW = 4
FLAG_TSYNC_ESRCH = 16
FLAG_WAIT_KILLABLE_RECV = 32
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": FLAG_TSYNC,
    "SECCOMP_FILTER_FLAG_LOG": FLAG_LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": FLAG_SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": FLAG_WAIT_KILLABLE_RECV,
}
ARGUMENT_MAX = 0xFFFFFFFFFFFFFFFF
# a default under which calls that nobody has heard of yet are let through anyway: a tracer answers them itself
PERMISSIVE = (RET_ALLOW, RET_LOG, RET_TRACE)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Violations = list[tuple[str, str]]


def parse_profile(section: "dict[str, Any]", native: Arch) -> Profile:
    """Check a section for a machine of architecture `native`.

    Raises: FilterError with every violation, pointers relative to the section.
    """
    wrong: Violations = []
    default = _action(section, "defaultAction", "defaultErrnoRet", "", wrong)
    if default == RET_USER_NOTIF and section.get("otherwise") is None:
        wrong.append(("/defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action"))
    rest = (
        default if section.get("otherwise") is None else _action(section, "otherwise", "otherwiseErrnoRet", "", wrong)
    )
    arches, listed = _arches(section.get("architectures") or (), native, wrong)
    rules = []
    notify = RET_USER_NOTIF in (default, rest)
    for index, entry in enumerate(section.get("syscalls") or ()):
        rule = _rule(index, entry, wrong)
        rules.append(rule)
        notify = notify or rule.action == RET_USER_NOTIF
    flags, warnings = settle_flags(_flags(section.get("flags"), wrong), notify=notify)
    told = section.get("otherwise") is not None and rest == RET_USER_NOTIF
    if told and not any("write" in rule.names and not rule.conditions for rule in rules):
        wrong.append(("/otherwise", "SCMP_ACT_NOTIFY cannot be used for the write syscall"))
    wrong.extend(refuse_contradictions(tuple(rules), default))
    if wrong:
        raise FilterError(wrong)
    return Profile(
        default,
        tuple(rules),
        arches,
        listed,
        rest & 0xFFFF0000 not in (*PERMISSIVE, RET_USER_NOTIF),
        flags,
        notify,
        warnings,
        rest,
    )


def _action(entry: "dict[str, Any]", key: str, errno_key: str, at: str, wrong: "Violations") -> int:
    name = entry.get(key)
    action = ACTIONS.get(name) if isinstance(name, str) else None
    errno = entry.get(errno_key)
    if action is None:
        wrong.append((f"{at}/{key}", "is required" if name is None else f"unknown action {name!r}"))
        return RET_KILL_PROCESS
    if action not in (RET_ERRNO, RET_TRACE):
        if errno is not None:
            wrong.append((f"{at}/{errno_key}", f"{name} returns no errno"))
        return action
    if errno is None:
        return action | EPERM
    if type(errno) is not int or errno < 0:
        wrong.append((f"{at}/{errno_key}", f"{errno!r} is not an errno"))
        return action
    if action == RET_ERRNO:
        return action | min(errno, MAX_ERRNO)  # the kernel caps it as well
    if errno > 0xFFFF:
        wrong.append((f"{at}/{errno_key}", f"{errno} does not fit the 16 bits that a tracer is handed"))
    return action | errno & 0xFFFF


def _arches(
    tokens: "list[str] | tuple[()]", native: Arch, wrong: "Violations"
) -> tuple[tuple[Arch, ...], frozenset[str]]:
    """The native architecture and the section's others, once each; what the section lists."""
    arches = {native.token: native}
    for position, token in enumerate(tokens):
        arch = find_arch(token) if token in ARCHES else native if token == NATIVE else None
        if arch is None:
            wrong.append((f"/architectures/{position}", f"unknown architecture {token!r}"))
        elif arch.big_endian != native.big_endian:
            wrong.append((f"/architectures/{position}", f"{token} has another byte order than {native.token}"))
        else:
            arches[arch.token] = arch
    listed = frozenset(native.token if token == NATIVE else token for token in (NATIVE, *tokens))
    return tuple(arches.values()), listed


def _rule(index: int, entry: "dict[str, Any]", wrong: "Violations") -> Rule:
    at = f"/syscalls/{index}"
    names = entry.get("names") or ()
    first = len(wrong)
    if not names:
        wrong.append((f"{at}/names", "at least one system call is required"))
    elif not all(names):
        wrong.append((f"{at}/names", "an empty string is not a system call"))
    action = _action(entry, "action", "errnoRet", at, wrong)
    if action == RET_USER_NOTIF and "write" in names:
        wrong.append((f"{at}/action", "SCMP_ACT_NOTIFY cannot be used for the write syscall"))
    conditions = tuple(
        _condition(f"{at}/args/{position}", argument, wrong)
        for position, argument in enumerate(entry.get("args") or ())
    )
    if len(wrong) > first and names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        wrong[first:] = [(pointer, f"{text} (rule {index}: {names[0]}{more})") for pointer, text in wrong[first:]]
    return Rule(index, tuple(names), action, conditions, entry.get("joint") is True)


def _condition(at: str, argument: "dict[str, Any]", wrong: "Violations") -> Condition:
    index = argument.get("index")
    operator = argument.get("op")
    value = argument.get("value")
    value_two = argument.get("valueTwo") or 0
    if type(index) is not int or not 0 <= index <= 5:
        wrong.append((f"{at}/index", f"{index!r} is not an argument's index, 0 to 5"))
        index = 0
    if operator not in OPERATORS:
        wrong.append((f"{at}/op", "is required" if operator is None else f"unknown operator {operator!r}"))
    for key, number in (("value", value), ("valueTwo", value_two)):
        if type(number) is not int or not 0 <= number <= ARGUMENT_MAX:
            wrong.append((f"{at}/{key}", "is required" if number is None else f"{number!r} is not a 64-bit value"))
    return Condition(index, str(operator), value or 0, value_two)


def _flags(flags: "list[str] | None", wrong: "Violations") -> int | None:
    """SECCOMP_FILTER_FLAG_* bits, or None where the section does not say."""
    for position, flag in enumerate(flags or ()):
        if flag not in FLAGS:
            wrong.append((f"/flags/{position}", f"unknown flag {flag!r}"))
    return flag_bits(flags)


def flag_bits(flags: "list[str] | None") -> int | None:
    """What a section asks for, as SECCOMP_FILTER_FLAG_* bits; None where it does not say."""
    if flags is None:
        return None
    bits = 0
    for flag in flags:
        bits |= FLAGS.get(flag, 0)
    return bits


def settle_flags(bits: int | None, *, notify: bool) -> tuple[int | None, tuple[str, ...]]:
    """The bits that the kernel takes for a program that has a listener or none, and what had to be left out."""
    if bits is None:
        return None, ()
    if notify and bits & FLAG_TSYNC:
        bits |= FLAG_TSYNC_ESRCH  # TSYNC cannot report a thread and a listener in one number (Linux 5.7)
    if bits & FLAG_WAIT_KILLABLE_RECV and not notify:
        bits &= ~FLAG_WAIT_KILLABLE_RECV  # EINVAL without a listener; runc leaves it out as well
        return bits, ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV has no effect without an SCMP_ACT_NOTIFY rule",)
    return bits, ()
