"""An interpreter of the eBPF that cgroup programs use: strict where the kernel's verifier is.

Registers hold numbers, or pointers as (region, offset); an instruction or access out of place is an AssertionError.
"""

from __future__ import annotations

import struct
from _struct import iter_unpack
from collections.abc import Callable
from dataclasses import dataclass, field

from runtime.abi import bpf

U64 = 0xFFFFFFFFFFFFFFFF
U32 = 0xFFFFFFFF
Pointer = tuple[str, int]
Value = int | Pointer
_LOADS = {bpf.BPF_LDX_B: 1, bpf.BPF_LDX_H: 2, bpf.BPF_LDX_W: 4, bpf.BPF_LDX_DW: 8}
_JUMPS: dict[int, Callable[[int, int], bool]] = {
    bpf.BPF_JEQ_K: lambda a, b: a == b,
    bpf.BPF_JNE_K: lambda a, b: a != b,
    bpf.BPF_JGT_K: lambda a, b: a > b,
    bpf.BPF_JLT_K: lambda a, b: a < b,
    bpf.BPF_JSET_K: lambda a, b: bool(a & b),
    bpf.BPF_JNE_W: lambda a, b: a & U32 != b & U32,
    bpf.BPF_JEQ_W: lambda a, b: a & U32 == b & U32,
}


