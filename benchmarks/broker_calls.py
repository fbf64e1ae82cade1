"""One call through the broker's core, again and again: how long it takes, and how many a second there are room for.

No container and no runtime: a program behind a filter of its own, and the core in this process.  Nothing is told of a call
(`audit: none`), so that what is measured is the call's own way.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from typing import Any, NamedTuple

from integration.framework import probe
from integration.framework.gate import NOTED, NUMBERS, Broker, Gated, paths, serving, table

ROUNDS, CALLS = 9, 4000
RATE_ROUNDS, RATE_CALLS, CALLERS = 3, 10000, 4
FILE = "/etc/hostname"
LOOPBACK = [[{"action": "allow", "cidr": "127.0.0.0/8", "ports": None, "protocols": ["udp"], "rule": None}]]


class Case(NamedTuple):
    """A call, the handler that it goes to, what the table says, and the goals for its median and 99th percentile in µs."""

    call: str
    words: tuple[str, ...]
    handler: str
    fields: dict[str, Any]
    goals: tuple[float | None, float | None]


class Spent(NamedTuple):
    """What `gate` says of a loop: microseconds a call, and when it began and ended in seconds."""

    p50: float
    p99: float
    begin: float
    end: float


DECISION = "decide, continue"
CASES = {
    DECISION: Case("getppid", (), "continue", {}, (6, 10)),
    "decide, deny": Case("getppid", (), "deny", {}, (6, 10)),
    "open": Case("openat", ("-100", FILE, "0"), "open", {"read": paths("/etc")}, (16, None)),
    "connect": Case("connect", ("udp", "loopback:9", "16"), "connect", {"egress": LOOPBACK}, (16, None)),
    "sendto": Case(
        "sendto", ("udp", FILE, "8", "0x4000", "loopback:9", "16"), "send", {"egress": LOOPBACK}, (None, None)
    ),
    "bind, refused": Case("bind", ("udp", "loopback:9", "16"), "bind", {"bind": [[]]}, (None, None)),
}
# what `bare` does for a handler
BARE = {"deny": "decide", "open": "open"}
# name -> (case, workers of the core, goal in calls a second)
RATES = {
    "decisions, 2 workers": (DECISION, 2, 150_000),
    "opens, 1 worker": ("open", 1, None),
    "opens, 2 workers": ("open", 2, None),
    "opens, 3 workers": ("open", 3, None),
    "opens, 4 workers": ("open", 4, 60_000),
}


def loop_of(case: Case, count: int) -> list[str]:
    """The words that make `gate` repeat a case."""
    return ["loop", str(count), str(NUMBERS[case.call]), *case.words]


def policy_of(case: Case) -> dict[str, Any]:
    """The table of a case: what it calls is mediated, and what every policy with file rules has noted."""
    return table({case.call: case.handler, **dict.fromkeys(NOTED, "continue")}, audit="none", **case.fields)


def read_loop(out: str) -> Spent:
    """The last line of `gate`."""
    _result, _mean, median, high, begin, end = map(int, out.splitlines()[-1].split())
    return Spent(median / 1e3, high / 1e3, begin / 1e9, end / 1e9)


def native(case: Case, count: int) -> Spent:
    """A loop without a filter."""
    argv = [str(probe.built("gate")), "none", *loop_of(case, count)]
    return read_loop(subprocess.run(argv, input=b"\n", stdout=subprocess.PIPE, check=True).stdout.decode())


def bare(case: Case, count: int) -> Spent:
    """The same calls answered by a loop of C with nothing around it: what of the broker's time is the kernel's."""
    gated = Gated([case.call], *loop_of(case, count))
    argv = [str(probe.built("bare")), str(gated.listener), BARE[case.handler]]
    with subprocess.Popen(argv, pass_fds=[gated.listener]) as answering:
        try:
            gated.release()
            return read_loop(gated.finish()[1])
        finally:
            answering.kill()
            os.close(gated.listener)


def start(broker: Broker, case: Case, count: int) -> Gated:
    """One more caller, served, that waits to be released."""
    gated = Gated([case.call, *NOTED], *loop_of(case, count))
    broker.add(gated, policy_of(case))
    return gated


def latency(rounds: int) -> list[dict[str, Any]]:
    """Series of µs for each case: blocks without a filter, through the broker, and answered by a bare loop take turns."""
    found: dict[tuple[str, str, str], list[float]] = {}
    with serving(2) as broker:
        for _ in range(rounds):
            for name, case in CASES.items():
                blocks = [
                    ("native", native(case, CALLS)),
                    ("brokered", read_loop(broker.run(policy_of(case), *loop_of(case, CALLS))[1])),
                ]
                blocks += [("bare", bare(case, CALLS))] if case.handler in BARE else []
                for how, spent in blocks:
                    found.setdefault((name, how, "p50"), []).append(spent.p50)
                    found.setdefault((name, how, "p99"), []).append(spent.p99)
    return [
        {"measure": name, "dimensions": {"how": how, "figure": figure}, "unit": "µs", "samples": samples}
        for (name, how, figure), samples in found.items()
    ]


def _rate(case: Case, workers: int) -> float:
    with serving(workers) as broker:
        waiting = [start(broker, case, RATE_CALLS) for _ in range(CALLERS)]
        for gated in waiting:
            gated.release()
        spent = [read_loop(gated.finish()[1]) for gated in waiting]
    return RATE_CALLS * CALLERS / (max(one.end for one in spent) - min(one.begin for one in spent))


def throughput(rounds: int) -> list[dict[str, Any]]:
    """Series of calls a second that some callers make together, from the first one's beginning to the last one's end."""
    found: dict[str, list[float]] = {name: [] for name in RATES}
    for _ in range(rounds):
        for name, (case, workers, _goal) in RATES.items():
            found[name].append(_rate(CASES[case], workers))
    return [
        {"measure": name, "dimensions": {"callers": str(CALLERS)}, "unit": "1/s", "samples": samples}
        for name, samples in found.items()
    ]


def median(series: list[dict[str, Any]], measure: str, **dimensions: str) -> float:
    """The middle of one series.  Raises: LookupError."""
    for one in series:
        if one["measure"] == measure and one["dimensions"].items() >= dimensions.items():
            middle: float = statistics.median(one["samples"])
            return middle
    raise LookupError(f"{measure} {dimensions}")
