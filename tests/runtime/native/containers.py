"""State directories as the executor leaves them, made without one: an ordinary child process plays init."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# in the order of state_file.h
DEFAULTS: dict[str, Any] = {
    "posternState": 1,
    "ociVersion": "1.3.0",
    "id": "",
    "phase": "created",
    "pid": 0,
    "startTime": 0,
    "bundle": "/b",
    "rootfs": "/b/rootfs",
    "created": "2026-01-02T03:04:05.123456789Z",
    "owner": "root",
    "annotations": {},
    "cgroupMount": "",
    "cgroupPath": "",
    "cgroupManager": "cgroupfs",
    "ownPidNamespace": True,
    "terminal": False,
    "hooks": False,
    "needsPython": False,
    "rootless": False,
}


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def canonical(values: dict[str, Any]) -> bytes:
    """state.json as the planner's template writes it, whatever order `values` has."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(values[key], ensure_ascii=False, separators=(',', ':'))}"
        for key in DEFAULTS
        if key in values
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "surrogatepass")


@dataclass
class Containers:
    """A state root full of containers, and the processes that play their inits."""

    root: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def process(self, script: str = "exec sleep 60") -> subprocess.Popen[bytes]:
        """A child that stands for an init; ended by `close`."""
        process = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def make(self, name: str, pid: int, *, fifo: bool = False, **values: Any) -> Path:
        """A state directory; with `fifo` the container counts as created, otherwise as running."""
        directory = self.root / name
        directory.mkdir(parents=True)
        facts = {**DEFAULTS, "id": name, "pid": pid, "startTime": start_time(pid), **values}
        (directory / "state.json").write_bytes(canonical(facts))
        if fifo:
            os.mkfifo(directory / "exec.fifo", 0o622)
        return directory

    def created(self, name: str, after: str = "exec sleep 60", **values: Any) -> tuple[Path, subprocess.Popen[bytes]]:
        """A created container: its init waits at the fifo as the executor's does, then runs `after`."""
        directory = self.root / name
        process = self.process(
            f"while ! [ -p {directory}/exec.fifo ]; do sleep 0.01; done; printf 0 >{directory}/exec.fifo; {after}"
        )
        self.make(name, process.pid, fifo=True, **values)
        return directory, process

    def ended(self, name: str, **values: Any) -> Path:
        """A container whose init is gone."""
        process = self.process()
        directory = self.make(name, process.pid, **values)
        process.kill()
        process.wait()
        return directory

    def close(self) -> None:
        """End every process that still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait_until_zombie(pid: int) -> None:
    """Return when a child has ended but was not waited for."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.005)
