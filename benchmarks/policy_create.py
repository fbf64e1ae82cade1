"""What a policy adds to `create`: each built-in one, one whose calls go to the broker, and one of a thousand networks, beside none.

    python -m benchmarks.policy_create [--rounds N] [--only POLICY...] [--realtime] [--document]

Containers of the config that dockerd writes, as in `benchmarks.start`.  Creates with and without each policy alternate.
`cached` is a create beside a running container of its kind, which the goal is about;
`alone` is one of a kind that is known and of which no container is there, so that the kernel has lost its programs; before `first use` the kept results
of policies and filters are removed, so that the policy is compiled and lowered anew; a create without a policy loses its filter
alike.  `added` is the median of the differences to the create without a policy right before, since machines drift by more than a
policy costs.  `--realtime` lets the measured part run before
all else on a busy machine (SCHED_FIFO), `--document` puts the table into docs/policy-enforcement.md.  JSON goes to build/bench.  Must be root.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.docker_config import docker_config
from benchmarks.pages import write_between
from benchmarks.start import Candidate
from integration.framework import hierarchy, leftovers
from integration.framework.broker import Broker
from integration.framework.runtime import Runtime
from runtime.policy.built_in import builtin_names

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "build" / "bench"
ROUNDS, PAIRS, DISCARDED = 16, 8, 1
DOCUMENT = ROOT / "docs/policy-enforcement.md"
NONE = "no policy"
KINDS = ("cached", "alone", "first use")
GOAL_MS = 1.0
PRIORITY = 50
KEPT = ("@gates", "@filters", "@policies", "@programs")
NETWORKS = ", ".join(f'"10.{n // 250}.{n % 250}.0/24"' for n in range(1000))
FILES = {
    "brokered connect": "name: brokered\nsyscalls: {default: allow, broker: [connect]}\n",
    "1,000 networks": f"name: networks\nnetwork:\n  egress: [{NETWORKS}]\n  ingress: [loopback]\n",
}
DIRECTORIES = (
    "usr/bin",
    "sbin",
    "lib",
    "lib64",
    "opt",
    "home",
    "var/lib",
    "var/log",
    "var/tmp",
    "srv",
    "app",
    "workspace",
)
Samples = dict[str, list[float]]


def fill(candidate: Candidate) -> None:
    """Give the root the directories that images have, and put the program where a policy lets it be executed."""
    bundle = candidate.waiter
    for name in DIRECTORIES:
        (bundle.rootfs / name).mkdir(parents=True, exist_ok=True)
    (bundle.rootfs / "probe").rename(bundle.rootfs / "usr/bin/probe")
    bundle.args("/usr/bin/probe", "wait").save()


def _standing(candidate: Candidate, directory: Path) -> Path:
    """A bundle like the candidate's, in another cgroup."""
    config = json.loads((candidate.waiter.path / "config.json").read_text())
    config["root"]["path"] = str(candidate.waiter.rootfs)
    config["linux"]["cgroupsPath"] += f"-{directory.name}"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    return directory


class Subject:
    """Containers under one policy, or none."""

    def __init__(self, name: str, candidate: Candidate, directory: Path) -> None:
        """Writes the policy's file where it has one."""
        self.name, self.candidate = name, candidate
        self.flags: tuple[str, ...] = () if name == NONE else ("--policy", name)
        if name in FILES:
            path = directory / f"{len(name)}.yaml"
            path.write_text(FILES[name])
            self.flags = ("--policy", str(path))
        self.samples: Samples = {kind: [] for kind in KINDS}
        self.added: Samples = {kind: [] for kind in KINDS}
        self.standing = _standing(
            candidate, directory / f"standing-{''.join(letter for letter in name if letter.isalnum())}"
        )

    def stand(self) -> None:
        """Have a container of the kind there from now on."""
        words = (*self.flags, "create", "--bundle", str(self.standing), f"{self.candidate.id}-{self.standing.name}")
        self.candidate.call(*words)

    def fall(self) -> None:
        """No longer."""
        self.candidate.call("delete", "--force", f"{self.candidate.id}-{self.standing.name}")
        leftovers.reap_orphans()

    def create(self) -> float:
        """Milliseconds of one create; the container is gone afterwards."""
        candidate = self.candidate
        words = (*self.flags, "create", "--bundle", str(candidate.waiter.path))
        took = candidate.call(*words, "--pid-file", str(candidate.waiter.path / "pid"), candidate.id)
        candidate.call("delete", "--force", candidate.id)
        leftovers.reap_orphans()
        return took

    def first_use(self) -> float:
        """A create that finds nothing kept."""
        for name in KEPT:
            shutil.rmtree(self.candidate.runtime.root / name, ignore_errors=True)
        took = self.create()
        self.create()
        self.samples["first use"].append(took)
        return took

    def results(self) -> dict[str, float]:
        """Medians, and of what was added, in milliseconds."""
        found = {kind: statistics.median(series) for kind, series in self.samples.items()}
        return found | {f"{kind} added": statistics.median(series) for kind, series in self.added.items() if series}


