"""What the broker costs a call: latency per handler, throughput, many containers, memory.  `make bench-broker`, as root.

Writes build/bench/broker.json, broker.svg and the tables that it prints, broker.md.
Latency is measured with everything on one CPU: a wake-up across CPUs costs what the machine wants.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.chart import bars
from integration.framework import probe
from integration.framework.gate import NUMBERS, OPENS, Broker, Gated, paths, serving, table

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build/bench"
COUNT = int(os.environ.get("POSTERN_BENCH_COUNT", "20000"))
CROWDS = (1, 10, 100, 500)
FILE = "/etc/hostname"
LOOPBACK = [[{"action": "allow", "cidr": "127.0.0.0/8", "ports": None, "protocols": ["udp"], "rule": None}]]


class Case(NamedTuple):
    """One call, made again and again."""

    call: str
    words: tuple[str, ...]
    handler: str
    fields: dict[str, Any]
    goal: str


CASES = {
    "decide, continue": Case("getppid", (), "continue", {}, "6 / 10"),
    "decide, deny": Case("getppid", (), "deny", {}, "6 / 10"),
    "open": Case("openat", ("-100", FILE, "0"), "open", {"read": paths("/etc")}, "16 / -"),
    "connect": Case("connect", ("udp", "loopback:9", "16"), "connect", {"egress": LOOPBACK}, "16 / -"),
    "sendto": Case("sendto", ("udp", FILE, "8", "0x4000", "loopback:9", "16"), "send", {"egress": LOOPBACK}, "-"),
    "bind, refused": Case("bind", ("udp", "loopback:9", "16"), "bind", {"bind": [[]]}, "-"),
}


def loop_of(case: Case, count: int = COUNT) -> list[str]:
    """The words that make `gate` repeat a case."""
    return ["loop", str(count), str(NUMBERS[case.call]), *case.words]


def policy_of(case: Case) -> dict[str, Any]:
    """The table of a case: what it calls is mediated, setgroups too, and nothing is told."""
    calls = {case.call: case.handler, "setgroups": "continue"}
    return table(calls, audit="none", **case.fields)


def native(case: Case) -> dict[str, float]:
    """Microseconds without a filter."""
    process = subprocess.Popen(
        [str(probe.built("gate")), "none", *loop_of(case)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = process.communicate(b"\n")
    return numbers_of(out.decode().splitlines()[-1])


def numbers_of(line: str) -> dict[str, float]:
    """What `gate` printed, in microseconds."""
    _result, mean, median, high = map(int, line.split())
    return {"mean": mean / 1000, "p50": median / 1000, "p99": high / 1000}


def latency(threads: int = 2) -> dict[str, dict[str, Any]]:
    """Median and 99th percentile of each case, three times; the middle one counts."""
    found = {}
    for name, case in CASES.items():
        with serving(threads) as broker:
            runs = [numbers_of(broker.run(policy_of(case), *loop_of(case))[1]) for _ in range(3)]
        middle = sorted(runs, key=lambda run: run["p50"])[1]
        found[name] = {"native": native(case)["p50"], "goal": case.goal, **middle}
        print(f"{name:20} native {found[name]['native']:7.2f}  p50 {middle['p50']:7.2f}  p99 {middle['p99']:7.2f} µs")
    return found


def start(broker: Broker, case: Case, count: int) -> Gated:
    """One more container that waits to be released."""
    gated = Gated([case.call, "setgroups"], *loop_of(case, count))
    broker.add(gated, policy_of(case))
    return gated


def crowds() -> dict[str, dict[str, float]]:
    """One caller among many listeners: its median, and what each listener costs the broker in memory."""
    case, found = CASES["decide, continue"], {}
    for size in CROWDS:
        with serving() as broker:
            before = memory()
            waiting = [start(broker, case, COUNT) for _ in range(size)]
            each = (memory() - before) / size
            waiting[0].release()
            line = waiting[0].finish()[1]
            found[str(size)] = {**numbers_of(line), "bytes": each}
            end(waiting[1:])
        print(f"{size:4} listeners: p50 {found[str(size)]['p50']:.2f} µs, {each / 1024:.1f} KB each")
    return found


def end(waiting: list[Gated]) -> None:
    """End those that were never released."""
    for gated in waiting:
        gated.process.kill()
        gated.process.communicate()


def memory() -> int:
    """Bytes of this process that are its own, in memory now."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise LookupError("Private_Dirty")


def throughput(name: str, threads: int, callers: int) -> float:
    """Calls per second of some callers together."""
    case = CASES[name]
    with serving(threads) as broker:
        waiting = [start(broker, case, COUNT) for _ in range(callers)]
        begin = time.monotonic()
        for gated in waiting:
            gated.release()
        for gated in waiting:
            gated.finish()
        spent = time.monotonic() - begin
    rate = COUNT * callers / spent
    print(f"{name}: {rate:,.0f}/s with {threads} workers and {callers} callers")
    return rate


def rows(results: dict[str, Any]) -> str:
    """The tables."""
    lines = ["| call | native µs | brokered p50 | p99 | goal p50 / p99 |", "|---|---|---|---|---|"]
    for name, row in results["latency"].items():
        lines.append(f"| {name} | {row['native']:.2f} | {row['p50']:.2f} | {row['p99']:.2f} | {row['goal']} |")
    lines += ["", "| listeners | decision p50 µs | memory each KB |", "|---|---|---|"]
    for size, row in results["crowds"].items():
        lines.append(f"| {size} | {row['p50']:.2f} | {row['bytes'] / 1024:.1f} |")
    lines += ["", "| throughput | calls a second | goal |", "|---|---|---|"]
    for name, (rate, goal) in results["throughput"].items():
        lines.append(f"| {name} | {rate:,.0f} | {goal} |")
    return "\n".join(lines) + "\n"


def write(results: dict[str, Any]) -> None:
    """JSON, chart, and the tables."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "broker.json").write_text(json.dumps(results, indent=1) + "\n")
    shown = results["latency"]
    series = {
        kind: {name: shown[name][key] for name in shown} for kind, key in (("native", "native"), ("brokered", "p50"))
    }
    (OUT / "broker.svg").write_text(bars("One call, median, µs", series, list(shown)))
    (OUT / "broker.md").write_text(rows(results))
    print(rows(results))


def main() -> int:
    """Measure everything."""
    if os.geteuid() != 0:
        print("bench-broker: acting on behalf of others needs root", file=sys.stderr)
        return 1
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every)})
    results: dict[str, Any] = {"latency": latency(), "crowds": crowds()}
    os.sched_setaffinity(0, every)
    rates = {
        "decisions": (statistics.median(throughput("decide, continue", 2, 4) for _ in range(3)), "150,000"),
        "opens": (statistics.median(throughput("open", 4, 4) for _ in range(3)), "60,000"),
    }
    write({**results, "throughput": rates, "calls": list(OPENS)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
