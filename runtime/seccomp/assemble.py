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

REACH = 254  # one less than the 8-bit offset holds: the other target's trampoline may slip in between


class Assembler:
    """A program under construction; `code` holds its instructions in reverse."""

    __slots__ = ("code", "verdicts")

    def __init__(self) -> None:
        """Start with an empty program."""
        self.code: list[int] = []  # code | jt << 16 | jf << 24 | k << 32
        self.verdicts: dict[int, int] = {}  # ~action -> label of its nearest RET

    def near(self, target: int) -> int:
        """A label for `target` that the next conditional jump can reach."""
        code = self.code
        if target < 0:
            label = self.verdicts.get(target, -1)
            if label < 0 or len(code) - label > REACH:
                self.verdicts[target] = label = len(code)
                code.append(RET_K | ~target << 32)
            return label
        distance = len(code) - target
        if distance > REACH:
            code.append(JMP_JA | (distance - 1) << 32)
            return len(code) - 1
        return target

    def branch(self, operation: int, value: int, yes: int, no: int) -> int:
        """Compare the accumulator with `value`; the new instruction's label."""
        no = self.near(no)
        yes = self.near(yes)
        code = self.code
        here = len(code) - 1
        code.append(operation | here - yes << 16 | here - no << 24 | value << 32)
        return here + 1

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
