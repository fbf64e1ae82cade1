"""What every unit test shares: how long hypothesis looks for counter-examples."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# The developer's profile is quick and looks elsewhere each time; CI looks longer, at the same examples each time, so that a change is
# judged by what it changes; `make property` explores.  None writes an example database into the checkout, and none fails
# because a loaded machine was slow: pytest-timeout guards against what hangs.
settings.register_profile("dev", max_examples=60, deadline=None, database=None)
settings.register_profile(
    "ci",
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", max_examples=2000, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(autouse=True)
def working_directory() -> Iterator[None]:
    """Bring the working directory back: create and plan, called in this process, leave it in the bundle."""
    before = os.getcwd()
    yield
    os.chdir(before)
