"""postern delete, as the C front does it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.runtime.native.conftest import Call
from tests.runtime.native.containers import Containers
from tests.runtime.native.test_front_state import message


def reap_in_background(process: subprocess.Popen[bytes]) -> None:
    """Somebody must wait for a child that delete kills; the engine does."""
    import threading

    threading.Thread(target=process.wait).start()


def test_delete_of_a_stopped_container_removes_its_directory(call: Call, containers: Containers) -> None:
    """With all that create put there, and a directory in it."""
    directory = containers.ended("web")
    (directory / "config.json").write_text("{}")
    (directory / "notify").mkdir()
    (directory / "notify/notify.sock").write_text("")
    os.mkfifo(directory / "exec.fifo")
    result = call("delete", "web")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert os.listdir(containers.root) == []


def test_delete_of_a_created_container_kills_it(call: Call, containers: Containers) -> None:
    """Nobody has started it, nobody will miss it."""
    process = containers.process()
    containers.make("web", process.pid, fifo=True)
    assert call("delete", "web").returncode == 0
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert os.listdir(containers.root) == []


@pytest.mark.parametrize("status", ["running", "creating"])
def test_delete_of_a_live_container_is_refused(call: Call, containers: Containers, status: str) -> None:
    """And changes nothing."""
    process = containers.process()
    directory = containers.make("web", process.pid, phase="creating" if status == "creating" else "created")
    assert message(call("delete", "web")) == f'"cannot delete container web that is not stopped: {status}"'
    assert directory.exists()
    assert process.poll() is None


@pytest.mark.parametrize("phase", ["created", "creating"])
def test_force_kills_first(call: Call, containers: Containers, phase: str) -> None:
    """A running container, or the create that is under way."""
    process = containers.process()
    containers.make("web", process.pid, phase=phase)
    assert call("delete", "-f", "web").returncode == 0
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert os.listdir(containers.root) == []


def test_a_missing_container_is_an_error_but_not_with_force(call: Call) -> None:
    """containerd deletes twice, the second time with --force."""
    assert message(call("delete", "web")) == '"container does not exist"'
    for force in ("--force", "-force", "-f", "--force=true"):
        assert call("delete", force, "web").returncode == 0
    assert message(call("delete", "--force=false", "web")) == '"container does not exist"'
    assert message(call("delete", "--force", "../web")) == '"invalid container ID format"'


def test_remnants_without_a_state_are_cleared(call: Call, containers: Containers) -> None:
    """What a create killed at its first step leaves; only --force calls it a success, as runc."""
    for words, code in ((("delete", "--force", "web"), 0), (("delete", "web"), 1)):
        (containers.root / "web").mkdir()
        (containers.root / "web/state.json.tmp").write_text("{")
        assert call(*words).returncode == code
        assert os.listdir(containers.root) == []


def test_a_create_that_died_is_deleted_without_force(call: Call, containers: Containers) -> None:
    """Its state says creating, its creator is gone: nothing of it runs."""
    containers.ended("web", phase="creating")
    assert call("delete", "web").returncode == 0
    assert os.listdir(containers.root) == []


def test_delete_follows_no_symlink(call: Call, containers: Containers, tmp_path: Path) -> None:
    """Links in a state directory are removed, what they point at stays."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("")
    directory = containers.ended("web")
    (directory / "link").symlink_to(precious)
    (directory / "notify").symlink_to(precious)
    assert call("delete", "web").returncode == 0
    assert (precious / "file").exists()
    (containers.root / "web").symlink_to(precious)
    assert "not a directory" in message(call("delete", "--force", "web"))
    assert (precious / "file").exists()


