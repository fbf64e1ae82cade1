"""Comparing two builds' samples: what is told, and what is left to chance."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ab import chance, main, verdict


def noise(seed: int, middle: float, count: int = 40) -> list[float]:
    """Samples with a long tail, as times have."""
    numbers = random.Random(seed)
    return [middle * (1 + 0.05 * numbers.expovariate(1)) for _ in range(count)]


def test_chance_of_known_cases() -> None:
    """Two sets of 8 without an overlap: 2 / C(16, 8) exactly, about a thousandth by the approximation; equal sets: certain."""
    assert chance([*range(8)], [*range(10, 18)]) == pytest.approx(0.00094, abs=0.00005)
    assert chance([1, 2, 3], [1, 2, 3]) == 1.0
    assert chance([5, 5, 5], [5, 5]) == 1.0


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (noise(1, 100), noise(2, 115), "slower"),
        (noise(1, 100), noise(2, 80), "faster"),
        (noise(1, 100), noise(2, 100), ""),
        (noise(1, 100), noise(2, 103), ""),
        (noise(1, 100, 3), noise(2, 140, 3), ""),
        ([71.0], [72.0], "slower"),
        ([71.0], [71.0], ""),
    ],
)
def test_verdict(before: list[float], after: list[float], said: str) -> None:
    """A change must be larger than the tolerance and than chance; what has no spread at all is simply compared."""
    assert verdict(before, after, 0.05) == said


def written(path: Path, series: dict[str, list[float]]) -> str:
    """A file as a benchmark writes it."""
    entries: list[dict[str, Any]] = [
        {"measure": name, "dimensions": {"candidate": "postern"}, "samples": samples}
        for name, samples in series.items()
    ]
    path.write_text(json.dumps({"benchmark": "x", "context": {}, "series": entries}))
    return str(path)


def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code says whether anything is worse; a measure that vanished is."""
    a = written(tmp_path / "a", {"run": noise(1, 100), "size": [7]})
    same = written(tmp_path / "b", {"run": noise(2, 100), "size": [7], "new": [1]})
    slow = written(tmp_path / "c", {"run": noise(3, 150), "size": [7]})
    less = written(tmp_path / "d", {"run": noise(1, 100)})
    assert main([a, same]) == 0
    assert "new candidate=postern" in capsys.readouterr().out
    assert [main([a, slow]), main([slow, a]), main([a, less])] == [1, 0, 1]
    assert "only before" in capsys.readouterr().out


def test_the_form_of_bench_start(tmp_path: Path) -> None:
    """Candidates with measures in milliseconds."""
    paths = [tmp_path / name for name in ("a", "b")]
    for path, middle in zip(paths, (10, 20), strict=True):
        path.write_text(json.dumps({"samples_ms": {"postern": {"run": noise(1, middle)}}}))
    assert main([str(paths[0]), str(paths[1])]) == 1
