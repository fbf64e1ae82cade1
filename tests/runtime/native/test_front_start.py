"""postern start, as the C front does it."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from tests.runtime.native.conftest import Call
from tests.runtime.native.containers import Containers
from tests.runtime.native.test_front_state import message


def test_start_releases_init_and_takes_the_fifo_away(call: Call, containers: Containers) -> None:
    """Afterwards the container is running, and cannot be started again."""
    directory, process = containers.created("web")
    assert call("start", "web").returncode == 0
    assert os.listdir(directory) == ["state.json"]
    assert process.poll() is None
    assert message(call("start", "web")) == '"cannot start an already running container"'


def test_start_of_an_ended_container_is_refused(call: Call, containers: Containers) -> None:
    """With the fifo still there, opening it would wait for nobody."""
    directory = containers.ended("web")
    os.mkfifo(directory / "exec.fifo")
    assert message(call("start", "web")) == '"cannot start a container that has stopped"'
    assert (directory / "exec.fifo").exists()


def test_start_of_a_container_in_the_making_is_refused(call: Call, containers: Containers) -> None:
    """runc's words for every other status."""
    containers.make("web", containers.process().pid, phase="creating")
    assert message(call("start", "web")) == '"cannot start a container in the creating state"'


@pytest.mark.usefixtures("real_kernel")
def test_start_of_a_paused_container_is_refused(call: Call, containers: Containers) -> None:
    """A frozen init would never write to the fifo."""
    (containers.root.parent / "web").mkdir()
    (containers.root.parent / "web/cgroup.freeze").write_text("1\n")
    mount = str(containers.root.parent)
    containers.make("web", containers.process().pid, fifo=True, cgroupMount=mount, cgroupPath="/web")
    assert message(call("start", "web")) == '"cannot start a container in the paused state"'


def test_an_init_that_dies_while_start_waits_is_an_error(call: Call, containers: Containers) -> None:
    """start watches init, not only the fifo."""
    process = containers.process()
    containers.make("web", process.pid, fifo=True)
    timer = threading.Timer(0.3, process.kill)
    timer.start()
    assert message(call("start", "web")) == '"container process is already dead"'
    timer.join()


def test_of_two_starts_one_succeeds(program: list[str], containers: Containers) -> None:
    """Init writes one byte; who reads it has started the container."""
    containers.created("web")
    starts = [
        subprocess.Popen([*program, "--root", str(containers.root), "start", "web"], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outcomes = [(start.communicate(timeout=30)[1], start.returncode) for start in starts]
    assert sorted(code for _text, code in outcomes) == [0, 1, 1, 1]
    assert all("cannot start an already running container" in text for text, code in outcomes if code)


def test_a_file_in_the_fifos_place_is_no_fifo(call: Call, containers: Containers) -> None:
    """A symlink is not followed."""
    directory = containers.make("web", containers.process().pid)
    (directory / "exec.fifo").symlink_to("state.json")
    assert "too many levels of symbolic links" in message(call("start", "web"))
