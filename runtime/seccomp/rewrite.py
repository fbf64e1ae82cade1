"""Named passes over a profile's rules: each keeps the verdict of every call, or changes it as the pass's name says.

drop_rules_like_default     a rule that gives what the default gives is skipped
split_repeated_arguments    several conditions on one argument are alternatives, not a conjunction
clauses_of                  64-bit comparisons become tests on 32-bit words
"""

from runtime.seccomp.filter import WORD_MAX, Condition, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Test


def drop_rules_like_default(rules: tuple[Rule, ...], default: int) -> list[Rule]:
    """Leave out every rule whose verdict equals the default's, as runc does, errno included."""
    return [rule for rule in rules if rule.action != default]


def split_repeated_arguments(conditions: tuple[Condition, ...]) -> "list[tuple[Condition, ...]]":
    """The alternatives that a rule's conditions stand for.

    With each argument named at most once all conditions must hold.  As soon as one argument is named twice, runc takes every
    condition of the rule for a rule of its own.
    """
    if len({condition.index for condition in conditions}) == len(conditions):
        return [conditions]
    return [(condition,) for condition in conditions]


def clauses_of(conditions: tuple[Condition, ...], bits: int) -> "list[tuple[Test, ...]]":
    """The conjunctions of word tests, one of which holds exactly if all conditions hold.

    A conjunction that cannot hold is left out; an empty one always holds.
    """
    found: list[tuple[Test, ...]] = [()]
    for condition in sorted(conditions, key=_index):
        split = _wide(condition) if bits == 64 else _narrow(condition)
        found = [(*before, *after) for before in found for after in split]
    return found


def _index(condition: Condition) -> int:
    return condition.index


def _intervals(op: str, value: int) -> "tuple[tuple[int, int], ...]":
    """The words w for which `w op value` holds."""
    below = ((0, value - 1),) if value else ()
    above = ((value + 1, WORD_MAX),) if value < WORD_MAX else ()
    return {
        "SCMP_CMP_EQ": ((value, value),),
        "SCMP_CMP_NE": below + above,
        "SCMP_CMP_LT": below,
        "SCMP_CMP_LE": ((0, value),),
        "SCMP_CMP_GT": above,
        "SCMP_CMP_GE": ((value, WORD_MAX),),
    }[op]


def _words(word: int, op: str, value: int) -> "list[tuple[Test, ...]]":
    """One comparison of one whole word: [] if it never holds, [()] if it always does."""
    intervals = _intervals(op, value)
    if not intervals:
        return []
    return [()] if intervals == ((0, WORD_MAX),) else [((word, WORD_MAX, intervals),)]


def _masked(word: int, mask: int, value: int) -> "tuple[Test, ...]":
    """Bits of `value` outside the mask are ignored, as libseccomp does."""
    if not mask:
        return ()
    value &= mask
    return ((word, mask, ((value, value),)),)


def _narrow(condition: Condition) -> "list[tuple[Test, ...]]":
    """A comparison where arguments have 32 bits: the upper half of the value is ignored, as libseccomp does."""
    word = 2 * condition.index
    value = condition.value & WORD_MAX
    if condition.op == "SCMP_CMP_MASKED_EQ":
        return [_masked(word, value, condition.value_two)]
    return _words(word, condition.op, value)


def _wide(condition: Condition) -> "list[tuple[Test, ...]]":
    """A comparison of 64 bits: decided by the high word, or by the low one if the high words are equal."""
    word = 2 * condition.index
    op, low, high = condition.op, condition.value & WORD_MAX, condition.value >> 32
    if op == "SCMP_CMP_MASKED_EQ":
        upper = _masked(word + 1, high, condition.value_two >> 32)
        return [upper + _masked(word, low, condition.value_two)]
    equal = _words(word + 1, "SCMP_CMP_EQ", high)
    same_high = [before + after for before in equal for after in _words(word, op, low)]
    if op == "SCMP_CMP_EQ":
        return same_high
    strict = {"SCMP_CMP_LE": "SCMP_CMP_LT", "SCMP_CMP_GE": "SCMP_CMP_GT"}.get(op, op)
    return _words(word + 1, strict, high) + same_high
