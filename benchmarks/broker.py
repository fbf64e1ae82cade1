"""What the broker costs: a call's latency for each handler, throughput, many containers, memory, its processes' deaths.

    python -m benchmarks.broker [--only PART...] [--rounds N]

As root; `make bench-broker` runs everything.  Latency is measured with everything on one CPU: a wake-up across CPUs costs what
the machine wants.  JSON (with all samples, which benchmarks.ab compares), tables and charts go to build/bench.
"""

from __future__ import annotations

import argparse
import os
import platform
from typing import Any

from benchmarks import broker_calls, broker_crowds, broker_report, broker_resume

# part -> (what measures it, its rounds, on one CPU)
PARTS = {
    "latency": (broker_calls.latency, broker_calls.ROUNDS, True),
    "crowds": (broker_crowds.crowds, broker_crowds.ROUNDS, True),
    "throughput": (broker_calls.throughput, broker_calls.RATE_ROUNDS, False),
    "resume": (broker_resume.resume, broker_resume.ROUNDS, False),
}


def main() -> None:
    """Measure, print, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="these parts")
    parser.add_argument("--rounds", type=int, help="rounds of each part")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("bench-broker: acting on behalf of others needs root")
    every, load = os.sched_getaffinity(0), os.getloadavg()[0]
    series: list[dict[str, Any]] = []
    for name in options.only:
        measure, rounds, alone = PARTS[name]
        os.sched_setaffinity(0, {min(every)} if alone else every)
        series += measure(options.rounds or rounds)
    note = f"Medians; Linux {platform.release()}, {len(every)} CPUs, load {load:.1f} before."
    broker_report.write({"series": series, "load_before": load, "note": note})


if __name__ == "__main__":
    main()
