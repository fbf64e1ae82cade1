"""What a plan may cost: operations, bytes, calls.  Counted, not timed, so that a busy machine changes nothing.

Times follow from these numbers; `make bench-start` measures them.
"""

import sys

import pytest

from runtime.plan.encode import encode_plan
from tests.golden.cases import make, prepare


@pytest.mark.parametrize(
    ("case", "most_ops", "most_bytes"), [("docker", 90, 22_000), ("spec", 60, 14_000), ("docker-exec", 22, 3_500)]
)
def test_size_of_a_plan(case: str, most_ops: int, most_bytes: int) -> None:
    """Every operation is a system call or several in the container's start."""
    plan = make(case, [])
    assert sum(map(len, plan.stages.values())) <= most_ops
    assert len(encode_plan(plan)) <= most_bytes


def _calls(case: str) -> int:
    """How many calls planning and encoding a case makes, once everything is imported and the config is read."""
    plan = prepare(case, [])
    encode_plan(plan())
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        encode_plan(plan())
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(("case", "most"), [("docker", 3_100), ("docker-exec", 750)])
def test_calls_of_a_plan(case: str, most: int) -> None:
    """The work is proportional to the config: an accidental loop over a table would show here."""
    if sys.gettrace() is not None:
        pytest.skip("coverage counts calls of its own")
    assert _calls(case) <= most