@pytest.mark.usefixtures("real_kernel")
def test_the_cgroup_is_removed_with_what_is_below(call: Call, containers: Containers, tmp_path: Path) -> None:
    """Whatever depth a container has nested in it."""
    group = tmp_path / "cg/web"
    group.mkdir(parents=True)
    at = os.open(group, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("a", dir_fd=at)
        os.mkdir("b", dir_fd=at)
        below = os.open("a", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    containers.ended("web", cgroupMount=str(tmp_path / "cg"), cgroupPath="/web")
    try:
        assert call("delete", "web").returncode == 0
        assert os.listdir(tmp_path / "cg") == []
    finally:  # Python's own rmtree recurses
        subprocess.run(["rm", "-rf", str(tmp_path / "cg")], check=True)


@pytest.mark.usefixtures("real_kernel")
def test_a_missing_cgroup_is_no_error(call: Call, containers: Containers, tmp_path: Path) -> None:
    """Somebody removed it, or the machine was started anew."""
    containers.ended("web", cgroupMount=str(tmp_path), cgroupPath="/none/web")
    assert call("delete", "web").returncode == 0
    containers.ended("web", cgroupMount=f"{tmp_path}/none", cgroupPath="/web")
    assert call("delete", "web").returncode == 0


@pytest.mark.parametrize("path", ["/", "/../web", "/./web", "web//x"])
def test_a_cgroup_path_that_leads_elsewhere_is_refused(call: Call, containers: Containers, path: str) -> None:
    """Never the mount itself, never anything above; the container stays as it is."""
    containers.ended("web", cgroupMount=str(containers.root.parent), cgroupPath=path)
    assert message(call("delete", "web")) == '"unable to remove container\'s cgroup: invalid argument"'
    assert (containers.root / "web/state.json").exists()


def test_of_many_deletes_all_end_well(program: list[str], containers: Containers) -> None:
    """With --force each succeeds; without, one does and the others find nothing."""
    for words, codes in ((["--force"], [0] * 6), ([], [0, 1, 1, 1, 1, 1])):
        process = containers.process()
        containers.make("web", process.pid, fifo=True)
        reap_in_background(process)
        argv = [*program, "--root", str(containers.root), "delete", *words, "web"]
        deletes = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in codes]
        outcomes = [(delete.communicate(timeout=30)[1], delete.returncode) for delete in deletes]
        assert sorted(code for _text, code in outcomes) == codes, outcomes
        assert all("container does not exist" in text for text, code in outcomes if code)
        assert os.listdir(containers.root) == []


def test_a_second_delete_does_not_touch_a_new_container(program: list[str], containers: Containers) -> None:
    """It waited for the lock of a directory that was removed meanwhile; the ID belongs to somebody else now."""
    import fcntl

    directory = containers.ended("web")
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    argv = [*program, "--root", str(containers.root), "delete", "--force", "web"]
    delete = subprocess.Popen(argv)
    wait_for_flock(delete.pid)
    (directory / "state.json").unlink()
    directory.rmdir()
    containers.make("new", containers.process().pid)
    (containers.root / "new").rename(directory)
    os.close(lock)
    assert delete.wait(timeout=30) == 0
    assert (directory / "state.json").exists()


def wait_for_flock(pid: int) -> None:
    """Until a process has opened something below its root and sleeps."""
    import time

    deadline = time.monotonic() + 10
    while not any("root/web" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")):
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.usefixtures("real_kernel")
def test_force_kills_what_is_left_in_the_cgroup(call: Call, containers: Containers, tmp_path: Path) -> None:
    """Also of a container that has stopped, pid namespace or not: a process from outside would keep the cgroup busy."""
    group = tmp_path / "cg/web"
    group.mkdir(parents=True)
    (group / "cgroup.kill").write_text("")
    containers.ended("web", cgroupMount=str(tmp_path / "cg"), cgroupPath="/web")
    # an ordinary directory is not empty with a file in it: what matters is that the file was written
    result = subprocess.Popen(
        [
            "sh",
            "-c",
            f"until [ -s {group}/cgroup.kill ]; do sleep 0.01; done; cp {group}/cgroup.kill {tmp_path}/seen; rm {group}/*",
        ]
    )
    assert call("delete", "--force", "web").returncode == 0
    result.wait(timeout=10)
    assert (tmp_path / "seen").read_text() == "1"
    assert os.listdir(containers.root) == []
