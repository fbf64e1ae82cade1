"""What a policy's network rules cost: each connect under them, and putting them in place.

    python -m benchmarks.network [--json FILE] [--rules N]

A UDP socket is connected again and again to an address of the loopback device, by processes in cgroups of their own: one without rules,
one with few, one with N (1,000) networks allowed, and one whose address the N rules do not name, so that connect says EPERM.  Batches
alternate between them, so that a busy machine disturbs all alike; figures are medians over batches.  Lowering is measured hot, with the
garbage collector off, as the planner does it; loading is what the executor asks of the kernel.
As root, where /sys/fs/cgroup is a cgroup2 mount; everything happens in a network namespace of its own.
"""

import argparse
import gc
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from runtime.network.apply import load_network, replace_network
from runtime.policy.lower_network import Network, lower_network

MOUNT = Path("/sys/fs/cgroup")
OUTPUT = Path(__file__).parents[1] / "build" / "bench" / "network.json"
TURNS, BATCH, LOWERINGS = 60, 5_000, 30
ADDRESS, PORT = "10.200.0.9", 443
Samples = dict[str, list[float]]


def rule(cidr: str, port: int = PORT) -> dict[str, Any]:
    """Allow one network, one port."""
    return {"action": "allow", "cidr": cidr, "ports": [[port, port]], "protocols": ["tcp", "udp"], "rule": 0}


def layers(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A policy of these rules about egress."""
    return [
        {"rules": [{"text": "", "where": ""}], "network": {"domains": None, "egress": rules, "ingress": [], "bind": []}}
    ]


def many(count: int, first: str) -> list[dict[str, Any]]:
    """The first network, and others that are no part of one another."""
    return [rule(first), *[rule(f"10.{n // 250}.{n % 250}.0/24") for n in range(count - 1)]]


def child(procs: str) -> None:
    """Connect in batches: a line on stdin begins one, its microseconds per call are the answer."""
    Path(procs).write_text("0")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connect, peer = sock.connect, (ADDRESS, PORT)
    for _line in sys.stdin:
        began = time.perf_counter_ns()
        for _ in range(BATCH):
            try:
                connect(peer)
            except PermissionError:
                pass
        print((time.perf_counter_ns() - began) / BATCH / 1000, flush=True)


class Candidate:
    """A process in a cgroup with rules."""

    def __init__(self, parent: Path, name: str, network: Network | None) -> None:
        """Make the cgroup, attach, start the process."""
        self.cgroup = parent / name
        self.cgroup.mkdir()
        replace_network(str(MOUNT), str(self.cgroup.relative_to(MOUNT)), network)
        command = [sys.executable, "-m", "benchmarks.network", "--child", str(self.cgroup / "cgroup.procs")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self) -> float:
        """Microseconds per connect of one batch."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End the process, remove the cgroup."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.cgroup.rmdir()


def measure_connects(rules: int) -> Samples:
    """Samples by candidate, in microseconds per call."""
    wanted = {
        "no rules": None,
        "10 networks": lower_network(layers(many(10, "10.200.0.0/16")), True)[0],
        f"{rules:,} networks": lower_network(layers(many(rules, "10.200.0.0/16")), True)[0],
        f"{rules:,} networks, denied": lower_network(layers(many(rules, "10.201.0.0/16")), True)[0],
    }
    parent = MOUNT / f"bench-network-{os.getpid()}"
    parent.mkdir()
    candidates: dict[str, Candidate] = {}
    samples: Samples = {name: [] for name in wanted}
    try:
        for index, (name, network) in enumerate(wanted.items()):
            candidates[name] = Candidate(parent, str(index), network)
        for turn in range(TURNS + 3):
            for name, candidate in candidates.items():
                value = candidate.turn()
                if turn >= 3:
                    samples[name].append(value)
    finally:
        for candidate in candidates.values():
            candidate.close()
        parent.rmdir()
    return samples


def measure_planning(rules: int) -> Samples:
    """Microseconds of lowering, and of making the maps and loading the programs, for few rules and for many."""
    samples: Samples = {}
    for count in (10, rules):
        policy = layers(many(count, "10.200.0.0/16"))
        lowering = samples.setdefault(f"lower {count:,} networks", [])
        loading = samples.setdefault(f"load {count:,} networks", [])
        for _ in range(LOWERINGS):
            began = time.perf_counter_ns()
            network = lower_network(policy, True)[0]
            between = time.perf_counter_ns()
            loaded = load_network(network)
            ended = time.perf_counter_ns()
            for program in loaded.values():
                program.close()
            lowering.append((between - began) / 1000)
            loading.append((ended - between) / 1000)
    return samples


def main() -> None:
    """Measure, print, write the samples."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, default=OUTPUT)
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return child(given.child)
    if not given.inside:
        os.execvp("unshare", ["unshare", "-n", sys.executable, "-m", "benchmarks.network", *sys.argv[1:], "--inside"])
    for words in (["link", "set", "lo", "up"], ["addr", "add", f"{ADDRESS}/32", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)
    gc.disable()
    connects = measure_connects(given.rules)
    planning = measure_planning(given.rules)
    medians = {name: statistics.median(values) for name, values in connects.items()}
    plain = medians["no rules"]
    print(f"{platform.release()}, {os.cpu_count()} CPUs; microseconds, medians")
    for name, value in medians.items():
        print(f"  connect, {name:26} {value:8.2f}  {value - plain:+8.2f}")
    for name, values in planning.items():
        print(f"  {name:35} {statistics.median(values):8.0f}")
    given.json.parent.mkdir(parents=True, exist_ok=True)
    context = {"kernel": platform.release(), "cpus": os.cpu_count(), "python": platform.python_version()}
    series = [
        {"measure": measure, "dimensions": {"rules": name}, "unit": "us", "samples": values}
        for measure, samples in (("connect", connects), ("planning", planning))
        for name, values in samples.items()
    ]
    given.json.write_text(json.dumps({"benchmark": "network", "context": context, "series": series}, indent=1) + "\n")
    print(given.json)
    return None


if __name__ == "__main__":
    main()
