"""resources.devices as an eBPF program for a cgroup (BPF_PROG_TYPE_CGROUP_DEVICE).  Pure.

The specification's list is read from its end: for each kind of access that is asked for, the last rule which covers the
device and that access decides, and what no rule covers is denied.  The program keeps the accesses still undecided in a
register: an allowing rule takes its own out, a denying one that finds one of its own says no, and when none is left the
answer is yes.  A short list of devices that every program expects is allowed after the user's rules, as in runc.
Source: config-linux.md#allowed-device-list, kernel: security/device_cgroup.c, Documentation cgroup-v2 "Device controller".
"""

from _struct import iter_unpack, pack

from runtime.abi.bpf import (
    BPF_AND32_K,
    BPF_DEVCG_ACC_MKNOD,
    BPF_DEVCG_ACC_READ,
    BPF_DEVCG_ACC_WRITE,
    BPF_DEVCG_DEV_BLOCK,
    BPF_DEVCG_DEV_CHAR,
    BPF_EXIT,
    BPF_JA,
    BPF_JNE32_K,
    BPF_JSET32_K,
    BPF_LDX_W,
    BPF_MOV32_K,
    BPF_MOV32_X,
    BPF_RSH32_K,
    CTX_ACCESS_TYPE,
    CTX_MAJOR,
    CTX_MINOR,
    INSN,
)
from runtime.cgroups._default_devices import DEFAULT_BLOCKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_TYPES = {"a": 0, "": 0, None: 0, "b": BPF_DEVCG_DEV_BLOCK, "c": BPF_DEVCG_DEV_CHAR}
_ACCESS = {"m": BPF_DEVCG_ACC_MKNOD, "r": BPF_DEVCG_ACC_READ, "w": BPF_DEVCG_ACC_WRITE}
_ALL = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE
ANY = -1

# (allow, type (0 any), major, minor, access); -1 stands for any number
Rule = tuple[bool, int, int, int, int]

# making any node is harmless as long as it cannot be opened; then what /dev holds by default, and tun
DEFAULT_RULES: tuple[Rule, ...] = (
    (True, BPF_DEVCG_DEV_CHAR, ANY, ANY, BPF_DEVCG_ACC_MKNOD),
    (True, BPF_DEVCG_DEV_BLOCK, ANY, ANY, BPF_DEVCG_ACC_MKNOD),
    (True, BPF_DEVCG_DEV_CHAR, 1, 3, _ALL),  # null
    (True, BPF_DEVCG_DEV_CHAR, 1, 8, _ALL),  # random
    (True, BPF_DEVCG_DEV_CHAR, 1, 7, _ALL),  # full
    (True, BPF_DEVCG_DEV_CHAR, 5, 0, _ALL),  # tty
    (True, BPF_DEVCG_DEV_CHAR, 1, 5, _ALL),  # zero
    (True, BPF_DEVCG_DEV_CHAR, 1, 9, _ALL),  # urandom
    (True, BPF_DEVCG_DEV_CHAR, 5, 1, _ALL),  # console
    (True, BPF_DEVCG_DEV_CHAR, 136, ANY, _ALL),  # pts/*
    (True, BPF_DEVCG_DEV_CHAR, 5, 2, _ALL),  # ptmx
    (True, BPF_DEVCG_DEV_CHAR, 10, 200, _ALL),  # net/tun
)

_R0, _R1, _TYPE, _PENDING, _MAJOR, _MINOR = range(6)
_MASK = 0xFFFFFFFF


def device_rules(entries: "Iterable[Mapping[str, Any]]") -> tuple[list[Rule], list[tuple[str, str]]]:
    """resources.devices as rules, without the default ones, and what is wrong with it (pointer below it, message)."""
    rules: list[Rule] = []
    wrong: list[tuple[str, str]] = []
    for index, entry in enumerate(entries):
        bits = 0
        for letter in entry.get("access") or "":
            bits |= _ACCESS[letter]
        if not bits:
            wrong.append((f"/{index}/access", f"device access at {index} field cannot be empty"))
        major, minor = entry.get("major"), entry.get("minor")
        numbers = (ANY if major is None else int(major), ANY if minor is None else int(minor))
        for name, number in (("major", numbers[0]), ("minor", numbers[1])):
            if not ANY <= number < 1 << 32:
                wrong.append((f"/{index}/{name}", f"{number} is not a device number"))
        rules.append((bool(entry.get("allow")), _TYPES[entry.get("type")], *numbers, bits))
    return rules, wrong


