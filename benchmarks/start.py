"""How long containers take to start: postern, runc and crun in alternating blocks of one run.

    python -m benchmarks.start [--rounds N] [--no-readme]

The config is the one dockerd writes for a container (taken from a real dockerd where there is one), with Docker's
default seccomp profile, a no-op static binary as its program, and without what belongs to dockerd itself (its hooks, its
bind mounts, empty limits).  Each runtime works through blocks of calls; a block's first calls are discarded, because a
container that is started right after another runtime's pays for that one's teardown.  What counts is the ratio of two
medians of one run.  JSON and an SVG chart go to build/bench, the table into the README.  Must be root.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import chart
from benchmarks.docker_config import docker_config
from benchmarks.pages import write_between
from integration.framework import hierarchy, leftovers, probe
from integration.framework.bundle import Bundle
from integration.framework.runtime import Runtime

ROOT = Path(__file__).parents[1]
CACHE = Path(
    os.environ.get("POSTERN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "postern"
)
PEERS = CACHE / "reference" / "bin"
OUTPUT = ROOT / "build" / "bench"
BLOCK, DISCARDED, ROUNDS = 10, 3, 8
VERBS = ("create", "start", "state", "kill", "delete")
LIFE = "create+start+delete"
# (measure, the ratio to runc it must not exceed, the ratio to crun)
TARGETS: tuple[tuple[str, float | None, float | None], ...] = (
    ("run", 0.30, 1.7),
    (LIFE, 0.25, 1.0),
    ("create", None, None),
    ("start", None, 0.4),
    ("state", None, 0.4),
    ("kill", None, 0.4),
    ("delete", None, 0.4),
)
PSS_TARGET_KB = 128
Samples = dict[str, list[float]]


class Candidate:
    """One runtime with a bundle for each workload and the calls on it."""

    def __init__(self, runtime: Runtime, directory: Path, config: dict[str, Any]) -> None:
        """Makes the bundles."""
        self.runtime, self.name = runtime, runtime.flavour
        self.samples: Samples = {measure: [] for measure, _, _ in TARGETS}
        self.null = os.open("/dev/null", os.O_RDWR)
        self.noop = _bundle(directory / "noop", config, "/noop")
        self.waiter = _bundle(directory / "waiter", config, "/probe", "wait")
        self.id = f"bench-{self.name}-{os.getpid()}"

    def call(self, *words: str) -> float:
        """Milliseconds of one call, from spawning it to having waited for it; it must succeed."""
        argv = self.runtime.argv(*words)
        actions = [(os.POSIX_SPAWN_DUP2, self.null, number) for number in (0, 1, 2)]
        start = time.perf_counter_ns()
        pid = os.posix_spawn(argv[0], argv, {"PATH": os.environ["PATH"]}, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        elapsed = (time.perf_counter_ns() - start) / 1e6
        if status:
            result = self.runtime.call(*words)
            raise SystemExit(f"benchmark: {' '.join(argv)} ended with status {status}; once more, it says: {result!r}")
        return elapsed

    def run(self) -> dict[str, float]:
        """One `run` of the no-op."""
        return {"run": self.call("run", "--bundle", str(self.noop.path), self.id)}

    def life(self) -> dict[str, float]:
        """create, start, state, kill, delete of a container that waits; what lies between is not measured."""
        pid_file = self.waiter.path / "pid"
        took = {"create": self.call("create", "--bundle", str(self.waiter.path), "--pid-file", str(pid_file), self.id)}
        took["start"] = self.call("start", self.id)
        took["state"] = self.call("state", self.id)
        took["kill"] = self.call("kill", self.id, "9")
        os.waitpid(int(pid_file.read_text()), 0)
        took["delete"] = self.call("delete", self.id)
        took[LIFE] = took["create"] + took["start"] + took["delete"]
        return took

    def block(self, workload: Callable[[], dict[str, float]]) -> None:
        """One block of calls, the first of them not counted."""
        for number in range(BLOCK):
            took = workload()
            if number >= DISCARDED:
                for measure, elapsed in took.items():
                    self.samples[measure].append(elapsed)

    def waiting_pss_kb(self) -> float:
        """Proportional set size of the process that waits in a created container: the median of five."""
        pid_file = self.waiter.path / "pid"
        sizes = []
        for _ in range(5):
            self.call("create", "--bundle", str(self.waiter.path), "--pid-file", str(pid_file), self.id)
            rollup = Path(f"/proc/{pid_file.read_text()}/smaps_rollup").read_text()
            sizes.append(float(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))))
            self.call("delete", "--force", self.id)
            leftovers.reap_orphans()
        return statistics.median(sizes)


def _bundle(directory: Path, config: dict[str, Any], *args: str) -> Bundle:
    bundle = Bundle(directory, "")
    (bundle.rootfs / "noop").write_bytes(probe.built("noop").read_bytes())
    (bundle.rootfs / "noop").chmod(0o755)
    bundle.config = json.loads(json.dumps(config))
    bundle.config["root"] = {"path": "rootfs"}
    bundle.linux["cgroupsPath"] = f"/bench-{os.getpid()}/{directory.parent.name}"
    bundle.args(*args).save()
    return bundle


def table(candidates: list[Candidate], medians: dict[str, dict[str, float]], pss: dict[str, float]) -> list[str]:
    """The results as the lines of a Markdown table."""
    names = [candidate.name for candidate in candidates]
    ours, *peers = names
    head = ["", *(f"{candidate.name} {'.'.join(map(str, candidate.runtime.version))}" for candidate in candidates)]
    rows = [[*head, *(f"{ours} / {peer}" for peer in peers), "target"], ["---"] * (len(head) + len(peers) + 1)]
    for measure, to_runc, to_crun in TARGETS:
        limits = {"runc": to_runc, "crun": to_crun}
        wanted = ", ".join(f"≤ {limit:g} × {peer}" for peer in peers if (limit := limits.get(peer)) is not None)
        rows.append(
            [f"{measure} (ms)"]
            + [f"{medians[name][measure]:.2f}" for name in names]
            + [f"{medians[ours][measure] / medians[peer][measure]:.2f}" for peer in peers]
            + [wanted]
        )
    rows.append(
        ["waiting init, PSS (KB)"]
        + [f"{pss[name]:.0f}" for name in names]
        + [f"{pss[ours] / pss[peer]:.3f}" for peer in peers]
        + [f"≤ {PSS_TARGET_KB} KB"]
    )
    return ["| " + " | ".join(row) + " |" for row in rows]


def missed(medians: dict[str, dict[str, float]], pss: dict[str, float]) -> list[str]:
    """A line for each target that this run did not meet."""
    lines = []
    for measure, to_runc, to_crun in TARGETS:
        for peer, limit in (("runc", to_runc), ("crun", to_crun)):
            if limit is not None and peer in medians:
                ratio = medians["postern"][measure] / medians[peer][measure]
                if ratio > limit:
                    lines.append(f"{measure}: {ratio:.2f} × {peer}, target {limit:g}")
    if pss["postern"] > PSS_TARGET_KB:
        lines.append(f"waiting init: {pss['postern']:.0f} KB, target {PSS_TARGET_KB}")
    return lines


def measure(candidates: list[Candidate], rounds: int) -> None:
    """Alternate blocks of the candidates, workload by workload."""
    for number in range(rounds):
        # the order turns, so that nobody always follows the same one
        turned = candidates[number % len(candidates) :] + candidates[: number % len(candidates)]
        for candidate in turned:
            candidate.block(candidate.run)
        for candidate in turned:
            candidate.block(candidate.life)
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def main() -> None:
    """Measure, print, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="blocks of each runtime and workload")
    parser.add_argument("--no-readme", action="store_true", help="leave the README's table alone")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("benchmark: containers are made as root")
    hierarchy.enter_private_namespace()
    hierarchy.become_subreaper()
    paths = [ROOT / "build/postern", PEERS / "runc", PEERS / "crun"]
    load = os.getloadavg()
    parent = hierarchy.CGROUP_MOUNT / f"bench-{os.getpid()}"
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as scratch:
            Path(scratch).chmod(0o755)
            config, source = docker_config(Path(scratch), Runtime(PEERS / "runc", Path(scratch) / "docker-state"))
            candidates = [
                Candidate(Runtime(path, Path(scratch) / path.name / "state"), Path(scratch) / path.name, config)
                for path in paths
                if path.exists()
            ]
            measure(candidates, options.rounds)
            pss = {candidate.name: candidate.waiting_pss_kb() for candidate in candidates}
    finally:
        leftovers.remove_cgroup(parent)
    medians = {
        candidate.name: {name: statistics.median(series) for name, series in candidate.samples.items()}
        for candidate in candidates
    }
    lines = table(candidates, medians, pss)
    counted = options.rounds * (BLOCK - DISCARDED)
    note = (
        f"Medians of {counted} calls each, in blocks of {BLOCK} of which the first {DISCARDED} are not counted; config of "
        f"{source}; Linux {platform.release()}, {os.cpu_count()} CPUs, load {load[0]:.1f} before."
    )
    print(*lines, "", note, *(f"missed: {line}" for line in missed(medians, pss)), sep="\n")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    record = {
        "versions": {candidate.name: ".".join(map(str, candidate.runtime.version)) for candidate in candidates},
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_before": load,
        "config": source,
        "medians_ms": medians,
        "pss_kb": pss,
        "samples_ms": {candidate.name: candidate.samples for candidate in candidates},
    }
    (OUTPUT / "start.json").write_text(json.dumps(record, indent=1) + "\n")
    (OUTPUT / "start.svg").write_text(
        chart.bars("Starting containers: median milliseconds", medians, [row[0] for row in TARGETS])
    )
    if not options.no_readme and len(candidates) == len(paths):
        write_between(ROOT / "README.md", "bench-start", [*lines, "", note])
    print(f"{OUTPUT}/start.json, {OUTPUT}/start.svg")


if __name__ == "__main__":
    main()
