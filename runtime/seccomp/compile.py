"""OCI seccomp sections into a classic BPF program: the compiler's one entry.

Pure: the same sections and architecture give the same bytes on every machine.  Source: config-linux.md#seccomp.
"""

from runtime.errors import FilterError
from runtime.seccomp.arches import Arch, find_arch
from runtime.seccomp.lower import program_of
from runtime.seccomp.profile import flag_bits, parse_profile, settle_flags
from runtime.seccomp.program import Filter
from runtime.seccomp.ranges import BAD_ARCH, range_tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.seccomp.filter import Profile, Target

INSTRUCTION_BYTES = 8
INSTRUCTIONS_MAX = 4096  # BPF_MAXINSNS
__all__ = ["Filter", "compile_profile", "compile_profiles"]


def compile_profile(section: "dict[str, Any]", arch: str) -> Filter:
    """Compile a section for a machine: `arch` is a name of uname(2) or an SCMP_ARCH_* token.

    Raises: FilterError with every violation, pointers relative to the section.
    """
    native = _native(arch)
    profile = parse_profile(section, native)
    program = _program(range_tables(profile), native)
    return Filter(program, profile.flags, profile.notify, profile.warnings)


def compile_profiles(sections: "Sequence[dict[str, Any]]", arch: str) -> Filter:
    """Compile sections that hold together: each call gets the strictest of their verdicts, the earlier section's data in a tie.

    Flags are united, but SPEC_ALLOW is kept only if every section would have it.  `notify` says whether any call is left to
    the listener.  Raises: FilterError with every violation of every section; its text tells later ones by their place.
    """
    from runtime.seccomp.intersect import intersect_flags, intersect_tables, notifies

    if len(sections) == 1:
        return compile_profile(sections[0], arch)
    native = _native(arch)
    profiles = _parse_all(sections, native)
    tables = intersect_tables([range_tables(profile) for profile in profiles])
    notify = notifies(tables)
    asked = intersect_flags([flag_bits(section.get("flags")) for section in sections])
    flags, warnings = settle_flags(asked, notify=notify)
    return Filter(_program(tables, native), flags, notify, warnings)


def _native(arch: str) -> Arch:
    native = find_arch(arch)
    if native is None:
        raise FilterError([("/architectures", f"no system call table for the machine {arch!r}")])
    return native


def _parse_all(sections: "Sequence[dict[str, Any]]", native: Arch) -> "list[Profile]":
    profiles = []
    wrong: list[tuple[str, str]] = []
    for place, section in enumerate(sections, start=1):
        try:
            profiles.append(parse_profile(section, native))
        except FilterError as error:
            which = "" if place == 1 else f" (section {place} of {len(sections)})"
            wrong += [(pointer, text + which) for pointer, text in error.violations]
    if wrong or not sections:
        raise FilterError(wrong or [("", "there is no section")])
    return profiles


def _program(tables: "list[tuple[int, list[int], list[Target]]]", native: Arch) -> bytes:
    program = program_of(tables, BAD_ARCH, big_endian=native.big_endian)
    if len(program) > INSTRUCTIONS_MAX * INSTRUCTION_BYTES:
        count = len(program) // INSTRUCTION_BYTES
        raise FilterError([("/syscalls", f"{count} instructions are needed, the kernel takes {INSTRUCTIONS_MAX}")])
    return program
