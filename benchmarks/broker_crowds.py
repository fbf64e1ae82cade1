"""One caller among many listeners: whether its calls get slower, and what a listener costs the core in memory.

Each crowd has a process of its own, `python -m benchmarks.broker_crowds SIZE`: memory that a core before it gave back to the
allocator would be taken again and not be seen.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.broker_calls import CASES, DECISION, loop_of, policy_of, read_loop
from integration.framework.gate import NOTED, Gated, serving

CROWDS = (1, 10, 100, 500)
CALLS = 4000
ROUNDS = 3
COUNTABLE = 100  # memory comes in pages: fewer listeners say nothing of one


def private_bytes(pid: int | str = "self") -> int:
    """What a process has written and shares with nobody."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise LookupError("Private_Dirty")


def crowd(size: int) -> tuple[float, float]:
    """(µs of a decision, bytes that each listener adds); the caller is the last of them."""
    case = CASES[DECISION]
    waiting = [Gated([case.call, *NOTED], *loop_of(case, CALLS)) for _ in range(size)]
    try:
        with serving() as broker:
            broker.add(waiting[0], policy_of(case))  # whatever is made once
            before = private_bytes()
            for gated in waiting[1:]:
                broker.add(gated, policy_of(case))
            each = (private_bytes() - before) / size
            waiting[-1].release()
            return read_loop(waiting[-1].finish()[1]).p50, each
    finally:
        for gated in waiting:
            gated.process.kill()
            gated.process.communicate()


def crowds(rounds: int) -> list[dict[str, Any]]:
    """Series for each size: median µs of a decision, and bytes that each listener adds to the core."""
    speed: dict[int, list[float]] = {size: [] for size in CROWDS}
    memory: dict[int, list[float]] = {size: [] for size in CROWDS}
    for _ in range(rounds):
        for size in CROWDS:
            argv = [sys.executable, "-m", "benchmarks.broker_crowds", str(size)]
            middle, each = map(float, subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.split())
            speed[size].append(middle)
            memory[size].append(each)
    return [
        {"measure": measure, "dimensions": {"listeners": str(size)}, "unit": unit, "samples": found[size]}
        for measure, unit, found in (("decision in a crowd", "µs", speed), ("memory of a listener", "bytes", memory))
        for size in CROWDS
        if measure == "decision in a crowd" or size >= COUNTABLE
    ]


if __name__ == "__main__":
    print(*crowd(int(sys.argv[1])))
