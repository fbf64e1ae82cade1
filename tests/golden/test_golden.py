"""Plans of whole configs, compared line by line with what was reviewed before.

A difference is either a mistake or a change of what containers get: `make golden` rewrites the files, and the diff is
what a reviewer reads.
"""

import os

import pytest

from tests.golden.cases import NAMES, expected_file, render
from tests.golden.rewrite import main


@pytest.fixture(scope="session", autouse=True)
def _rewritten() -> None:
    if os.environ.get("POSTERN_GOLDEN") == "rewrite":
        main()


@pytest.mark.parametrize("name", NAMES)
def test_golden_plan(name: str) -> None:
    """The plan is the one that was reviewed, to the byte."""
    assert render(name) == expected_file(name).read_text()


def test_golden_files_are_all_used() -> None:
    """No file is left over from a case that is gone."""
    folder = expected_file("x").parent
    assert sorted(path.stem for path in folder.iterdir()) == sorted(NAMES)
