"""Hypothesis strategies for OCI seccomp sections, and the calls at which their verdicts change."""

from typing import Any

from hypothesis import strategies as st

from runtime.seccomp.arches import IPC, SOCKETCALL, Arch, find_arch, syscall_numbers
from runtime.seccomp.interpret import Call

VALUES = (0, 1, 2, 5, 7, 40, 0x7E020000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
WIDE = (1 << 32, (1 << 32) + 5, (1 << 33) - 1, 5 << 32, (5 << 32) + 7, 1 << 63, (1 << 64) - 2, (1 << 64) - 1)
NAMES = (
    "read",
    "write",
    "clone",
    "personality",
    "ptrace",
    "openat",
    "getppid",
    "mmap2",
    "_llseek",
    "fchmodat2",
    "no_such_call",
)
MULTIPLEXED = ("socket", "bind", "semop", "msgget", "accept4", "shmat")
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
ACTIONS: tuple[dict[str, Any], ...] = (
    {"action": "SCMP_ACT_ALLOW"},
    {"action": "SCMP_ACT_ERRNO"},
    {"action": "SCMP_ACT_ERRNO", "errnoRet": 2},
    {"action": "SCMP_ACT_KILL"},
    {"action": "SCMP_ACT_KILL_PROCESS"},
    {"action": "SCMP_ACT_TRAP"},
    {"action": "SCMP_ACT_LOG"},
    {"action": "SCMP_ACT_TRACE", "errnoRet": 7},
)
X86_FAMILY = ("SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_X86_64")
# one of each width, byte order and multiplexing
NATIVES = ("x86_64", "i686", "aarch64", "armv7l", "s390x", "s390", "ppc64le", "ppc", "SCMP_ARCH_MIPS64N32", "riscv64")


def conditions(
    indices: st.SearchStrategy[int] | None = None, operators: tuple[str, ...] = OPERATORS
) -> st.SearchStrategy[dict[str, Any]]:
    """One condition."""
    return st.fixed_dictionaries(
        {
            "index": st.integers(0, 5) if indices is None else indices,
            "op": st.sampled_from(operators).map(lambda name: f"SCMP_CMP_{name}"),
            "value": st.sampled_from(VALUES + WIDE),
        },
        optional={"valueTwo": st.sampled_from(VALUES + WIDE)},
    )


@st.composite
def sections(
    draw: st.DrawFn,
    *,
    names: tuple[str, ...] = NAMES + MULTIPLEXED,
    rules: int = 6,
    operators: tuple[str, ...] = OPERATORS,
) -> dict[str, Any]:
    """Any section that makes sense: overlapping rules, repeated arguments, every action that fits everywhere."""
    entries = []
    for _ in range(draw(st.integers(0, rules))):
        entry = dict(draw(st.sampled_from(ACTIONS)))
        entry["names"] = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
        if draw(st.booleans()):
            entry["args"] = draw(st.lists(conditions(operators=operators), min_size=1, max_size=3))
        entries.append(entry)
    default = draw(st.sampled_from(ACTIONS))
    section = {"defaultAction": default["action"], "syscalls": entries}
    if "errnoRet" in default:
        section["defaultErrnoRet"] = default["errnoRet"]
    return section


@st.composite
def policy_sections(draw: st.DrawFn, *, rules: int = 5) -> dict[str, Any]:
    """What a policy says beyond the specification: a verdict for calls that no rule names, rules whose conditions all hold."""
    section = draw(sections(rules=rules))
    otherwise = draw(st.sampled_from(ACTIONS))
    section["otherwise"] = otherwise["action"]
    if "errnoRet" in otherwise:
        section["otherwiseErrnoRet"] = otherwise["errnoRet"]
    for entry in section["syscalls"]:
        entry["joint"] = draw(st.booleans())
    return section


def boundary_calls(section: dict[str, Any], native: str) -> list[Call]:
    """Calls at and beside every number and argument value that the section names."""
    calls = []
    own = find_arch(native)
    assert own is not None
    for token in dict.fromkeys((own.token, *(section.get("architectures") or ()))):
        arch = find_arch(token)
        assert arch is not None
        numbers = syscall_numbers(arch)
        base = 0x40000000 if token == "SCMP_ARCH_X32" else 0
        edges = {base, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF, 0x80000000, 0xBFFFFFFF, 0xC0000000, 0xFFFFFFFE, 0xFFFFFFFF}
        for entry in section["syscalls"]:
            for name in entry["names"]:
                if name in numbers:
                    edges.update((numbers[name] - 1 & 0xFFFFFFFF, numbers[name], numbers[name] + 1))
        calls += [Call(nr, arch.audit, (2, 7, 0, 40, 1, 5)) for nr in edges]
        for entry in section["syscalls"]:
            for nr in {numbers[name] for name in entry["names"] if name in numbers}:
                calls += [Call(nr, arch.audit, args) for args in _edge_arguments(entry.get("args") or ())]
        if arch.multiplexed:
            for door in ("socketcall", "ipc"):
                for first in (0, 1, 2, 11, 13, 18, 21, 22, 1 << 32 | 1):
                    calls.append(Call(numbers[door], arch.audit, (first, 5, 7, 0, 0x80000000, 2)))
            calls += _behind_doors(section, arch, numbers)
    calls.append(Call(0, 0x1234))
    return calls


def _behind_doors(section: dict[str, Any], arch: Arch, numbers: dict[str, int]) -> list[Call]:
    """Calls through socketcall and ipc with the values that rules ask of the calls' own arguments."""
    found = []
    for door, doors in (("socketcall", SOCKETCALL), ("ipc", IPC)):
        for entry in section["syscalls"]:
            for name in doors.keys() & entry["names"]:
                edges = _edge_arguments(entry.get("args") or ())
                found += [Call(numbers[door], arch.audit, (doors[name], *arguments[1:])) for arguments in edges]
    return found


def _edge_arguments(args: Any) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [(0,) * 6, ((1 << 64) - 1,) * 6]
    base = [0] * 6
    for condition in args:
        base[condition["index"]] = condition["value"]
    found.append(tuple(base))
    for condition in args:
        for value in {condition["value"], condition.get("valueTwo") or 0}:
            for shifted in (value - 1, value, value + 1, value ^ 1 << 32, value ^ 1 << 31, value & 0xFFFFFFFF):
                moved = list(base)
                moved[condition["index"]] = shifted & ((1 << 64) - 1)
                found.append(tuple(moved))
    return found
