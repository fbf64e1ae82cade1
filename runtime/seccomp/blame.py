"""Which rule of a profile gave a verdict.

The profile is compiled a second time with marks in place of verdicts, by the very same passes, so the answer cannot differ
from what the program does.
"""

from runtime.record import record
from runtime.seccomp.filter import Profile, Rule
from runtime.seccomp.interpret import Call, decode, interpret
from runtime.seccomp.lower import program_of
from runtime.seccomp.ranges import BAD_ARCH, NEWER, range_tables

RULE_MARK = 0x01000000
DEFAULT_MARK = 0x02000000


@record
class Cause:
    """`rule` is the index of the rule, None if no rule gave the verdict; `text` says it for people."""

    rule: int | None
    text: str


def blame(profile: Profile, call: Call) -> Cause:
    """What in the profile decides on a call."""
    big_endian = profile.arches[0].big_endian
    marked = Profile(
        DEFAULT_MARK,
        tuple(_marked(rule, profile.default) for rule in profile.rules),
        profile.arches,
        profile.listed,
        profile.newer_enosys,
        profile.flags,
        profile.notify,
        profile.warnings,
        DEFAULT_MARK,
    )
    program = program_of(range_tables(marked), BAD_ARCH, big_endian=big_endian)
    mark = interpret(decode(program, big_endian=big_endian), call, big_endian=big_endian).verdict
    if mark == NEWER:
        return Cause(None, "newer than every call that the profile names")
    if mark == BAD_ARCH:
        return Cause(None, "an architecture that the profile does not decide on")
    if mark == DEFAULT_MARK:
        return Cause(None, "the default")
    return Cause(mark - RULE_MARK, f"rule {mark - RULE_MARK}")


def _marked(rule: Rule, default: int) -> Rule:
    """The rule with its mark; one that says what the default says keeps saying so, since it is skipped."""
    mark = DEFAULT_MARK if rule.action == default else RULE_MARK + rule.index
    return Rule(rule.index, rule.names, mark, rule.conditions, rule.joint)