def allows_everything(rules: "Iterable[Rule]") -> bool:
    """Whether these rules deny nothing, so that no program is needed."""
    allowed = 0
    for allow, kind, major, minor, access in rules:
        if (kind, major, minor) == (0, ANY, ANY):
            allowed = allowed | access if allow else allowed & ~access
        elif not allow:
            allowed = 0 if allowed & access else allowed
    return allowed == _ALL


def _insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> int:
    """One instruction as a little-endian 64-bit number."""
    return code | dst << 8 | src << 12 | off << 16 | imm << 32


_PROLOGUE = (
    _insn(BPF_LDX_W, _TYPE, _R1, CTX_ACCESS_TYPE),
    _insn(BPF_MOV32_X, _PENDING, _TYPE),
    _insn(BPF_RSH32_K, _PENDING, imm=16),
    _insn(BPF_AND32_K, _TYPE, imm=0xFFFF),
    _insn(BPF_LDX_W, _MAJOR, _R1, CTX_MAJOR),
    _insn(BPF_LDX_W, _MINOR, _R1, CTX_MINOR),
)
_EXIT = _insn(BPF_EXIT)
_ALLOW = (_insn(BPF_MOV32_K, _R0, imm=1), _EXIT)
_DENY = (_insn(BPF_MOV32_K, _R0, imm=0), _EXIT)
# the middle of a block: out of the pending accesses and on unless none is left; no, if one of them is ours
_TAKE = _insn(BPF_AND32_K, _PENDING)
_ALLOW_TAIL = (_insn(BPF_JNE32_K, _PENDING, off=2), *_ALLOW)
_MEET = _insn(BPF_JSET32_K, _PENDING, off=1)
_DENY_TAIL = (_insn(BPF_JA, off=2), *_DENY)
_BODY = 4  # instructions after the tests
_OTHER_TYPE = BPF_JNE32_K | _TYPE << 8
_OTHER_MAJOR = BPF_JNE32_K | _MAJOR << 8
_OTHER_MINOR = BPF_JNE32_K | _MINOR << 8


def _add_rule(program: list[int], rule: Rule) -> None:
    """Add one rule's block: it leaves to the next when the device is another one or accesses stay undecided."""
    allow, kind, major, minor, access = rule
    end = len(program) + _BODY + (kind != 0) + (major != ANY) + (minor != ANY)
    if kind:
        program.append(_OTHER_TYPE | (end - len(program) - 1) << 16 | kind << 32)
    if major != ANY:
        program.append(_OTHER_MAJOR | (end - len(program) - 1) << 16 | major << 32)
    if minor != ANY:
        program.append(_OTHER_MINOR | (end - len(program) - 1) << 16 | minor << 32)
    if allow:
        program.append(_TAKE | (~access & _MASK) << 32)
        program += _ALLOW_TAIL
    else:
        program.append(_MEET | access << 32)
        program += _DENY_TAIL


def default_blocks() -> bytes:
    """The beginning of every program, as `_default_devices` keeps it: the context read, then the default rules."""
    program = list(_PROLOGUE)
    for rule in reversed(DEFAULT_RULES):
        _add_rule(program, rule)
    return pack(f"<{len(program)}Q", *program)


def compile_devices(rules: "Sequence[Rule]") -> bytes:
    """The program, an array of struct bpf_insn, for the user's rules followed by the default ones."""
    program: list[int] = []
    end = _DENY
    for rule in reversed(rules):
        allow, kind, major, minor, access = rule
        if (kind, major, minor, access) == (0, ANY, ANY, _ALL):
            # nothing before this rule can matter, and the kernel refuses instructions that nothing reaches
            end = _ALLOW if allow else _DENY
            break
        _add_rule(program, rule)
    program += end
    return DEFAULT_BLOCKS + pack(f"<{len(program)}Q", *program)


def decode(program: bytes) -> list[tuple[int, int, int, int, int]]:
    """A program as (code, dst, src, off, imm), for tests and people."""
    return [
        (code, registers & 15, registers >> 4, off, imm) for code, registers, off, imm in iter_unpack(INSN, program)
    ]
