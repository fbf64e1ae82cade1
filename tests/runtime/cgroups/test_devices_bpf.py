"""The device program, run by an interpreter of the few instructions it uses, against the list read from its end."""

import itertools
from _struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.abi import bpf
from runtime.cgroups._default_devices import DEFAULT_BLOCKS
from runtime.cgroups.devices_bpf import (
    ANY,
    DEFAULT_RULES,
    Rule,
    allows_everything,
    compile_devices,
    decode,
    default_blocks,
    device_rules,
)

BLOCK, CHAR = bpf.BPF_DEVCG_DEV_BLOCK, bpf.BPF_DEVCG_DEV_CHAR
MKNOD, READ, WRITE = bpf.BPF_DEVCG_ACC_MKNOD, bpf.BPF_DEVCG_ACC_READ, bpf.BPF_DEVCG_ACC_WRITE
_U32 = 0xFFFFFFFF


def run(program: bytes, kind: int, major: int, minor: int, access: int) -> int:
    """What the program answers; refuses instructions out of place and jumps out of the program, as the kernel does."""
    context = {bpf.CTX_ACCESS_TYPE: access << 16 | kind, bpf.CTX_MAJOR: major, bpf.CTX_MINOR: minor}
    steps = decode(program)
    registers: dict[int, int] = {}
    at = 0
    while True:
        code, dst, src, off, imm = steps[at]
        at += 1
        if code == bpf.BPF_EXIT:
            return registers[0]
        if code == bpf.BPF_LDX_W:
            assert src == 1
            registers[dst] = context[off]
        elif code == bpf.BPF_MOV32_K:
            registers[dst] = imm & _U32
        elif code == bpf.BPF_MOV32_X:
            registers[dst] = registers[src]
        elif code == bpf.BPF_AND32_K:
            registers[dst] &= imm & _U32
        elif code == bpf.BPF_RSH32_K:
            registers[dst] >>= imm
        else:
            wanted = imm & 0xFFFFFFFFFFFFFFFF  # jumps compare 64 bits with the sign-extended constant
            taken = {
                bpf.BPF_JA: True,
                bpf.BPF_JNE32_K: registers.get(dst, 0) != wanted,
                bpf.BPF_JSET32_K: bool(registers.get(dst, 0) & wanted),
            }[code]
            at += off if taken else 0
            assert off > 0


def allowed(rules: list[Rule], kind: int, major: int, minor: int, access: int) -> bool:
    """The list itself: for each kind of access the last rule that covers it decides; none: denied."""
    for bit in (MKNOD, READ, WRITE):
        if not access & bit:
            continue
        verdict = False
        for allow, rule_kind, rule_major, rule_minor, rule_access in (*rules, *DEFAULT_RULES):
            same = rule_kind in (0, kind) and rule_major in (ANY, major) and rule_minor in (ANY, minor)
            if same and rule_access & bit:
                verdict = allow
        if not verdict:
            return False
    return True


_NUMBERS = st.sampled_from([ANY, 0, 1, 3, 5, 8, 136, 2**31, 2**32 - 1])
_RULES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0, BLOCK, CHAR]), _NUMBERS, _NUMBERS, st.integers(1, 7)), max_size=8
)


def fits_a_jump(number: int) -> bool:
    """Whether a device number is below the sign of the constant in an instruction."""
    return number < 2**31


@given(
    _RULES, st.sampled_from([BLOCK, CHAR]), st.sampled_from([0, 1, 3, 5, 8, 136, 255]), st.sampled_from([0, 1, 3, 5])
)
def test_the_program_answers_as_the_list(rules: list[Rule], kind: int, major: int, minor: int) -> None:
    """For every combination of accesses."""
    program = compile_devices(rules)
    for access in range(1, 8):
        assert run(program, kind, major, minor, access) == allowed(rules, kind, major, minor, access)


@given(_RULES)
def test_the_verifier_reaches_every_instruction(rules: list[Rule]) -> None:
    """The kernel refuses a program with dead instructions, jumps out of it, or no exit at its end."""
    steps = decode(compile_devices(rules))
    reached, pending = set(), [0]
    while pending:
        at = pending.pop()
        if at in reached:
            continue
        assert 0 <= at < len(steps)
        reached.add(at)
        code, _dst, _src, off, _imm = steps[at]
        if code == bpf.BPF_EXIT:
            continue
        if code != bpf.BPF_JA:
            pending.append(at + 1)
        if code in (bpf.BPF_JA, bpf.BPF_JNE32_K, bpf.BPF_JSET32_K):
            pending.append(at + 1 + off)
    assert reached == set(range(len(steps)))


def test_dockers_list() -> None:
    """Deny all, allow a few; then the default ones, and nothing else."""
    rules, wrong = device_rules(
        [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}]
    )
    assert not wrong
    program = compile_devices(rules)
    assert run(program, CHAR, 10, 229, READ | WRITE)
    assert run(program, CHAR, 10, 229, READ | MKNOD)  # every node may be made
    assert not run(program, CHAR, 10, 230, READ)
    assert run(program, CHAR, 136, 77, READ | WRITE)
    assert not run(program, BLOCK, 8, 0, READ)
    assert run(program, BLOCK, 8, 0, MKNOD)
    assert not run(program, BLOCK, 8, 0, READ | MKNOD)


def test_no_list_means_the_default_devices() -> None:
    """As in runc on cgroup v2."""
    program = compile_devices([])
    assert run(program, CHAR, 1, 3, READ | WRITE)
    assert not run(program, CHAR, 1, 1, READ)


@pytest.mark.parametrize(
    ("entries", "everything"),
    [
        ([], False),
        ([{"allow": True, "access": "rwm"}], True),
        ([{"allow": True, "type": "a", "access": "rw"}], False),
        ([{"allow": True, "type": "a", "access": "rw"}, {"allow": True, "access": "m"}], True),
        ([{"allow": True, "access": "rwm"}, {"allow": False, "type": "c", "major": 1, "access": "r"}], False),
        ([{"allow": False, "type": "c", "access": "rwm"}, {"allow": True, "access": "rwm"}], True),
        ([{"allow": True, "type": "c", "access": "rwm"}], False),
    ],
)
def test_lists_that_allow_everything(entries: list[dict[str, Any]], everything: bool) -> None:
    """They need no program, and must not be taken for lists that deny something."""
    rules, _wrong = device_rules(entries)
    assert allows_everything(rules) is everything
    if everything:
        for kind, major, minor, access in itertools.product((BLOCK, CHAR), (0, 8), (0, 1), range(1, 8)):
            assert allowed(rules, kind, major, minor, access)


def test_what_is_wrong_with_a_list() -> None:
    """By its place: rules without access, numbers that no device has."""
    _rules, wrong = device_rules([{"allow": True}, {"allow": True, "access": "r", "major": 2**32, "minor": -2}])
    assert wrong == [
        ("/0/access", "device access at 0 field cannot be empty"),
        ("/1/major", "4294967296 is not a device number"),
        ("/1/minor", "-2 is not a device number"),
    ]


def test_instruction_layout() -> None:
    """struct bpf_insn: opcode, registers (destination low), offset, constant."""
    assert compile_devices([])[:8] == pack("<BBhi", 0x61, 2 | 1 << 4, 0, 0)


def test_the_kept_beginning_is_current() -> None:
    """It is a literal because every container's start would compile the same again."""
    assert default_blocks() == DEFAULT_BLOCKS, default_blocks().hex()
