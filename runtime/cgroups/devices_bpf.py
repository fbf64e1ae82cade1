"""resources.devices as an eBPF program for a cgroup (BPF_PROG_TYPE_CGROUP_DEVICE).  Pure.

The specification's list is read from its end: for each kind of access that is asked for, the last rule which covers the
device and that access decides, and what no rule covers is denied.  The program keeps the accesses still undecided in a
register: an allowing rule takes its own out, a denying one that finds one of its own says no, and when none is left the
answer is yes.  A short list of devices that every program expects is allowed after the user's rules, as in runc.
Source: config-linux.md#allowed-device-list, kernel: security/device_cgroup.c, Documentation cgroup-v2 "Device controller".
"""

from _struct import Struct

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
    from collections.abc import Iterable, Mapping
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

_pack = Struct(INSN).pack
_R0, _R1, _TYPE, _PENDING, _MAJOR, _MINOR = range(6)


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


def _insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return _pack(code, dst | src << 4, off, imm)


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


_PROLOGUE = b"".join(
    (
        _insn(BPF_LDX_W, _TYPE, _R1, CTX_ACCESS_TYPE),
        _insn(BPF_MOV32_X, _PENDING, _TYPE),
        _insn(BPF_RSH32_K, _PENDING, imm=16),
        _insn(BPF_AND32_K, _TYPE, imm=0xFFFF),
        _insn(BPF_LDX_W, _MAJOR, _R1, CTX_MAJOR),
        _insn(BPF_LDX_W, _MINOR, _R1, CTX_MINOR),
    )
)
_ALLOW = _insn(BPF_MOV32_K, _R0, imm=1) + _insn(BPF_EXIT)
_DENY = _insn(BPF_MOV32_K, _R0, imm=0) + _insn(BPF_EXIT)


def _rule(rule: Rule) -> bytes:
    """One rule's block: leaves to the next block when the device is another one or accesses stay undecided."""
    allow, kind, major, minor, access = rule
    tests = [(_TYPE, kind)] if kind else []
    tests += [(register, number) for register, number in ((_MAJOR, major), (_MINOR, minor)) if number != ANY]
    if allow:
        body = [
            _insn(BPF_AND32_K, _PENDING, imm=_signed(~access & 0xFFFFFFFF)),
            _insn(BPF_JNE32_K, _PENDING, off=2, imm=0),
            _ALLOW,
        ]
    else:
        body = [_insn(BPF_JSET32_K, _PENDING, off=1, imm=access), _insn(BPF_JA, off=2), _DENY]
    length = 4
    head = [
        _insn(BPF_JNE32_K, register, off=len(tests) - index - 1 + length, imm=_signed(number))
        for index, (register, number) in enumerate(tests)
    ]
    return b"".join((*head, *body))


def default_blocks() -> bytes:
    """The beginning of every program, as `_default_devices` keeps it: the context read, then the default rules."""
    return b"".join((_PROLOGUE, *(_rule(rule) for rule in reversed(DEFAULT_RULES))))


def compile_devices(rules: "Iterable[Rule]") -> bytes:
    """The program, an array of struct bpf_insn, for the user's rules followed by the default ones."""
    parts = [DEFAULT_BLOCKS]
    end = _DENY
    for rule in reversed(tuple(rules)):
        allow, kind, major, minor, access = rule
        if (kind, major, minor, access) == (0, ANY, ANY, _ALL):
            # nothing before this rule can matter, and the kernel refuses instructions that nothing reaches
            end = _ALLOW if allow else _DENY
            break
        parts.append(_rule(rule))
    parts.append(end)
    return b"".join(parts)


def decode(program: bytes) -> list[tuple[int, int, int, int, int]]:
    """A program as (code, dst, src, off, imm), for tests and people."""
    return [
        (code, registers & 15, registers >> 4, off, imm)
        for code, registers, off, imm in Struct(INSN).iter_unpack(program)
    ]
