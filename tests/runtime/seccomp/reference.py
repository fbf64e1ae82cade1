"""The reference judge: what an OCI seccomp section means, read off the section for one call at a time.

Slow and short on purpose: no ranges, no words, no trees.  It shares nothing with the compiler but the tables of numbers and
names.
"""

from typing import Any

from runtime.seccomp.arches import ARCHES, IPC, SOCKETCALL, Arch, find_arch, syscall_numbers
from runtime.seccomp.interpret import Call

ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x30000,
    "SCMP_ACT_ERRNO": 0x50000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
}
RANKS = {"NE": 0, "EQ": 0, "MASKED_EQ": 1, "LT": 2, "LE": 2, "GE": 3, "GT": 3}
ENOSYS = 0x50000 | 38


def verdict_of(entry: dict[str, Any], action: str = "action", errno: str = "errnoRet") -> int:
    """SECCOMP_RET_* with its data."""
    value = ACTIONS[entry[action]]
    if entry[action] in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        value |= min(1 if entry.get(errno) is None else entry[errno], 4095 if value == 0x50000 else 0xFFFF)
    return value


def holds(condition: dict[str, Any], call: Call, bits: int) -> bool:
    """Whether one condition of the section holds."""
    limit = (1 << bits) - 1
    argument: int = call.args[condition["index"]] & limit
    value: int = condition["value"] & limit
    value_two: int = (condition.get("valueTwo") or 0) & limit
    answers = {
        "SCMP_CMP_NE": argument != value,
        "SCMP_CMP_LT": argument < value,
        "SCMP_CMP_LE": argument <= value,
        "SCMP_CMP_EQ": argument == value,
        "SCMP_CMP_GE": argument >= value,
        "SCMP_CMP_GT": argument > value,
        "SCMP_CMP_MASKED_EQ": argument & value == value_two & value,
    }
    return answers[condition["op"]]


def alternatives(section: dict[str, Any], default: int) -> list[tuple[list[str], list[dict[str, Any]], int]]:
    """(names, conditions, verdict) of each rule; one that names an argument twice becomes several, unless it is a policy's joint one."""
    found: list[tuple[list[str], list[dict[str, Any]], int]] = []
    for entry in section.get("syscalls") or ():
        verdict, conditions = verdict_of(entry), entry.get("args") or []
        if verdict != default or others_of(section, default) != default:
            twice = not entry.get("joint") and len({condition["index"] for condition in conditions}) < len(conditions)
            split = [[condition] for condition in conditions] if twice else [conditions]
            found.extend((entry["names"], one, verdict) for one in split)
    return found


def others_of(section: dict[str, Any], default: int) -> int:
    """The verdict on calls that no rule names: the default, but for what a policy says."""
    return verdict_of(section, "otherwise", "otherwiseErrnoRet") if section.get("otherwise") else default


def order(conditions: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Where overlapping rules stand: unconditional, higher first argument, operator, tighter bound."""
    if not conditions:
        return (-9, 0, 0)
    first = min(conditions, key=lambda condition: int(condition["index"]))
    rank = RANKS[first["op"].removeprefix("SCMP_CMP_")]
    return (-first["index"], rank, {0: -first["value"], 1: 0, 2: first["value"], 3: -first["value"]}[rank])


def abi_of(section: dict[str, Any], native: str, call: Call) -> Arch | None:
    """The ABI whose numbers the call uses, if the section's program decides on it."""
    own = find_arch(native)
    assert own is not None
    tokens = {own.token, *(section.get("architectures") or ())}
    for token in tokens:
        if ARCHES[token][0] == call.arch:
            if call.arch != 0xC000003E:
                return find_arch(token)
            if bool(call.nr & 0x40000000) == (token == "SCMP_ARCH_X32"):
                return find_arch(token)
    return None


def evaluate(section: dict[str, Any], native: str, call: Call) -> int:
    """The verdict on one call."""
    default = verdict_of(section, "defaultAction", "defaultErrnoRet")
    others = others_of(section, default)
    abi = abi_of(section, native, call)
    if abi is None:
        cancelled = call.arch == 0xC000003E and call.nr == 0xFFFFFFFF and call.arch == ARCHES[_token(native)][0]
        return others if cancelled else 0
    numbers = syscall_numbers(abi)
    doors = {"socketcall": SOCKETCALL, "ipc": IPC} if abi.multiplexed else {}
    matching = []
    for names, conditions, verdict in alternatives(section, default):
        if any(numbers.get(name) == call.nr for name in names) and all(
            holds(condition, call, abi.bits) for condition in conditions
        ):
            matching.append((order(conditions), verdict))
        for door, calls in doors.items():
            rest = [condition for condition in conditions if condition["index"]]
            first = call.args[0] & ((1 << abi.bits) - 1)
            asked = call.nr == numbers[door] and any(calls[name] == first for name in names if name in calls)
            if asked and all(holds(condition, call, abi.bits) for condition in rest):
                matching.append(((-8, 0, 0) if not conditions else order(rest) if rest else (-7, 0, 0), verdict))
    if matching:
        return min(matching, key=lambda match: match[0])[1]
    asked_for = {name for entry in section.get("syscalls") or () for name in entry["names"]}
    if others != default and (
        call.nr in {numbers.get(name) for name in asked_for} or _behind_a_door(asked_for, numbers, doors, call, abi)
    ):
        return default
    beyond = others
    if (
        abi.token == "SCMP_ARCH_X86_64"
        and call.nr >> 31
        and "SCMP_ARCH_X32" not in (section.get("architectures") or ())
    ):
        beyond = 0  # beyond what libseccomp takes for x86_64; newer than the profile is said first, by runc
    own = find_arch(native)
    assert own is not None
    permissive = (section.get("otherwise") or section["defaultAction"]) in (
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_LOG",
        "SCMP_ACT_TRACE",
    )
    if permissive or abi.token not in (own.token, *(section.get("architectures") or ())):
        return beyond
    named = {name for entry in section.get("syscalls") or () for name in entry["names"]}
    newest = max((numbers[name] for name in named if name in numbers), default=0)
    ruled = {name for names, _, _ in alternatives(section, default) for name in names}
    through = [numbers[door] for door, calls in doors.items() if ruled & set(calls)]
    return ENOSYS if newest and call.nr > max([newest, *through]) else beyond


def _behind_a_door(
    names: set[str], numbers: dict[str, int], doors: dict[str, dict[str, int]], call: Call, abi: Arch
) -> bool:
    """Whether rules name the call that socketcall or ipc is asked for."""
    first = call.args[0] & ((1 << abi.bits) - 1)
    return any(
        call.nr == numbers[door] and any(calls[name] == first for name in names if name in calls)
        for door, calls in doors.items()
    )


def _token(native: str) -> str:
    arch = find_arch(native)
    assert arch is not None
    return arch.token
