"""An OCI seccomp section into a classic BPF program: the compiler's one entry.

Pure: the same section and architecture give the same bytes on every machine.  Source: config-linux.md#seccomp.
"""

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch
from runtime.seccomp.lower import program_of
from runtime.seccomp.profile import parse_profile
from runtime.seccomp.program import Filter
from runtime.seccomp.ranges import BAD_ARCH, range_tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INSTRUCTION_BYTES = 8
INSTRUCTIONS_MAX = 4096  # BPF_MAXINSNS
__all__ = ["Filter", "compile_profile"]


def compile_profile(section: "dict[str, Any]", arch: str) -> Filter:
    """Compile a section for a machine: `arch` is a name of uname(2) or an SCMP_ARCH_* token.

    Raises: FilterError with every violation, pointers relative to the section.
    """
    native = find_arch(arch)
    if native is None:
        raise FilterError([("/architectures", f"no system call table for the machine {arch!r}")])
    profile = parse_profile(section, native)
    program = program_of(range_tables(profile), BAD_ARCH, big_endian=native.big_endian)
    if len(program) > INSTRUCTIONS_MAX * INSTRUCTION_BYTES:
        count = len(program) // INSTRUCTION_BYTES
        raise FilterError([("/syscalls", f"{count} instructions are needed, the kernel takes {INSTRUCTIONS_MAX}")])
    return Filter(program, profile.flags, profile.notify, profile.warnings)
