"""How long a container's calls wait when a process of the broker is killed, and whether any fails.

Real containers under a policy: one of them opens a file again and again through the broker and tells every open that took long.
SIGKILL then hits the serving worker, the standby, or the keeper; the longest open that was under way within a second of it is
what that death cost.  Between a worker's death and the next answer lie: the kernel tears the process down; the keeper sees
its socket hang up and waits for its end; it tells the standby to serve; that takes the journal, gets the listeners with their
tables, those first whose calls wait, and does what was received and not answered.  A keeper's death is no pause but for the
processor time that its successor takes.  Windows in which nobody is killed say what the machine costs by itself.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Self

from benchmarks.broker_crowds import private_bytes
from integration.framework import hierarchy, leftovers, probe
from integration.framework.broker import MEDIATED, Broker, wait_until
from integration.framework.bundle import Bundle, default_config
from integration.framework.runtime import CLEAN_ENV, Runtime

ROOT = Path(__file__).parents[1]
ROUNDS = 20
SIZES = (1, 101)
WINDOW_S = 1.0
PACE_S = 2.0
NOTED_US = 200
REST_US = 10  # the processor is not taken from everybody: under real-time priority the kernel would stop us for 50 ms
GOAL_MS = 50
# who is killed -> kills for each worker that is killed
VICTIMS = {"nobody": 0.25, "the serving worker": 1.0, "the standby": 0.25, "the keeper": 0.5}


class Opener:
    """The container that opens; `pauses` are (begin, nanoseconds) of its slow opens."""

    def __init__(self, runtime: Runtime, scratch: Path, cgroup: str) -> None:
        """Create it and start it."""
        self.id, self.runtime = f"{cgroup.lstrip('/')}-opener", runtime
        bundle = Bundle(scratch / "opener", f"{cgroup}/{self.id}")
        bundle.file("/etc/hello")
        source = probe.built("pauses")
        (bundle.rootfs / "pauses").write_bytes(source.read_bytes())
        (bundle.rootfs / "pauses").chmod(0o755)
        bundle.args("/pauses", "/etc/hello", str(NOTED_US), str(REST_US)).save()
        self.policy, self.rootfs = bundle.path / "policy.yaml", bundle.rootfs
        self.policy.write_text(MEDIATED.replace("/probe", "/pauses").replace("decisions", "none"))
        words = ["run", "--bundle", str(bundle.path), "--policy", str(self.policy), self.id]
        self.process = subprocess.Popen(runtime.argv(*words), stdout=subprocess.PIPE, env=CLEAN_ENV)
        self.lines: queue.Queue[bytes] = queue.Queue()
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Returns when it opens files."""
        if self.lines.get(timeout=60) != b"ready\n":
            raise SystemExit("bench-broker: the container that opens files did not start")
        return self

    def __exit__(self, *_how: object) -> None:
        """Remove it, whatever it does."""
        self.runtime.call("delete", "--force", self.id)
        self.process.wait(60)

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.lines.put(line)

    def pauses(self) -> list[tuple[int, int]]:
        """What was slow since the last time."""
        found = []
        while not self.lines.empty():
            begin, spent = map(int, self.lines.get().split())
            found.append((begin, spent))
        return found

    def finish(self) -> tuple[int, int]:
        """(opens, failed ones)."""
        self.runtime.call("kill", self.id, "TERM").ok()
        self.process.wait(60)
        self._reader.join(10)
        opens, failed = list(self.lines.queue)[-1].split()
        return int(opens), int(failed)


class Idlers:
    """Containers under the same policy that do nothing; all have one root file system."""

    def __init__(self, opener: Opener, scratch: Path, cgroup: str, count: int) -> None:
        """Nothing is started yet."""
        self.opener, self.scratch, self.cgroup = opener, scratch, cgroup
        self.ids = [f"{cgroup.lstrip('/')}-idle-{number}" for number in range(count)]

    def __enter__(self) -> Self:
        """Create and start them."""
        for name in self.ids:
            self._run(name)
        return self

    def _run(self, name: str) -> None:
        path, null = self.scratch / name, subprocess.DEVNULL
        path.mkdir()
        config = default_config(f"{self.cgroup}/{name}")
        config["root"] = {"path": str(self.opener.rootfs)}
        config["process"]["args"] = ["/bin/sleep", "100000"]
        (path / "config.json").write_text(json.dumps(config))
        words = ["run", "--detach", "--bundle", str(path), "--policy", str(self.opener.policy), name]
        subprocess.run(self.opener.runtime.argv(*words), stdin=null, stdout=null, env=CLEAN_ENV, check=True)

    def __exit__(self, *_how: object) -> None:
        """Remove them."""
        for name in self.ids:
            self.opener.runtime.call("delete", "--force", name)


