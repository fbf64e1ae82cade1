"""What `make bench-broker` found, as tables and charts; and the table of docs/broker.md.

    python -m benchmarks.broker_report

writes the tables of build/bench/broker.json, as a whole run leaves it, into docs/broker.md.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks import broker_resume, chart
from benchmarks.broker_calls import BARE, CASES, RATES, median
from benchmarks.broker_crowds import COUNTABLE, CROWDS
from benchmarks.pages import write_between

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build/bench"
DOCUMENT = ROOT / "docs/broker.md"
GOAL_KB = 10


def _has(series: list[dict[str, Any]], measure: str) -> bool:
    return any(one["measure"] == measure for one in series)


def _goal(value: float | None) -> str:
    return "-" if value is None else f"{value:,g}"


def _call_rows(series: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| call | native µs | brokered p50 | p99 | goal p50 / p99 | a bare loop p50 |",
        "|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        figures = [median(series, name, how=how, figure=figure) for how, figure in _COLUMNS]
        goals = " / ".join(map(_goal, case.goals))
        floor = f"{median(series, name, how='bare', figure='p50'):.2f}" if case.handler in BARE else "-"
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in figures) + f" | {goals} | {floor} |")
    return lines


_COLUMNS = (("native", "p50"), ("brokered", "p50"), ("brokered", "p99"))


def _crowd_rows(series: list[dict[str, Any]]) -> list[str]:
    lines = ["| listeners | decision p50 µs | the core's memory for each, KB | goal |", "|---|---|---|---|"]
    for size in map(str, CROWDS):
        speed = median(series, "decision in a crowd", listeners=size)
        each = "-"
        if int(size) >= COUNTABLE:
            each = f"{median(series, 'memory of a listener', listeners=size) / 1024:.1f}"
        lines.append(f"| {size} | {speed:.2f} | {each} | 6 µs, {GOAL_KB} KB |")
    return lines


def _rate_rows(series: list[dict[str, Any]]) -> list[str]:
    lines = ["| throughput, 4 callers | calls a second | goal |", "|---|---|---|"]
    return lines + [f"| {name} | {median(series, name):,.0f} | {_goal(goal)} |" for name, (_, _, goal) in RATES.items()]


def _pauses(series: list[dict[str, Any]], killed: str, size: int) -> list[float]:
    wanted = {"killed": killed, "containers": str(size)}
    return next((one["samples"] for one in series if one["measure"] == "pause" and one["dimensions"] == wanted), [])


def _resume_rows(series: list[dict[str, Any]]) -> list[str]:
    opens, failed = (median(series, name) for name in ("opens", "failed opens"))
    each = median(series, "memory of a container")
    lines = [
        "| killed | containers | times | longest pause of a caller, p50 ms | max | goal |",
        "|---|---|---|---|---|---|",
    ]
    for killed in broker_resume.VICTIMS:
        for size in broker_resume.SIZES:
            found = _pauses(series, killed, size)
            if found:
                figures = f"{statistics.median(found):.1f} | {max(found):.1f} | {broker_resume.GOAL_MS}"
                lines.append(f"| {killed} | {size} | {len(found)} | {figures} |")
    sentence = f"Of {opens:,.0f} opens meanwhile {failed:,.0f} failed (goal: 0)."
    memory = f"A container adds {each / 1024:.1f} KB to keeper, worker and standby together (goal: {GOAL_KB})."
    return [*lines, "", f"{sentence} {memory}"]


# a measure of each part, and its table
PARTS = {"open": _call_rows, "memory of a listener": _crowd_rows, next(iter(RATES)): _rate_rows, "pause": _resume_rows}


def lines_of(document: dict[str, Any]) -> list[str]:
    """The tables of what was measured, and how."""
    series, lines = document["series"], []
    for measure, rows in PARTS.items():
        if _has(series, measure):
            lines += [*rows(series), ""]
    return [*lines, document["note"]]


def write(document: dict[str, Any]) -> None:
    """JSON, tables and charts below build/bench; prints the tables."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "broker.json").write_text(json.dumps(document, indent=1) + "\n")
    text = "\n".join(lines_of(document)) + "\n"
    (OUT / "broker.md").write_text(text)
    print(text)
    series = document["series"]
    if _has(series, "open"):
        shown = {
            how: {name: median(series, name, how=how, figure="p50") for name in CASES} for how in ("native", "brokered")
        }
        (OUT / "broker.svg").write_text(chart.bars("One call, median, µs", shown, list(CASES)))
    if _has(series, "pause"):
        (OUT / "broker-resume.svg").write_text(_resume_chart(series))


def _resume_chart(series: list[dict[str, Any]]) -> str:
    sizes = broker_resume.SIZES
    shown = {
        f"{size} containers, {word}": {who: figure(_pauses(series, who, size) or [0]) for who in broker_resume.VICTIMS}
        for size in sizes
        for word, figure in (("p50", statistics.median), ("max", max))
    }
    return chart.bars("Longest pause of a caller when somebody is killed, ms", shown, list(broker_resume.VICTIMS))


def write_document() -> None:
    """Put the tables of the last run into the documentation.  Raises: SystemExit when there was none, or it has no place."""
    try:
        document = json.loads((OUT / "broker.json").read_text())
    except FileNotFoundError:
        raise SystemExit("benchmark: no run yet: make bench-broker") from None
    if not all(_has(document["series"], measure) for measure in PARTS):
        raise SystemExit("benchmark: the last run was of some parts only: make bench-broker")
    write_between(DOCUMENT, "bench-broker", lines_of(document))


if __name__ == "__main__":
    write_document()
