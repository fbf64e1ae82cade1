"""Figures of a program: its size, how deep its constant verdicts lie, how much of it the kernel's bitmap replaces."""

from runtime.record import record
from runtime.seccomp.arches import ARCHES, X32, Arch, syscall_numbers
from runtime.seccomp.assemble import ALU_AND_K, JMP_JA, LD_W_ABS, RET_K
from runtime.seccomp.filter import RET_ALLOW, Profile
from runtime.seccomp.interpret import Instruction, holds
from runtime.seccomp.resolve import MULTIPLEXED


@record
class AbiFigures:
    """One ABI: how many of its calls get a verdict whatever their arguments are, ALLOW among them, and the comparisons before."""

    arch: str
    calls: int
    constant: int
    allowed: int
    in_bitmap: bool
    deepest: int
    average: float


def constant_verdict(program: tuple[Instruction, ...], nr: int, arch: int) -> tuple[int | None, int]:
    """The verdict of a call of which only number and architecture are known, None if it depends on more; the comparisons made.

    These are the operations that the kernel follows when it fills its bitmap (kernel/seccomp.c, since Linux 5.11).
    """
    accumulator, at, comparisons = 0, 0, 0
    while True:
        instruction = program[at]
        code, k = instruction.code, instruction.k
        at += 1
        if code == RET_K:
            return k, comparisons
        if code == LD_W_ABS:
            if k > 4:
                return None, comparisons
            accumulator = arch if k else nr
        elif code == ALU_AND_K:
            accumulator &= k
        elif code == JMP_JA:
            at += k
        else:
            comparisons += 1
            at += instruction.jt if holds(code, accumulator, k) else instruction.jf


def figures_of(program: tuple[Instruction, ...], arch: Arch) -> AbiFigures:
    """The figures over all calls that the ABI's table has.  The kernel keeps no bitmap for x32."""
    numbers = set(syscall_numbers(arch).values())
    answers = [constant_verdict(program, nr, arch.audit) for nr in numbers]
    depths = [depth for verdict, depth in answers if verdict is not None]
    allowed = sum(verdict == RET_ALLOW for verdict, _ in answers)
    average = sum(depths) / len(depths) if depths else 0.0
    return AbiFigures(
        arch.token, len(numbers), len(depths), allowed, arch.token != X32, max(depths, default=0), average
    )


def unknown_names(profile: Profile) -> tuple[list[str], list[str]]:
    """Names in the profile that none of its architectures has: those that another one has, and those that none has."""
    named: set[str] = set().union(*[rule.names for rule in profile.rules])
    for arch in profile.arches:
        named -= syscall_numbers(arch).keys()
        if arch.multiplexed:
            named.difference_update(MULTIPLEXED)
    elsewhere: set[str] = set()
    for token in ARCHES if named else ():
        elsewhere |= named & syscall_numbers(Arch(token, *ARCHES[token])).keys()
    return sorted(elsewhere), sorted(named - elsewhere)
