"""postern kill, as the C front does it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.runtime.native.conftest import Call
from tests.runtime.native.containers import Containers, start_time, wait_until_zombie
from tests.runtime.native.test_front_state import message


def fake_cgroup(containers: Containers, *pids: int) -> Path:
    """A directory with a cgroup's files; the kernel's part is played by nobody."""
    group = containers.root.parent / "cg/web"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    (group / "cgroup.freeze").write_text("0\n")
    (group / "cgroup.kill").write_text("")
    return group


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ((), signal.SIGTERM),
        (("KILL",), signal.SIGKILL),
        (("sigusr1",), signal.SIGUSR1),
        (("9",), signal.SIGKILL),
        (("SIGRTMIN+3",), 37),
        (("rtmax-1",), 63),
    ],
)
@pytest.mark.usefixtures("real_kernel")
def test_kill_sends_the_signal_to_init(call: Call, containers: Containers, words: tuple[str, ...], number: int) -> None:
    """By name with or without SIG in any case, by number, SIGTERM by default."""
    process = containers.process()
    containers.make("web", process.pid)
    assert call("kill", "web", *words).returncode == 0
    assert process.wait(timeout=10) == -number


def test_unknown_signals_are_quoted(call: Call, containers: Containers) -> None:
    """As the caller wrote them."""
    containers.make("web", containers.process().pid)
    assert message(call("kill", "web", 'a"b')) == r'"unknown signal \"a\\\"b\""'
    assert message(call("kill", "web", "RTMIN+31")) == r'"unknown signal \"RTMIN+31\""'
    assert message(call("kill", "web", "99")) == '"unable to signal init: invalid argument"'


def test_ended_containers_are_not_running(call: Call, containers: Containers) -> None:
    """A zombie counts as ended; with --all, not running is success."""
    process = containers.process()
    containers.make("web", process.pid)
    process.send_signal(signal.SIGKILL)
    wait_until_zombie(process.pid)
    assert message(call("kill", "web", "0")) == '"container not running"'
    assert call("kill", "--all", "web", "KILL").returncode == 0
    process.wait()
    assert message(call("kill", "web")) == '"container not running"'
    assert call("kill", "-a", "web").returncode == 0


def test_a_process_that_has_the_pid_now_is_left_alone(call: Call, containers: Containers) -> None:
    """The start time is another one."""
    process = containers.process()
    containers.make("web", process.pid, startTime=start_time(process.pid) - 1)
    assert message(call("kill", "web", "KILL")) == '"container not running"'
    assert process.poll() is None


def test_a_create_that_is_under_way_is_not_signalled(call: Call, containers: Containers) -> None:
    """The pid on record is the runtime's."""
    process = containers.process()
    containers.make("web", process.pid, phase="creating")
    assert message(call("kill", "web", "KILL")) == '"container not running"'
    assert process.poll() is None


@pytest.mark.usefixtures("real_kernel")
def test_kill_all_reaches_the_whole_cgroup(call: Call, containers: Containers) -> None:
    """--all with another signal than KILL goes to every process that the cgroup lists, and below."""
    init, other, below = (containers.process() for _ in range(3))
    group = fake_cgroup(containers, init.pid, other.pid)
    (group / "sub").mkdir()
    (group / "sub/cgroup.procs").write_text(f"{below.pid}\n")
    containers.make("web", init.pid, cgroupMount=str(group.parent), cgroupPath="/web")
    assert call("kill", "--all", "web", "USR2").returncode == 0
    for process in (init, other, below):
        assert process.wait(timeout=10) == -signal.SIGUSR2


@pytest.mark.usefixtures("real_kernel")
def test_sigkill_without_a_pid_namespace_of_its_own_kills_the_cgroup(call: Call, containers: Containers) -> None:
    """Init's end would not end the others."""
    init = containers.process()
    group = fake_cgroup(containers, init.pid)
    containers.make("web", init.pid, cgroupMount=str(group.parent), cgroupPath="/web", ownPidNamespace=False)
    assert call("kill", "web", "KILL").returncode == 0
    assert (group / "cgroup.kill").read_text() == "1"


@pytest.mark.usefixtures("real_kernel")
def test_what_is_left_in_the_cgroup_of_an_ended_container_can_be_killed(call: Call, containers: Containers) -> None:
    """containerd calls `kill --all ID 9` after init's end."""
    group = fake_cgroup(containers)
    containers.ended("web", cgroupMount=str(group.parent), cgroupPath="/web", ownPidNamespace=False)
    assert call("kill", "--all", "web", "9").returncode == 0
    assert (group / "cgroup.kill").read_text() == "1"


@pytest.mark.usefixtures("real_kernel")
def test_without_cgroup_and_init_nothing_runs(call: Call, containers: Containers) -> None:
    """runc's words, which containerd's shim takes for `already finished`."""
    containers.ended("web", cgroupMount=str(containers.root.parent), cgroupPath="/none", ownPidNamespace=False)
    assert message(call("kill", "web", "9")) == '"unable to kill all processes: container not running"'


def test_flags_of_kill_end_at_the_id(program: list[str], containers: Containers) -> None:
    """What follows the ID is the signal, even when it looks like a flag."""
    process = containers.process()
    containers.make("web", process.pid)
    argv = [*program, "-root", str(containers.root), "kill", "web", "--all"]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert message(result) == r'"unknown signal \"--all\""'
