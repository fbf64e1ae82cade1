"""Instructions into a classic BPF program, written from its end to its start.

Every jump of BPF goes forward, so whoever writes backwards knows each target's place when the jump is made: a label is the
number of instructions behind the target, and no second pass is needed.  A conditional jump reaches 255 instructions;
beyond that a verdict is repeated nearby and a block is reached through an unconditional jump.

A target is a label, or a verdict written as `~action` (so that it is negative).  Source: linux/bpf_common.h.
"""

from _struct import pack

LD_W_ABS = 0x20
ALU_AND_K = 0x54
JMP_JA = 0x05
JMP_JEQ_K = 0x15
JMP_JGT_K = 0x25
JMP_JGE_K = 0x35
JMP_JSET_K = 0x45
RET_K = 0x06

REACH = 255  # an offset of 8 bits, less the other target's trampoline, which may slip in between
UNWRITTEN = -1 - REACH  # out of reach from everywhere


class Assembler:
    """A program under construction; `code` holds its instructions in reverse."""

    __slots__ = ("code", "verdicts")

    def __init__(self) -> None:
        """Start with an empty program."""
        self.code: list[int] = []  # code | jt << 16 | jf << 24 | k << 32
        self.verdicts: dict[int, int] = {}  # ~action -> label of its nearest RET

    def near(self, target: int) -> int:
        """A label for `target` that the next conditional jump can reach; `target` is known to be out of reach or unwritten."""
        code = self.code
        here = len(code)
        if target < 0:
            code.append(RET_K | ~target << 32)
            self.verdicts[target] = here
        else:
            code.append(JMP_JA | here - target - 1 << 32)
        return here

    def branch(self, operation: int, value: int, yes: int, no: int) -> int:
        """Compare the accumulator with `value`; the new instruction's label."""
        code = self.code
        here = len(code)
        label = no if no >= 0 else self.verdicts.get(no, UNWRITTEN)
        if here - label > REACH:
            label = self.near(no)
            here += 1
        other = yes if yes >= 0 else self.verdicts.get(yes, UNWRITTEN)
        if here - other > REACH:
            other = self.near(yes)
            here += 1
        code.append(operation | here - other - 1 << 16 | here - label - 1 << 24 | value << 32)
        return here

    def before(self, operation: int, value: int, target: int) -> int:
        """An instruction that falls through to `target`: a load or a mask; its label."""
        code = self.code
        if target < 0:
            code.append(RET_K | ~target << 32)
        elif target != len(code) - 1:
            code.append(JMP_JA | len(code) - 1 - target << 32)
        code.append(operation | value << 32)
        return len(code) - 1

    def finish(self, *, big_endian: bool) -> bytes:
        """The program as an array of struct sock_filter in that byte order; its first instruction was written last."""
        self.code.reverse()
        if not big_endian:
            return pack(f"<{len(self.code)}Q", *self.code)
        words: list[int] = []
        for item in self.code:
            words += (item & 0xFFFF, item >> 16 & 0xFF, item >> 24 & 0xFF, item >> 32)
        return pack(">" + "HBBI" * len(self.code), *words)
