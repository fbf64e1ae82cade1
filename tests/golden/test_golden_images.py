"""The executor accepts every golden plan: what the planner writes is what the reader checks."""

import subprocess
from pathlib import Path

import pytest

from runtime.plan.encode import encode_plan
from tests.golden.cases import PLANS, make

_PROGRAM = Path(__file__).parents[2] / "build" / "postern"


@pytest.mark.skipif(not _PROGRAM.exists(), reason="build/postern is not built: make build")
def test_the_reader_accepts_golden_images(tmp_path: Path) -> None:
    """Bounds, slots filled before they are used, halves of stages: all checked by the program that will run them."""
    paths = []
    for name in PLANS:
        path = tmp_path / name
        path.write_bytes(encode_plan(make(name, [])))
        paths.append(str(path))
    result = subprocess.run([str(_PROGRAM), "plan-check", *paths], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
