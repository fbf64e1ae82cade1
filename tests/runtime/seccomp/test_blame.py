"""The cause of a verdict is the rule that gave it."""

from typing import Any

import pytest
from hypothesis import given, reject, settings

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch
from runtime.seccomp.blame import blame
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.interpret import Call, decode, interpret
from runtime.seccomp.profile import parse_profile
from tests.runtime.seccomp import sections
from tests.runtime.seccomp.samples import read_profile


@settings(max_examples=max(15, settings().max_examples // 3))
@given(section=sections.sections())
def test_the_blamed_rule_gives_the_verdict(section: dict[str, Any]) -> None:
    """A rule that is blamed names the call and has the verdict that the program gives; else it is the default's."""
    section["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    native = find_arch("x86_64")
    assert native is not None
    try:
        profile = parse_profile(section, native)
    except FilterError:
        reject()
    program = decode(compile_profile(section, "x86_64").program)
    for call in sections.boundary_calls(section, "x86_64")[::7]:
        cause = blame(profile, call)
        verdict = interpret(program, call).verdict
        if cause.rule is not None:
            assert verdict == profile.rules[cause.rule].action
        elif "default" in cause.text:
            assert verdict == profile.default
        else:
            assert verdict in (0, 0x50026)


@pytest.mark.parametrize(
    ("nr", "argument", "text"),
    [
        (0, 0, "rule 0"),
        (135, 8, "rule 2"),
        (135, 9, "the default"),
        (435, 0, "rule 7"),
        (9999, 0, "newer than every call that the profile names"),
    ],
)
def test_causes_in_words(nr: int, argument: int, text: str) -> None:
    """Each kind of cause, on the profile of the engines' size."""
    native = find_arch("x86_64")
    assert native is not None
    profile = parse_profile(read_profile("wide_allow"), native)
    assert blame(profile, Call(nr, 0xC000003E, (argument, 0, 0, 0, 0, 0))).text == text
    assert blame(profile, Call(nr, 0x9)).text == "an architecture that the profile does not decide on"