def compare(plain: Subject, subject: Subject, kind: str) -> None:
    """Creates of both, one after the other in turns, the first of each not counted."""
    for number in range(PAIRS):
        before, took = plain.create(), subject.create()
        if number >= DISCARDED:
            plain.samples[kind].append(before)
            subject.samples[kind].append(took)
            subject.added[kind].append(took - before)


def measure(subjects: list[Subject], rounds: int) -> None:
    """Compare each subject with the first one, which has no policy: beside one of the kind, and alone."""
    plain, *others = subjects
    for subject in subjects:
        subject.create()  # a broker that is wanted is started here
    for number in range(rounds):
        for subject in others if number % 2 else others[::-1]:
            compare(plain, subject, "alone")
            plain.stand()
            subject.stand()
            compare(plain, subject, "cached")
            subject.fall()
            plain.fall()
            before = plain.first_use()
            subject.added["first use"].append(subject.first_use() - before)
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def table(results: dict[str, dict[str, float]]) -> list[str]:
    """The results as the lines of a Markdown table."""
    head = [cell for kind in KINDS for cell in (f"{kind} (ms)", "added")]
    rows = [["create", *head], ["---"] * (len(head) + 1)]
    for name, found in results.items():
        cells = [name]
        for kind in KINDS:
            added = found.get(f"{kind} added")
            cells += [f"{found[kind]:.2f}", "" if added is None else f"{added:+.2f}"]
        rows.append(cells)
    return ["| " + " | ".join(row) + " |" for row in rows]


def verdicts(results: dict[str, dict[str, float]]) -> list[str]:
    """A line for each policy, met or missed."""
    lines = []
    for name, found in results.items():
        if name != NONE:
            added = found["cached added"]
            word = "met" if added <= GOAL_MS else "missed"
            lines.append(f"{word}: {name}: {added:+.2f} ms, goal at most +{GOAL_MS:g} ms")
    return lines


def subjects_of(names: list[str], candidate: Candidate, directory: Path) -> list[Subject]:
    """None first, then the others."""
    return [Subject(name, candidate, directory) for name in (NONE, *names)]


def save(
    subjects: list[Subject], medians: dict[str, dict[str, float]], load: tuple[float, float, float], source: str
) -> None:
    """Write build/bench/policy-create.json, as `benchmarks.ab` reads it."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_before": load,
        "config": source,
        "medians_ms": medians,
        "goals": verdicts(medians),
        "samples_ms": {subject.name: subject.samples for subject in subjects},
    }
    (OUTPUT / "policy-create.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*builtin_names(), *FILES]
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="blocks of each policy")
    parser.add_argument("--only", nargs="+", choices=known, default=known, help="these policies")
    parser.add_argument("--realtime", action="store_true", help="measure with a real-time priority")
    parser.add_argument("--document", action="store_true", help="write the table into docs/policy-enforcement.md")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("benchmark: containers are made as root")
    hierarchy.enter_private_namespace()
    hierarchy.become_subreaper()
    load = os.getloadavg()
    parent = hierarchy.CGROUP_MOUNT / f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as directory:
        scratch = Path(directory)
        scratch.chmod(0o755)
        runtime = Runtime(ROOT / "build/postern", scratch / "postern" / "state")
        try:
            config, source = docker_config(scratch, Runtime(ROOT / "build/postern", scratch / "docker-state"))
            candidate = Candidate(runtime, scratch / "postern", config)
            fill(candidate)
            subjects = subjects_of(options.only, candidate, scratch)
            if options.realtime:  # not while dockerd runs: programs that spin keep the processors to themselves
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
            measure(subjects, options.rounds)
        finally:
            Broker(runtime.root).end()
            leftovers.remove_cgroup(parent)
    medians = {subject.name: subject.results() for subject in subjects}
    note = (
        f"Medians of {options.rounds * (PAIRS - DISCARDED)} creates ({options.rounds} of a first use) with and without the policy "
        f"in turns; config of {source}; Linux {platform.release()}, {os.cpu_count()} CPUs, load {load[0]:.1f} before."
    )
    print(*table(medians), "", note, *verdicts(medians), sep="\n")
    save(subjects, medians, load, source)
    if options.document:
        write_between(DOCUMENT, "bench-policy-create", [*table(medians), "", note])
    print(f"{OUTPUT}/policy-create.json")


if __name__ == "__main__":
    main()
