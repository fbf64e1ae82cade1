"""A small eBPF assembler: instructions with jumps to labels become an array of struct bpf_insn.  Pure, hot.

Jumps go forward only, as the programs of a cgroup need no loops; the kernel's verifier judges the rest.
Source: linux/bpf.h; the instruction set's standard, RFC 9669.
"""

from _struct import pack

from runtime.abi.bpf import (
    BPF_CALL,
    BPF_EXIT,
    BPF_JA,
    BPF_LD_IMM64,
    BPF_MOV32_K,
    BPF_PSEUDO_MAP_FD,
)

FRAME = 10  # the register that points to the end of the stack
_MASK16 = 0xFFFF
_MASK32 = 0xFFFFFFFF


class Assembly:
    """A program while it is being written; registers are given by number."""

    __slots__ = ("_jumps", "_labels", "code")

    def __init__(self) -> None:
        """Nothing yet."""
        self.code: list[int] = []  # one little-endian number an instruction
        self._jumps: list[tuple[int, str]] = []
        self._labels: dict[str, int] = {}

    def emit(self, code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> None:
        """One instruction that is no jump; `off` and `imm` are signed."""
        self.code.append(code | dst << 8 | src << 12 | (off & _MASK16) << 16 | (imm & _MASK32) << 32)

    def jump(self, label: str, code: int = BPF_JA, dst: int = 0, imm: int = 0) -> None:
        """A jump to a label that is placed later; without a code always."""
        self._jumps.append((len(self.code), label))
        self.code.append(code | dst << 8 | (imm & _MASK32) << 32)

    def label(self, name: str) -> None:
        """The next instruction is where jumps to this label go."""
        if name in self._labels:
            raise ValueError(f"label {name} is placed twice")
        self._labels[name] = len(self.code)

    def load_map(self, dst: int, place: int) -> None:
        """The address of the map that the loader knows by this place."""
        self.emit(BPF_LD_IMM64, dst, BPF_PSEUDO_MAP_FD, imm=place)
        self.code.append(0)

    def call(self, helper: int) -> None:
        """r0 = helper(r1, ...); r1 to r5 are lost."""
        self.emit(BPF_CALL, imm=helper)

    def answer(self, value: int) -> None:
        """End with this number."""
        self.emit(BPF_MOV32_K, 0, imm=value)
        self.emit(BPF_EXIT)

    def has_jumps_to(self, label: str) -> bool:
        """Whether anything goes there: the kernel refuses instructions that nothing reaches."""
        return any(name == label for _at, name in self._jumps)

    def assemble(self) -> bytes:
        """The program's bytes.  Raises: ValueError for a jump backwards or to nowhere."""
        code = self.code
        for at, label in self._jumps:
            distance = self._labels.get(label, at) - at - 1
            if not 0 <= distance < 1 << 15:
                raise ValueError(f"label {label} is not ahead of a jump to it")
            code[at] |= distance << 16
        self._jumps = []
        return pack(f"<{len(code)}Q", *code)
