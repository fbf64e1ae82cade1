"""The assembler."""

from __future__ import annotations

import pytest

from runtime.abi import bpf
from runtime.policy.ebpf import Assembly


def test_instructions_are_struct_bpf_insn() -> None:
    """Opcode, destination low and source high, offset, constant; negative numbers in two's complement."""
    code = Assembly()
    code.emit(bpf.BPF_STX_W, 10, 1, -20, -2)
    assert code.assemble() == bytes([0x63, 0x1A, 0xEC, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF])


def test_jumps_count_from_the_next_instruction() -> None:
    """Over two halves of a constant too."""
    code = Assembly()
    code.jump("end", bpf.BPF_JEQ_K, 3, 7)
    code.load_map(1, 1)
    code.label("end")
    code.answer(1)
    image = code.assemble()
    assert image[:8] == bytes([0x15, 3, 3 - 1, 0, 7, 0, 0, 0])
    assert image[8:24] == bytes([0x18, 0x11, 0, 0, 1, 0, 0, 0]) + bytes(8)


def test_jumps_back_and_to_nowhere_are_refused() -> None:
    """The kernel would refuse them later, with less to say."""
    code = Assembly()
    code.jump("nowhere")
    with pytest.raises(ValueError, match="nowhere"):
        code.assemble()
    code = Assembly()
    code.label("back")
    code.jump("back")
    with pytest.raises(ValueError, match="back"):
        code.assemble()
    with pytest.raises(ValueError, match="twice"):
        code.label("back")
