"""Tables, process lists and statistics as runc prints them."""

import pytest

from runtime.commands.container_stats import container_stats, pressure
from runtime.commands.events import parse_interval
from runtime.commands.list import render
from runtime.commands.process_table import filter_table
from runtime.commands.table import format_table
from runtime.errors import OciError, UsageError

DOCUMENT = {
    "id": "a-container-with-a-name",
    "pid": 7,
    "status": "running",
    "bundle": "/b",
    "created": "2026-01-02T03:04:05Z",
    "owner": "root",
}


def test_table() -> None:
    """At least 12 wide, three blanks after the longest, the last column open."""
    assert format_table([("ID", "PID", "OWNER"), ("a-container-with-a-name", "7", "root")]) == (
        "ID                        PID         OWNER\na-container-with-a-name   7           root\n"
    )


def test_list_styles() -> None:
    """json of nothing is null; quiet is IDs."""
    assert render([], "json") == "null\n"
    assert render([], "table") == "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
    assert render([DOCUMENT], "quiet") == "a-container-with-a-name\n"
    assert render([DOCUMENT], "json").startswith('[{"id":"a-container-with-a-name","pid":7,')
    assert render([DOCUMENT], "table").splitlines()[1].split() == [str(value) for value in DOCUMENT.values()]


def test_process_table() -> None:
    """Only the PID column counts."""
    output = "UID PID PPID CMD\nroot 7 1 sh 8\nroot 8 7 sleep 7\nroot 77 7 x\n"
    assert filter_table(output, [7]) == "UID PID PPID CMD\nroot 7 1 sh 8\n"
    assert filter_table(output, []) == "UID PID PPID CMD\n"
    with pytest.raises(OciError, match="couldn't find PID field"):
        filter_table("CMD\nx\n", [7])


FILES = {
    "cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 0\nthrottled_usec 9\n",
    "cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\n",
    "memory.current": "100\n",
    "memory.max": "max\n",
    "memory.stat": "file 40\nanon 60\n",
    "memory.swap.current": "10\n",
    "memory.swap.max": "0\n",
    "memory.events": "max 3\n",
    "pids.current": "2\n",
    "pids.max": "max\n",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\nnonsense\n",
    "hugetlb.2MB.current": "0\n",
    "hugetlb.2MB.events": "max 1\n",
}


def test_stats() -> None:
    """runc's names; nanoseconds; swap counts memory too."""
    data = container_stats(lambda name: FILES.get(name, ""), ("2MB", "1GB"))
    assert data["cpu"]["usage"] == {"total": 5000, "kernel": 2000, "user": 3000}
    assert data["cpu"]["throttling"] == {"periods": 1, "throttledPeriods": 0, "throttledTime": 9000}
    assert data["cpu"]["psi"]["some"] == {"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "total": 12}
    assert data["memory"]["usage"] == {"limit": (1 << 64) - 1, "usage": 100, "failcnt": 3}
    assert data["memory"]["swap"] == {"limit": (1 << 64) - 1, "usage": 110, "failcnt": 0}
    assert data["memory"]["cache"] == 40
    assert data["pids"] == {"current": 2}
    assert data["blkio"]["ioServicedRecursive"] == [
        {"major": 8, "minor": 0, "op": "Read", "value": 3},
        {"major": 8, "minor": 0, "op": "Write", "value": 4},
    ]
    assert data["hugetlb"] == {"2MB": {"usage": 0, "failcnt": 1}}


def test_stats_of_a_bare_cgroup() -> None:
    """A hierarchy without controllers still gives every section."""
    data = container_stats(lambda _name: "", ("2MB",))
    assert data["memory"]["usage"] == {"limit": 0, "usage": 0, "failcnt": 0}
    assert data["blkio"] == {}
    assert pressure("") is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("2us", 0.000002)]
)
def test_interval(text: str, seconds: float) -> None:
    """Go's durations."""
    assert parse_interval(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "0s", "-1s", "1x", "1..5s"])
def test_wrong_interval(text: str) -> None:
    """Nothing that is not a positive duration."""
    with pytest.raises(UsageError):
        parse_interval(text)
