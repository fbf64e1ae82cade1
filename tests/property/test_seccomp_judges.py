"""The compiler's programs, the reference evaluator and libseccomp give the same verdicts."""

import os
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch
from runtime.seccomp.compare import differences
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.disassemble import verdict_text
from runtime.seccomp.interpret import decode, interpret
from tests.runtime.seccomp import libseccomp, sections
from tests.runtime.seccomp.reference import ENOSYS, evaluate
from tests.runtime.seccomp.samples import read_profile

LIBRARY = libseccomp.load()
needs_libseccomp = pytest.mark.skipif(
    LIBRARY is None or os.uname().machine != "x86_64", reason="the judge here is libseccomp.so.2 on x86_64"
)
FEWER = max(10, settings().max_examples // 3)


def agree(section: dict[str, Any], native: str) -> None:
    """Assert that program and reference agree on every boundary call."""
    arch = find_arch(native)
    assert arch is not None
    program = decode(compile_profile(section, native).program, big_endian=arch.big_endian)
    for call in sections.boundary_calls(section, native):
        ours = interpret(program, call, big_endian=arch.big_endian).verdict
        wanted = evaluate(section, native, call)
        assert ours == wanted, f"{call}: {verdict_text(ours)}, not {verdict_text(wanted)}"


def refused(section: dict[str, Any], native: str) -> bool:
    """Whether the section contradicts itself."""
    try:
        compile_profile(section, native)
    except FilterError:
        return True
    return False


@given(section=sections.sections(), native=st.sampled_from(sections.NATIVES))
def test_reference_on_one_architecture(section: dict[str, Any], native: str) -> None:
    """Any section, on machines of every width and byte order."""
    assume(not refused(section, native))
    agree(section, native)


@given(section=sections.sections(), listed=st.lists(st.sampled_from(sections.X86_FAMILY), unique=True))
def test_reference_on_the_x86_family(section: dict[str, Any], listed: list[str]) -> None:
    """x86_64 with any of its companions listed, in any order: x32's bit, ENOSYS for newer calls, other architectures."""
    section["architectures"] = listed
    assume(not refused(section, "x86_64"))
    agree(section, "x86_64")


@given(section=sections.policy_sections(), native=st.sampled_from(sections.NATIVES))
def test_reference_on_sections_of_policies(section: dict[str, Any], native: str) -> None:
    """Named calls have one default and the others another, also behind the doors; joint conditions all hold."""
    assume(not refused(section, native))
    agree(section, native)


@given(section=sections.policy_sections(), listed=st.lists(st.sampled_from(sections.X86_FAMILY), unique=True))
def test_reference_on_sections_of_policies_on_the_x86_family(section: dict[str, Any], listed: list[str]) -> None:
    """The same with companions of x86_64."""
    section["architectures"] = listed
    assume(not refused(section, "x86_64"))
    agree(section, "x86_64")


@pytest.mark.parametrize("name", ["wide_allow", "networks"])
@pytest.mark.parametrize("native", ["x86_64", "i686"])
def test_reference_on_whole_profiles(name: str, native: str) -> None:
    """Every number of a checked-in profile of realistic size, beside the argument edges."""
    agree(read_profile(name), native)


def agree_with_libseccomp(section: dict[str, Any], native: str) -> None:
    """Assert that our program and libseccomp's agree on every boundary call but those newer than the profile, which only runc knows."""
    assert LIBRARY is not None
    arch = find_arch(native)
    assert arch is not None
    ours = decode(compile_profile(section, native).program, big_endian=arch.big_endian)
    theirs = decode(libseccomp.compile_section(LIBRARY, section, arch.token), big_endian=arch.big_endian)
    for call in sections.boundary_calls(section, native):
        one = interpret(ours, call, big_endian=arch.big_endian).verdict
        if one == ENOSYS == evaluate(section, native, call):
            continue
        other = interpret(theirs, call, big_endian=arch.big_endian).verdict
        assert one == other, f"{call}: {verdict_text(one)}, libseccomp {verdict_text(other)}"


@st.composite
def single_rules(draw: st.DrawFn) -> dict[str, Any]:
    """Sections in which each call has one rule with each argument once, none of them under an empty mask.

    Where rules for one call meet, libseccomp 2.5.4 makes wrong programs (docs/seccomp-compiler.md lists how); there the
    reference and the kernel are the judges.
    """
    section = draw(sections.sections(rules=0))
    left = [*sections.NAMES, *sections.MULTIPLEXED]
    for _ in range(draw(st.integers(0, 5))):
        entry = dict(draw(st.sampled_from(sections.ACTIONS)))
        entry["names"] = draw(st.lists(st.sampled_from(left), min_size=1, max_size=3, unique=True))
        left = [name for name in left if name not in entry["names"]]
        indices = draw(st.lists(st.integers(0, 5), max_size=3, unique=True))
        entry["args"] = [draw(sections.conditions(st.just(index))) for index in indices]
        for condition in entry["args"]:
            condition["value"] |= condition["op"] == "SCMP_CMP_MASKED_EQ"
        section["syscalls"].append(entry)
    # without an unconditional rule, libseccomp 2.5.4 sometimes forgets to load the number before it tests for one
    plain = {"names": ["getpid", "close", "exit_group"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}
    section["syscalls"].append(plain)
    return section


@needs_libseccomp
@settings(max_examples=FEWER)
@given(section=single_rules(), native=st.sampled_from([name for name in sections.NATIVES if "loong" not in name]))
def test_libseccomp_on_one_architecture(section: dict[str, Any], native: str) -> None:
    """Widths, byte orders, multiplexers: the same verdicts as libseccomp's program for that machine."""
    agree_with_libseccomp(section, native)


@needs_libseccomp
@settings(max_examples=FEWER)
@given(section=single_rules(), listed=st.lists(st.sampled_from(sections.X86_FAMILY), unique=True))
def test_libseccomp_on_the_x86_family(section: dict[str, Any], listed: list[str]) -> None:
    """x86_64 with companions; a default that lets calls pass keeps runc's own addition, ENOSYS, out of the comparison."""
    section["architectures"] = listed
    if section["defaultAction"] not in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"):
        section.pop("defaultErrnoRet", None)
        section["defaultAction"] = "SCMP_ACT_ALLOW"
    agree_with_libseccomp(section, "x86_64")


@needs_libseccomp
@pytest.mark.parametrize("native", ["x86_64", "i686"])
def test_libseccomp_on_a_whole_profile(native: str) -> None:
    """The profile in the shape of the engines' own, on every call there is: a proof, not a sample."""
    assert LIBRARY is not None
    section = {**read_profile("wide_allow"), "defaultAction": "SCMP_ACT_TRACE"}
    arch = find_arch(native)
    assert arch is not None
    ours = decode(compile_profile(section, native).program)
    assert differences(ours, decode(libseccomp.compile_section(LIBRARY, section, arch.token))) == []


PAIRS = ["NE", "EQ", "LT", "LE", "GE", "GT"]


@needs_libseccomp
@settings(max_examples=FEWER)
@given(
    first=st.tuples(st.integers(0, 1), st.sampled_from(PAIRS), st.integers(1, 8)),
    second=st.tuples(st.integers(0, 1), st.sampled_from(PAIRS), st.integers(1, 8)),
)
def test_libseccomp_on_overlapping_rules(first: tuple[int, str, int], second: tuple[int, str, int]) -> None:
    """Two rules for one call with different actions: the one that libseccomp asks first wins with us too."""
    assert LIBRARY is not None
    entries = [
        {
            "names": ["read"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno,
            "args": [{"index": index, "op": f"SCMP_CMP_{op}", "value": value}],
        }
        for errno, (index, op, value) in enumerate((first, second), start=1)
    ]
    section = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries}
    if first == second:
        with pytest.raises(libseccomp.Contradiction):
            libseccomp.compile_section(LIBRARY, section, "SCMP_ARCH_ARM")
        assert refused(section, "armv7l")
    else:
        agree_with_libseccomp(section, "armv7l")