@dataclass
class Machine:
    """`context` and `socket` are fields by offset; `maps` are by place: (prefix length, address) -> value; `packet` from its IP header."""

    context: dict[int, int]
    maps: list[dict[tuple[int, bytes], bytes]] = field(default_factory=list)
    socket: dict[int, int] | None = None
    packet: bytes = b""
    registers: dict[int, Value] = field(default_factory=dict)
    stack: dict[int, int] = field(default_factory=dict)
    value: bytes = b""
    covered: set[int] = field(default_factory=set)

    def run(self, program: bytes) -> int:
        """What the program answers."""
        steps = list(iter_unpack(bpf.INSN, program))
        check_shape(program)
        self.registers = {1: ("context", 0), 10: ("stack", 0)}
        at = 0
        while True:
            self.covered.add(at)
            code, registers, off, imm = steps[at]
            at += 1
            if code == bpf.BPF_EXIT:
                answer = self.registers[0]
                assert isinstance(answer, int)
                return answer
            if code == bpf.BPF_LD_IMM64:
                assert registers >> 4 == bpf.BPF_PSEUDO_MAP_FD
                self.registers[registers & 15] = ("map", imm)
                at += 1
            else:
                at += self.step(code, registers & 15, registers >> 4, off, imm)

    def step(self, code: int, dst: int, src: int, off: int, imm: int) -> int:
        """Carry out one instruction; how far it jumps."""
        if code in _LOADS:
            self.registers[dst] = self.load(self.registers[src], off, _LOADS[code])
        elif code == bpf.BPF_ST_W:
            self.store(self.registers[dst], off, imm & U32, 4)
        elif code in (bpf.BPF_STX_W, bpf.BPF_STX_DW):
            size = 4 if code == bpf.BPF_STX_W else 8
            value = self.registers[src]
            assert isinstance(value, int)
            self.store(self.registers[dst], off, value, size)
        elif code == bpf.BPF_CALL:
            self.call(imm)
        elif code == bpf.BPF_JA:
            return off
        elif code in _JUMPS:
            value = self.registers[dst]
            number = value if isinstance(value, int) else 1 << 40  # no pointer is 0
            return off if _JUMPS[code](number, imm & U64) else 0
        else:
            self.registers[dst] = self.compute(code, dst, src, imm)
        return 0

    def compute(self, code: int, dst: int, src: int, imm: int) -> Value:
        """The new value of a register."""
        if code == bpf.BPF_MOV64_X:
            return self.registers[src]
        if code == bpf.BPF_MOV32_K:
            return imm & U32
        value = self.registers[dst]
        if code == bpf.BPF_ADD64_K and not isinstance(value, int):
            return (value[0], value[1] + imm)
        assert isinstance(value, int)
        if code == bpf.BPF_BE:
            assert imm == 16
            return int.from_bytes((value & 0xFFFF).to_bytes(2, "little"), "big")
        return {
            bpf.BPF_RSH64_K: lambda: value >> imm,
            bpf.BPF_AND64_K: lambda: value & imm & U64,
            bpf.BPF_AND32_K: lambda: value & imm & U32,
            bpf.BPF_LSH32_K: lambda: value << imm & U32,
        }[code]()

    def load(self, pointer: Value, off: int, size: int) -> Value:
        """Read memory: of the context and the socket whole fields, of stack and value what was written."""
        assert not isinstance(pointer, int)
        region, begin = pointer
        at = begin + off
        if region == "context":
            if at == bpf.SKB_SK and size == 8:
                return ("sock_common", 0) if self.socket is not None else 0
            return self.context[at]
        if region == "socket":
            assert self.socket is not None
            return self.socket[at]
        if region == "value":
            return int.from_bytes(self.value[at : at + size], "little")
        assert region == "stack"
        assert -512 <= at <= -size
        assert at % size == 0
        return int.from_bytes(bytes(self.stack[at + index] for index in range(size)), "little")

    def store(self, pointer: Value, off: int, value: int, size: int) -> None:
        """Write to the stack."""
        assert not isinstance(pointer, int)
        region, begin = pointer
        at = begin + off
        assert region == "stack"
        assert -512 <= at <= -size
        assert at % size == 0
        for index, byte in enumerate((value & ((1 << 8 * size) - 1)).to_bytes(size, "little")):
            self.stack[at + index] = byte

    def call(self, helper: int) -> None:
        """One of the three helpers; it takes its arguments' registers with it."""
        arguments = [self.registers.get(number) for number in range(1, 6)]
        answer: Value
        if helper == bpf.BPF_FUNC_SK_FULLSOCK:
            assert arguments[0] == ("sock_common", 0)
            answer = ("socket", 0)
        elif helper == bpf.BPF_FUNC_MAP_LOOKUP_ELEM:
            answer = self.look_up(arguments)
        else:
            assert helper == bpf.BPF_FUNC_SKB_LOAD_BYTES
            answer = self.load_bytes(arguments)
        for number in range(1, 6):
            self.registers.pop(number, None)
        self.registers[0] = answer

    def look_up(self, arguments: list[Value | None]) -> Value:
        """The longest prefix that the key on the stack matches."""
        table, key = arguments[0], arguments[1]
        assert isinstance(table, tuple)
        assert isinstance(key, tuple)
        entries = self.maps[table[1]]
        length = self.load(key, 0, 4)
        assert isinstance(length, int)
        address = bytes(self.stack[key[1] + 4 + index] for index in range(length // 8))
        for bits in range(length, -1, -1):
            number = int.from_bytes(address, "big") >> (length - bits) << (length - bits)
            found = entries.get((bits, number.to_bytes(length // 8, "big")))
            if found is not None:
                self.value = found
                return ("value", 0)
        return 0

    def load_bytes(self, arguments: list[Value | None]) -> int:
        """Copy from the packet to the stack."""
        skb, offset, to, size = arguments[:4]
        assert skb == ("context", 0)
        assert isinstance(offset, int)
        assert isinstance(size, int)
        assert isinstance(to, tuple)
        data = self.packet[offset : offset + size]
        if len(data) < size:
            return -14 & U64
        for index, byte in enumerate(data):
            self.stack[to[1] + index] = byte
        return 0


def check_shape(program: bytes) -> None:
    """What the verifier asks of every program: every instruction reached, no jump back or out of it."""
    steps = list(iter_unpack(bpf.INSN, program))
    reached: set[int] = set()
    pending = [0]
    while pending:
        at = pending.pop()
        if at in reached:
            continue
        assert 0 <= at < len(steps)
        reached.add(at)
        code, _registers, off, _imm = steps[at]
        if code == bpf.BPF_LD_IMM64:
            reached.add(at + 1)
            pending.append(at + 2)
            continue
        if code == bpf.BPF_EXIT:
            continue
        if code in _JUMPS or code == bpf.BPF_JA:
            assert off >= 0
            pending.append(at + 1 + off)
        if code != bpf.BPF_JA:
            pending.append(at + 1)
    assert reached == set(range(len(steps)))


def entries(pairs: bytes, key_size: int, value_size: int) -> dict[tuple[int, bytes], bytes]:
    """A map's content as `Machine` wants it."""
    found = {}
    step = key_size + value_size
    for at in range(0, len(pairs), step):
        (length,) = struct.unpack_from("<I", pairs, at)
        address = pairs[at + 4 : at + key_size]
        assert (length, address) not in found
        found[length, address] = pairs[at + key_size : at + step]
    return found
