"""postern state, as the C front answers it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.runtime.native.conftest import Call
from tests.runtime.native.containers import Containers, start_time


def message(result: subprocess.CompletedProcess[str]) -> str:
    """The text of the one error line."""
    assert result.stdout == ""
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    return result.stderr.partition("level=error msg=")[2].strip()


def test_state_of_a_running_container_is_runcs_json(call: Call, containers: Containers) -> None:
    """Keys, order and indentation are runc's, the annotations stay as they are."""
    process = containers.process()
    containers.make("web", process.pid, annotations={"a": 'x,y:{"z"}\\', "ä": "\n"})
    result = call("state", "web")
    expected = {
        "ociVersion": "1.3.0",
        "id": "web",
        "pid": process.pid,
        "status": "running",
        "bundle": "/b",
        "rootfs": "/b/rootfs",
        "created": "2026-01-02T03:04:05.123456789Z",
        "annotations": {"a": 'x,y:{"z"}\\', "ä": "\n"},
        "owner": "root",
    }
    assert result.stdout == json.dumps(expected, indent=2, ensure_ascii=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_state_leaves_empty_annotations_out(call: Call, containers: Containers) -> None:
    """omitempty, as Go says."""
    containers.make("web", containers.process().pid)
    assert "annotations" not in json.loads(call("state", "web").stdout)


def test_a_fifo_means_created(call: Call, containers: Containers) -> None:
    """The fifo is what init waits at."""
    containers.make("web", containers.process().pid, fifo=True)
    assert json.loads(call("state", "web").stdout)["status"] == "created"


def test_a_dead_init_means_stopped_and_no_pid(call: Call, containers: Containers) -> None:
    """Also when the fifo is still there."""
    containers.ended("web")
    os.mkfifo(containers.root / "web/exec.fifo")
    document = json.loads(call("state", "web").stdout)
    assert (document["status"], document["pid"]) == ("stopped", 0)


def test_a_pid_of_somebody_else_means_stopped(call: Call, containers: Containers) -> None:
    """The pid was used again: the start time tells."""
    process = containers.process()
    containers.make("web", process.pid, startTime=start_time(process.pid) - 1)
    assert json.loads(call("state", "web").stdout)["status"] == "stopped"


def test_a_start_time_of_zero_never_matches(call: Call, containers: Containers) -> None:
    """A process that is gone has no start time; nothing equals that."""
    process = containers.process()
    containers.make("web", process.pid, startTime=0)
    process.kill()
    process.wait()
    assert json.loads(call("state", "web").stdout)["status"] == "stopped"


def test_a_container_in_the_making_is_creating(call: Call, containers: Containers) -> None:
    """The pid on record is the runtime's own and is not shown."""
    containers.make("web", containers.process().pid, phase="creating")
    document = json.loads(call("state", "web").stdout)
    assert (document["status"], document["pid"]) == ("creating", 0)


@pytest.mark.usefixtures("real_kernel")
def test_a_frozen_cgroup_means_paused(call: Call, containers: Containers) -> None:
    """cgroup.freeze says so, whether or not the process was started."""
    (containers.root.parent / "cg/web").mkdir(parents=True)
    (containers.root.parent / "cg/web/cgroup.freeze").write_text("1\n")
    mount = str(containers.root.parent / "cg")
    containers.make("web", containers.process().pid, cgroupMount=mount, cgroupPath="/web")
    assert json.loads(call("state", "web").stdout)["status"] == "paused"


def test_unknown_empty_and_bad_ids_get_runcs_words(call: Call) -> None:
    """Engines search for these words; an ID is checked before any path is made of it."""
    assert message(call("state", "nope")) == '"container does not exist"'
    assert message(call("state", "")) == '"container id cannot be empty"'
    for bad in ("../web", ".", "..", "a/b", "a b", "ä", "x" * 1024):
        assert message(call("state", bad)) == '"invalid container ID format"'


def test_a_directory_without_a_state_is_no_container(call: Call, containers: Containers) -> None:
    """What a killed create leaves."""
    (containers.root / "web").mkdir()
    assert message(call("state", "web")) == '"container does not exist"'


def test_a_symlink_is_no_state_directory(call: Call, containers: Containers) -> None:
    """An ID that is a symlink could lead anywhere."""
    containers.make("web", containers.process().pid)
    (containers.root / "link").symlink_to("web")
    assert "not a directory" in message(call("state", "link"))


def test_a_missing_root_holds_no_container(program: list[str], containers: Containers) -> None:
    """No root was ever made: nothing exists."""
    result = subprocess.run(
        [*program, "--root", f"{containers.root}/none", "state", "web"], capture_output=True, text=True, check=False
    )
    assert message(result) == '"container does not exist"'


def test_state_says_when_stdout_is_full(program: list[str], containers: Containers) -> None:
    """A write that fails is an error."""
    containers.make("web", containers.process().pid)
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*program, "--root", str(containers.root), "state", "web"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert "no space left on device" in result.stderr
