"""Named passes over the rules: each keeps the verdict of every call, or changes it as the pass's name says.

refuse_contradictions       one condition with two different verdicts has no meaning
alternatives_of             several conditions on one argument are alternatives, not a conjunction
in_libseccomp_order         which of several conditional rules for one call is asked first
clauses_of                  comparisons of 32 or 64 bits become tests on 32-bit words
"""

from runtime.seccomp.filter import WORD_MAX, Condition, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Test

# all conditions hold -> the verdict
Alternative = tuple[tuple[Condition, ...], int]


def refuse_contradictions(rules: tuple[Rule, ...], default: int) -> list[tuple[str, str]]:
    """Conditional rules for one call with the same conditions and different verdicts, as violations; runc fails on them too.

    Rules like the default are skipped before, and an unconditional rule before them makes them meaningless, not wrong.
    """
    wrong = []
    first: dict[tuple[str, frozenset[tuple[int, str, int, int]]], Rule] = {}
    for rule in rules:
        if rule.action == default or not rule.conditions:
            continue
        for conditions, _ in alternatives_of(rule):
            same = frozenset([(test.index, test.op, test.value, test.value_two) for test in conditions])
            for name in rule.names:
                other = first.setdefault((name, same), rule)
                if other.action != rule.action and not _is_settled(name, rules[: rule.index], default):
                    text = f"rule {rule.index} gives {name} another action than rule {other.index} under the same condition"
                    wrong.append((f"/syscalls/{rule.index}/args", text))
    return wrong


def _is_settled(name: str, rules: tuple[Rule, ...], default: int) -> bool:
    return any(not rule.conditions and rule.action != default and name in rule.names for rule in rules)


def alternatives_of(rule: Rule) -> list[Alternative]:
    """What a rule's conditions stand for.

    With each argument named at most once all conditions must hold.  As soon as one argument is named twice, runc takes every
    condition of the rule for a rule of its own.  A policy's rules do not have that.
    """
    conditions = rule.conditions
    if rule.joint or len(conditions) < 2 or len({condition.index for condition in conditions}) == len(conditions):
        return [(conditions, rule.action)]
    return [((condition,), rule.action) for condition in conditions]


def in_libseccomp_order(alternatives: list[Alternative]) -> list[Alternative]:
    """Put conditional rules for one call in the order in which libseccomp's programs ask them.

    It matters where rules with different verdicts overlap.  The higher first argument goes first; on one argument
    (in)equality goes before masks, masks before upper bounds, upper before lower ones; the higher value first, but the lower
    upper bound.  The profile's order decides the rest.  libseccomp's order of masks depends on more than this.
    """
    if len({action for _, action in alternatives}) < 2:
        return alternatives
    return sorted(alternatives, key=_precedence)


def _precedence(alternative: Alternative) -> tuple[int, int, int]:
    if not alternative[0]:
        return (0, 9, 0)
    first = min(alternative[0], key=_index)
    value = first.value
    rank, bound = {
        "SCMP_CMP_NE": (0, -value),
        "SCMP_CMP_EQ": (0, -value),
        "SCMP_CMP_MASKED_EQ": (1, 0),
        "SCMP_CMP_LT": (2, value),
        "SCMP_CMP_LE": (2, value),
        "SCMP_CMP_GE": (3, -value),
        "SCMP_CMP_GT": (3, -value),
    }[first.op]
    return (-first.index, rank, bound)


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
