"""start, state, kill and delete are a handful of system calls each: counted with strace, bounds fixed here.

runc needs about six hundred and crun almost three hundred to say that a container does not exist; here it is a dozen, and what
is added to the front shows up in these numbers first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.native.containers import Containers

CHECKOUT = Path(__file__).resolve().parents[2]
Count = Callable[..., int]


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    """A state root; its containers have a cgroup, as real ones have."""
    made = Containers(tmp_path / "root")
    made.root.mkdir()
    (tmp_path / "cg").mkdir()
    (tmp_path / "cg/cgroup.freeze").write_text("0\n")
    yield made
    made.close()


@pytest.fixture
def count(containers: Containers, tmp_path: Path) -> Count:
    """Run the program under strace: how many system calls it made, execve and exit_group included."""
    program = os.environ.get("POSTERN_PROGRAM", str(CHECKOUT / "build/postern"))
    if not os.access(program, os.X_OK):
        pytest.skip(f"{program} is not built: make build")
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    if subprocess.run([strace, "-o/dev/null", "/bin/true"], check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here")

    def run(*words: str) -> int:
        trace = tmp_path / "trace"
        argv = [strace, "-f", "-o", str(trace), program, "--root", str(containers.root), *words]
        subprocess.run(argv, check=True, capture_output=True, timeout=60)
        return sum("(" in line and "+++" not in line and "---" not in line for line in trace.read_text().splitlines())

    return run


def cgroup(containers: Containers) -> dict[str, Any]:
    """State fields that name the cgroup of the fixture."""
    return {"cgroupMount": str(containers.root.parent), "cgroupPath": "cg"}


def test_state(count: Count, containers: Containers) -> None:
    """The state file, the process, the cgroup, the fifo."""
    containers.make("web", containers.process().pid, **cgroup(containers))
    assert count("state", "web") <= 16


def test_kill(count: Count, containers: Containers) -> None:
    """The state file, a verified pidfd, the signal."""
    containers.make("web", containers.process().pid, **cgroup(containers))
    assert count("kill", "web", "0") <= 14


def test_start(count: Count, containers: Containers) -> None:
    """The same and the fifo: opened, read, removed."""
    containers.created("web", **cgroup(containers))
    assert count("start", "web") <= 24


def test_delete_of_a_stopped_container(count: Count, containers: Containers) -> None:
    """The cgroup (already gone here) and each file of the state directory."""
    containers.ended("web", cgroupMount=str(containers.root.parent), cgroupPath="none")
    assert count("delete", "web") <= 22


def test_delete_of_a_created_container(count: Count, containers: Containers) -> None:
    """Killing it first."""
    process = containers.process()
    containers.make("web", process.pid, fifo=True, cgroupMount=str(containers.root.parent), cgroupPath="none")
    threading.Thread(target=process.wait).start()
    assert count("delete", "web") <= 34


def test_delete_of_nothing(count: Count) -> None:
    """containerd's second delete; an address that a killed create took is looked for, in two steps."""
    assert count("delete", "--force", "web") <= 7
