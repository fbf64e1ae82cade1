"""The tables of the broker's benchmark, and their place in the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import broker_report
from benchmarks.broker_calls import BARE, CASES, RATES
from benchmarks.broker_crowds import COUNTABLE, CROWDS
from benchmarks.broker_resume import SIZES, VICTIMS


def series(measure: str, *samples: float, **dimensions: str) -> dict[str, Any]:
    """One series as a run leaves it."""
    return {"measure": measure, "dimensions": dimensions, "unit": "", "samples": list(samples)}


def whole() -> dict[str, Any]:
    """A run of all parts, with numbers that can be told apart."""
    found = [
        series(name, 1.0, 3.0, 2.0, how=how, figure=figure)
        for name in CASES
        for how in ("native", "brokered")
        for figure in ("p50", "p99")
    ]
    found += [series(name, 1.5, how="bare", figure="p50") for name, case in CASES.items() if case.handler in BARE]
    found += [series("decision in a crowd", 5.5, listeners=str(size)) for size in CROWDS]
    found += [series("memory of a listener", 2048.0, listeners=str(size)) for size in CROWDS if size >= COUNTABLE]
    found += [series(name, 1000.0, callers="4") for name in RATES]
    found += [series("pause", 4.0, 90.0, 6.0, killed=who, containers=str(size)) for who in VICTIMS for size in SIZES]
    found += [series("opens", 123456), series("failed opens", 7), series("memory of a container", 5120.0)]
    return {"series": found, "note": "Medians of a test."}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documentation and results of the test's own."""
    monkeypatch.setattr(broker_report, "OUT", tmp_path)
    monkeypatch.setattr(broker_report, "DOCUMENT", tmp_path / "broker.md")
    (tmp_path / "broker.md").write_text("before\n<!-- bench-broker: begin -->\n<!-- bench-broker: end -->\nafter\n")
    return tmp_path


def test_medians_highest_and_failures_are_shown() -> None:
    """Nothing that a goal is about is left out."""
    lines = broker_report.lines_of(whole())
    assert "| open | 2.00 | 2.00 | 2.00 | 16 / - | 1.50 |" in lines
    assert "| connect | 2.00 | 2.00 | 2.00 | 16 / - | - |" in lines
    assert "| 500 | 5.50 | 2.0 | 6 µs, 10 KB |" in lines
    assert "| the keeper | 101 | 3 | 6.0 | 90.0 | 50 |" in lines
    assert any("Of 123,456 opens meanwhile 7 failed (goal: 0)." in line for line in lines)
    assert lines[-1] == "Medians of a test."


def test_a_run_of_one_part_has_its_table_alone() -> None:
    """And no document is made of it."""
    document = whole()
    document["series"] = [one for one in document["series"] if one["measure"] in CASES]
    lines = broker_report.lines_of(document)
    assert len([line for line in lines if line.startswith("|---")]) == 1


def test_the_document_keeps_what_is_around(places: Path) -> None:
    """Writing twice gives the same as writing once."""
    (places / "broker.json").write_text(json.dumps(whole()))
    broker_report.write_document()
    once = (places / "broker.md").read_text()
    broker_report.write_document()
    assert (places / "broker.md").read_text() == once
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "| open | 2.00 |" in once


@pytest.mark.parametrize("results", [None, {"series": [], "note": ""}])
def test_without_a_whole_run_there_is_no_document(results: dict[str, Any] | None, places: Path) -> None:
    """The page would say less than it did."""
    if results is not None:
        (places / "broker.json").write_text(json.dumps(results))
    before = (places / "broker.md").read_text()
    with pytest.raises(SystemExit, match="make bench-broker"):
        broker_report.write_document()
    assert (places / "broker.md").read_text() == before
