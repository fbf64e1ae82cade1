"""Figures of programs."""

from runtime.seccomp.arches import Arch, find_arch, syscall_numbers
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.interpret import Instruction, decode
from runtime.seccomp.measure import constant_verdict, figures_of, unknown_names
from runtime.seccomp.profile import parse_profile
from tests.runtime.seccomp.bitmap import is_constantly_allowed
from tests.runtime.seccomp.samples import read_profile


def arch_of(name: str) -> Arch:
    """The architecture, which must be known."""
    arch = find_arch(name)
    assert arch is not None
    return arch


def test_constant_verdicts_agree_with_the_emulator() -> None:
    """What is counted as allowed by number alone is what the kernel's check finds."""
    program = decode(compile_profile(read_profile("wide_allow"), "x86_64").program)
    for token in ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"):
        arch = arch_of(token)
        for nr in syscall_numbers(arch).values():
            allowed = constant_verdict(program, nr, arch.audit)[0] == 0x7FFF0000
            assert allowed == is_constantly_allowed(program, nr, arch.audit)


def test_figures() -> None:
    """Of the native architecture, whose bitmap counts, and of x32, which has none."""
    program = decode(compile_profile(read_profile("wide_allow"), "x86_64").program)
    figures = figures_of(program, arch_of("x86_64"))
    assert figures.calls == len(set(syscall_numbers(arch_of("x86_64")).values()))
    assert figures.calls - figures.constant == 3  # clone, personality, socket
    assert 250 < figures.allowed < figures.constant
    assert figures.in_bitmap
    assert 0 < figures.average < figures.deepest <= 16
    assert not figures_of(program, arch_of("SCMP_ARCH_X32")).in_bitmap


def test_unknown_names() -> None:
    """Told apart: calls of other architectures, and of none; those behind a multiplexer are known."""
    rules = [{"names": ["read", "s390_pci_mmio_read", "send", "no_such_call"], "action": "SCMP_ACT_ALLOW"}]
    section = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    assert unknown_names(parse_profile(section, arch_of("x86_64"))) == (
        ["s390_pci_mmio_read", "send"],
        ["no_such_call"],
    )
    assert unknown_names(parse_profile(section, arch_of("i686"))) == (["s390_pci_mmio_read"], ["no_such_call"])


def test_every_operation_that_the_kernel_follows() -> None:
    """Masks and jumps on the way, and a program that says the same to all."""
    masked = (
        Instruction(0x20, 0, 0, 4),
        Instruction(0x54, 0, 0, 0xFF),
        Instruction(0x05, 0, 0, 1),
        Instruction(0x06, 0, 0, 7),
        Instruction(0x15, 0, 1, 0x3E),
        Instruction(0x06, 0, 0, 0x7FFF0000),
        Instruction(0x06, 0, 0, 0),
    )
    assert constant_verdict(masked, 0, 0xC000003E) == (0x7FFF0000, 1)
    assert constant_verdict(masked, 0, 0x40000003) == (0, 1)
    argument = (Instruction(0x20, 0, 0, 16), Instruction(0x06, 0, 0, 0))
    figures = figures_of(argument, arch_of("x86_64"))
    assert (figures.constant, figures.deepest, figures.average) == (0, 0, 0.0)
