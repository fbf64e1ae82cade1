"""An emulator of the kernel's own check for its bitmap of constantly allowed calls.

When a filter is attached, the kernel runs it for each system call number with nothing but `nr` and `arch` known; if that reaches
ALLOW, calls of that number skip the filter from then on.  It gives up on any other load and on most operations.
Source: kernel/seccomp.c seccomp_is_const_allow(), Linux 5.11 and later.
"""

from runtime.seccomp.interpret import Instruction

ALLOW = 0x7FFF0000


def is_constantly_allowed(program: tuple[Instruction, ...], nr: int, arch: int) -> bool:
    """Whether the kernel would put `nr` of `arch` into the bitmap."""
    accumulator, at = 0, 0
    while True:
        code, jt, jf, k = program[at].code, program[at].jt, program[at].jf, program[at].k
        at += 1
        if code == 0x20 and k in (0, 4):  # BPF_LD | BPF_W | BPF_ABS, nr or arch
            accumulator = nr if k == 0 else arch
        elif code == 0x06:  # BPF_RET | BPF_K
            return k == ALLOW
        elif code == 0x05:  # BPF_JMP | BPF_JA
            at += k
        elif code in (0x15, 0x25, 0x35, 0x45):  # BPF_JMP | BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET | BPF_K
            taken = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k, 0x45: accumulator & k != 0}
            at += jt if taken[code] else jf
        elif code == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            accumulator &= k
        else:
            return False
