"""The named passes over rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.seccomp.filter import Condition, Rule
from runtime.seccomp.interpret import Call
from runtime.seccomp.rewrite import Alternative, alternatives_of, clauses_of, in_libseccomp_order
from tests.runtime.seccomp import sections
from tests.runtime.seccomp.interpret_clauses import clauses_hold
from tests.runtime.seccomp.reference import holds


def condition(index: int, op: str, value: int, value_two: int = 0) -> Condition:
    """One condition, its operator without the prefix."""
    return Condition(index, f"SCMP_CMP_{op}", value, value_two)


def test_distinct_arguments_are_a_conjunction() -> None:
    """One alternative with all conditions."""
    both = (condition(0, "EQ", 1), condition(1, "EQ", 2))
    assert alternatives_of(Rule(0, ("read",), 7, both)) == [(both, 7)]


def test_a_repeated_argument_makes_every_condition_a_rule() -> None:
    """Also those on other arguments, as in runc."""
    three = (condition(0, "GE", 1), condition(0, "LE", 9), condition(1, "EQ", 2))
    assert alternatives_of(Rule(0, ("read",), 7, three)) == [((one,), 7) for one in three]


def test_order_of_rules_with_one_action_is_kept() -> None:
    """It cannot matter, so nothing is sorted."""
    same: list[Alternative] = [((condition(0, "GE", 1),), 7), ((condition(1, "EQ", 1),), 7)]
    assert in_libseccomp_order(same) is same


def test_order_of_overlapping_rules() -> None:
    """Higher argument, then equality, masks, upper bounds, lower bounds; unconditional ones last."""
    ordered: list[Alternative] = [
        ((condition(1, "GT", 1),), 1),
        ((condition(0, "NE", 9), condition(2, "EQ", 1)), 2),
        ((condition(0, "EQ", 4),), 3),
        ((condition(0, "MASKED_EQ", 4, 4),), 4),
        ((condition(0, "LT", 3),), 5),
        ((condition(0, "LE", 8),), 6),
        ((condition(0, "GE", 8),), 7),
        ((condition(0, "GT", 3),), 8),
        ((), 9),
    ]
    assert in_libseccomp_order(ordered[::-1]) == ordered


@pytest.mark.parametrize(
    ("op", "value", "bits", "clauses"),
    [
        ("GE", 0, 64, 2),
        ("GE", 0, 32, [()]),
        ("LT", 0, 64, []),
        ("GT", (1 << 64) - 1, 64, []),
        ("GT", (1 << 32) - 1, 32, []),
        ("LE", (1 << 64) - 1, 64, 2),
        ("MASKED_EQ", 0, 64, [()]),
        ("EQ", 5, 64, [((1, 0xFFFFFFFF, ((0, 0),)), (0, 0xFFFFFFFF, ((5, 5),)))]),
        ("MASKED_EQ", 0xF0, 64, [((0, 0xF0, ((0, 0),)),)]),
    ],
)
def test_clauses_without_tests_that_say_nothing(op: str, value: int, bits: int, clauses: object) -> None:
    """What always or never holds leaves no test behind."""
    found = clauses_of((condition(0, op, value),), bits)
    assert found == clauses or len(found) == clauses


@given(tests=st.lists(sections.conditions(), max_size=3), data=st.data(), bits=st.sampled_from((32, 64)))
def test_clauses_mean_what_the_conditions_mean(tests: list[dict[str, int]], data: st.DataObject, bits: int) -> None:
    """For any arguments: some clause holds exactly if all conditions hold."""
    near = [0, 1, *[test["value"] + step for test in tests for step in (-1, 0, 1)]]
    arguments = data.draw(st.tuples(*[st.sampled_from(near).map(lambda value: value & ((1 << 64) - 1))] * 6))
    conditions = tuple(
        Condition(test["index"], str(test["op"]), test["value"], test.get("valueTwo", 0)) for test in tests
    )
    wanted = all(holds(test, Call(0, 0, arguments), bits) for test in tests)
    assert clauses_hold(clauses_of(conditions, bits), arguments) == wanted