def _cpu_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def _standby(broker: Broker, serving: int) -> int:
    """The pid of the worker that waits, when it is there and has loaded what it loads."""
    found = [pid for pid in broker.workers() if pid != serving]
    if len(found) != 1:
        return 0
    before = _cpu_ns(found[0])
    time.sleep(0.3)
    return found[0] if before and _cpu_ns(found[0]) == before else 0


def _settled(broker: Broker) -> dict[str, int]:
    """name in VICTIMS -> pid, when everybody is there."""

    def look() -> dict[str, int]:
        try:
            serving, keepers = broker.serving(), broker.keepers()
            standby = _standby(broker, serving)
        except OSError:  # one that ends just now
            return {}
        if len(keepers) != 1 or not standby:
            return {}
        return {"nobody": 0, "the serving worker": serving, "the standby": standby, "the keeper": keepers[0]}

    try:
        found: dict[str, int] = wait_until(look, "keeper, worker and standby are there")
    except AssertionError:
        there = f"keepers {broker.keepers()}, workers {broker.workers()}"
        log = (broker.directory / "broker.log").read_text()[-2000:]
        raise SystemExit(f"bench-broker: the broker does not become whole again: {there}\n{log}") from None
    return found


def _strike(opener: Opener, victim: int) -> float:
    """Kill, and give the milliseconds of the longest open that was under way afterwards."""
    opener.pauses()
    moment = time.monotonic_ns()
    if victim:
        os.kill(victim, signal.SIGKILL)
    time.sleep(WINDOW_S)
    end = moment + int(WINDOW_S * 1e9)
    return max((spent for begin, spent in opener.pauses() if begin < end and begin + spent > moment), default=0) / 1e6


def _strikes(opener: Opener, broker: Broker, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in VICTIMS}
    for number in range(rounds):
        for name, share in VICTIMS.items():
            if int((number + 1) * share) == int(number * share):
                continue
            began, settled = time.monotonic(), _settled(broker)
            time.sleep(max(0.0, PACE_S - WINDOW_S - (time.monotonic() - began)))
            found[name].append(_strike(opener, settled[name]))
    return found


@contextmanager
def _scratch() -> Iterator[tuple[Path, str]]:
    """A directory, and the name of a cgroup; both are gone afterwards."""
    cgroup = f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        try:
            yield Path(directory), f"/{cgroup}"
        finally:
            leftovers.remove_cgroup(hierarchy.CGROUP_MOUNT / cgroup)


def _memory(broker: Broker) -> int:
    _settled(broker)
    return sum(private_bytes(pid) for pid in [*broker.keepers(), *broker.workers()])


def resume(rounds: int) -> list[dict[str, Any]]:
    """Series of ms for each victim with one container and with a hundred more; failed opens; bytes that each container takes."""
    series: list[dict[str, Any]] = []

    def note(measure: str, unit: str, samples: list[float], **dimensions: str) -> None:
        series.append({"measure": measure, "dimensions": dimensions, "unit": unit, "samples": samples})

    hierarchy.enter_private_namespace()
    hierarchy.become_subreaper()
    with _scratch() as (scratch, cgroup), ExitStack() as stack:
        runtime = Runtime(ROOT / "build/postern", scratch / "state")
        broker = Broker(runtime.root)
        stack.callback(broker.end)
        opener = stack.enter_context(Opener(runtime, scratch, cgroup))
        for size in SIZES:
            if size > 1:
                alone = _memory(broker)
                stack.enter_context(Idlers(opener, scratch, cgroup, size - 1))
                note("memory of a container", "bytes", [(_memory(broker) - alone) / (size - 1)])
            for victim, samples in _strikes(opener, broker, rounds).items():
                note("pause", "ms", samples, killed=victim, containers=str(size))
        opens, failed = opener.finish()
        note("opens", "", [opens])
        note("failed opens", "", [failed])
    return series
