"""What a policy costs a workload: none, one lowered to mounts, to mounts and Landlock, and every open and connect mediated.

    python -m benchmarks.policy [--rounds N] [--only VARIANT...] [--cpu N] [--document]

`bare Landlock` is no policy of ours: the workload restricts itself by rules for the same places, so that it shows what the kernel takes.
`--document` puts the table into docs/policy-enforcement.md.

One container for each variant stays up through the run and does the same work in alternating blocks, the first run of a block
not counted, so that a busy machine disturbs all alike.  What counts is the ratio to the container without a policy, from
medians of one run.  The programs are Debian's (integration/programs/make-tree).  JSON and an SVG chart go to build/bench.
Must be root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from benchmarks import chart, policy_load
from benchmarks.pages import write_between
from integration.framework import hierarchy, leftovers
from integration.framework.bundle import Bundle
from integration.framework.container import Container
from integration.framework.programs import ProgramRoot, tree
from integration.framework.runtime import CLEAN_ENV, Runtime, next_line

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "build" / "bench"
DOCUMENT = ROOT / "docs/policy-enforcement.md"
ROUNDS = 6
NONE, BARE = "no policy", "bare Landlock"
HEAD = "name: {name}\nclone_flags: []\n"
CLOSED = "filesystem:\n  write: [/tmp, /run, /var/log, /var/lib/nginx, /dev]\n  execute: [/usr, /bin, /lib, /lib64]\n"
READ = "  read: [/etc, /proc, /sys, /srv, /opt, /root]\n"
PLACES = "/bin /dev /etc /lib /lib64 /opt /proc /root /run /srv /sys /tmp /usr /var/log /var/lib/nginx"
NETWORK = "network:\n  egress: [{egress}]\n  ingress: [loopback]\n  bind: [6399, 8080]\n"
MEDIATED = "syscalls:\n  default: allow\n  broker: [open, openat, openat2, creat, connect]\n"
# A thousand networks, as a site's list of what may be reached has them; the load itself stays on loopback.
EGRESS = ", ".join(['"127.0.0.0/8"', *(f'"10.{n // 250}.{n % 250}.0/24"' for n in range(1000))])
VARIANTS = {
    NONE: None,
    "mounts": HEAD + CLOSED + NETWORK.format(egress=EGRESS),
    "Landlock": HEAD + CLOSED + READ + NETWORK.format(egress=EGRESS),
    BARE: None,
    "mediated": HEAD + CLOSED + MEDIATED + NETWORK.format(egress=EGRESS),
}
# measure -> (unit, factor from seconds, runs in a block)
UNITS = {
    "open": ("µs", 1e6, 4),
    "connect": ("µs", 1e6, 4),
    "find": ("ms", 1e3, 6),
    "gcc -c": ("ms", 1e3, 6),
    "python": ("ms", 1e3, 6),
    "redis": ("µs", 1e6, 2),
    "nginx": ("µs", 1e6, 2),
}
# (variants, measure, the most that may be added: a difference in µs, or a share)
STATIC = ("mounts", "Landlock")
GOALS = (
    (STATIC, "open", "µs", 0.5),
    (STATIC, "connect", "µs", 0.5),
    (STATIC, "find", "%", 2.0),
    (STATIC, "gcc -c", "%", 8.0),
)


class Subject:
    """One variant's container, up and waiting for work."""

    def __init__(self, name: str, runtime: Runtime, scratch: Path, lower: Path) -> None:
        """Nothing is started yet."""
        self.name = name
        identifier = f"bench-{os.getpid()}-{name.replace(' ', '-').lower()}"
        bundle = Bundle(scratch / identifier, f"/bench-{os.getpid()}/{identifier}")
        self.container = Container(runtime, bundle, identifier)
        self.root = ProgramRoot(self.container, lower)
        self.samples: dict[str, list[float]] = {measure: [] for measure in UNITS}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the container and its servers."""
        self.root.__enter__()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        bundle, policy = self.container.bundle, VARIANTS[self.name]
        shutil.copy(policy_load.__file__, self.root.path / "opt/load.py")
        self.root.write("srv/www/load.html", "x" * 600)
        places = PLACES.split() if self.name == BARE else []
        bundle.args("/usr/bin/python3", "-I", "/opt/load.py", *places).save()
        words = ["run", "--bundle", str(bundle.path)]
        if policy is not None:
            file = bundle.path / "policy.yaml"
            file.write_text(policy.format(name=f"bench-{self.name.lower()}"))
            words += ["--policy", str(file)]
        argv = self.container.runtime.argv(*words, self.container.id)
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=CLEAN_ENV)
        if next_line(self._process, 60) != "ready\n":
            raise SystemExit(f"benchmark: the container {self.name!r} did not start")

    def __exit__(self, *_how: object) -> None:
        """End it."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self.container.delete("--force")
            self._process.wait()
        self.root.__exit__(None, None, None)

    def block(self, measure: str) -> None:
        """One block of runs, the first of them not counted."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{measure} {UNITS[measure][2] + 1}\n".encode())
        self._process.stdin.flush()
        self.samples[measure] += json.loads(next_line(self._process, 120))[1:]

    def medians(self) -> dict[str, float]:
        """measure -> median in its unit."""
        return {measure: statistics.median(self.samples[measure]) * factor for measure, (_, factor, _) in UNITS.items()}


def measure_all(subjects: list[Subject], rounds: int) -> None:
    """Alternate blocks of the variants, measure by measure."""
    for number in range(rounds):
        turned = subjects[number % len(subjects) :] + subjects[: number % len(subjects)]
        for measure in UNITS:
            for subject in turned:
                subject.block(measure)
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def table(medians: dict[str, dict[str, float]]) -> list[str]:
    """The results as the lines of a Markdown table."""
    names = list(medians)
    head = ["", *names, *(f"{name} / {NONE}" for name in names[1:])]
    rows = [head, ["---"] * len(head)]
    for measure, (unit, _, _) in UNITS.items():
        plain = medians[NONE][measure]
        rows.append(
            [f"{measure} ({unit})"]
            + [f"{medians[name][measure]:.2f}" for name in names]
            + [f"{medians[name][measure] / plain:.3f}" for name in names[1:]]
        )
    return ["| " + " | ".join(row) + " |" for row in rows]


def verdicts(medians: dict[str, dict[str, float]]) -> list[str]:
    """A line for each goal, met or missed."""
    lines = []
    for variants, measure, unit, limit in GOALS:
        for name in variants:
            if name not in medians:
                continue
            added = medians[name][measure] - medians[NONE][measure]
            value = added if unit == "µs" else 100 * added / medians[NONE][measure]
            word = "met" if value <= limit else "missed"
            lines.append(f"{word}: {name}, {measure}: {value:+.2f} {unit}, goal at most +{limit:g} {unit}")
    return lines


def main() -> None:
    """Measure, print, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="blocks of each variant and measure")
    parser.add_argument(
        "--only", nargs="+", choices=list(VARIANTS)[1:], default=list(VARIANTS)[1:], help="these variants"
    )
    parser.add_argument("--cpu", type=int, help="everything on this processor: a mediated call wakes another process")
    parser.add_argument("--document", action="store_true", help="put the table into docs/policy-enforcement.md")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("benchmark: containers are made as root")
    lower = tree()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    hierarchy.enter_private_namespace()
    hierarchy.become_subreaper()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as directory, contextlib.ExitStack() as stack:
        scratch = Path(directory)
        scratch.chmod(0o755)
        runtime = Runtime(ROOT / "build/postern", scratch / "state")
        stack.callback(leftovers.remove_cgroup, hierarchy.CGROUP_MOUNT / f"bench-{os.getpid()}")
        names = (NONE, *options.only)
        subjects = [stack.enter_context(Subject(name, runtime, scratch, lower)) for name in names]
        measure_all(subjects, options.rounds)
    medians = {subject.name: subject.medians() for subject in subjects}
    lines, judged = table(medians), verdicts(medians)
    note = f"Medians of {options.rounds} blocks; Linux {platform.release()}, {len(os.sched_getaffinity(0))} CPUs, load {load[0]:.1f} before."
    print(*lines, "", note, *judged, sep="\n")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    record = {
        "kernel": platform.release(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_before": load,
        "medians": medians,
        "goals": judged,
        "samples_s": {subject.name: subject.samples for subject in subjects},
    }
    (OUTPUT / "policy.json").write_text(json.dumps(record, indent=1) + "\n")
    ratios = {
        name: {measure: values[measure] / medians[NONE][measure] for measure in UNITS}
        for name, values in medians.items()
    }
    if options.document:
        write_between(DOCUMENT, "bench-policy", [*lines, "", note])
    (OUTPUT / "policy.svg").write_text(chart.bars("Time under a policy, as a multiple of none", ratios, list(UNITS)))
    print(f"{OUTPUT}/policy.json, {OUTPUT}/policy.svg")


if __name__ == "__main__":
    main()
