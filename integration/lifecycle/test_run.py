"""run: foreground with streams, exit codes and signals; detached; kept."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.runtime import next_line

GETOPT = differs("crun", reason="crun parses options as getopt does: two dashes, no value for a boolean")


@pytest.mark.parametrize("code", [0, 1, 7, 125, 126, 127, 255])
def test_exit_code(container: Container, code: int) -> None:
    """The runtime's exit code is the process's."""
    container.bundle.probe("exit", str(code))
    assert container.run().rc == code
    container.assert_gone()


def test_streams(container: Container) -> None:
    """Standard streams are the runtime's own, each apart."""
    container.bundle.probe("echo")
    result = container.run(stdin=b"some bytes\x00\xff".replace(b"\xff", b"!"))
    assert (result.rc, result.out, result.err) == (0, "some bytes\x00!", "end\n")


def test_large_output(container: Container) -> None:
    """Output that exceeds every pipe arrives whole."""
    container.bundle.probe("echo")
    data = b"0123456789abcdef" * 100_000
    assert container.run(stdin=data).out.encode() == data


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGUSR1"])
def test_death_by_signal(container: Container, name: str) -> None:
    """A process that a signal ended gives 128 plus the signal."""
    number = getattr(signal, name)
    container.bundle.without_namespace("pid").probe("die", str(int(number)))
    assert container.run().rc == 128 + number
    container.assert_gone()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGINT", "SIGCONT"])
def test_signal_forwarding(container: Container, name: str) -> None:
    """Signals sent to a foreground run reach the container's init."""
    number = int(getattr(signal, name))
    container.bundle.probe("wait")
    process = container.foreground()
    container.wait_for("running")
    assert next_line(process) == "ready\n"
    process.send_signal(number)
    assert next_line(process) == f"signal {number}\n"
    if number != signal.SIGTERM:
        process.terminate()
    assert process.wait(timeout=10) == 0
    container.assert_gone()


def test_killed_from_elsewhere(container: Container) -> None:
    """A foreground run ends with 137 when the container is killed by another call."""
    container.bundle.probe("wait")
    process = container.foreground()
    container.wait_for("running")
    container.kill("KILL").ok()
    assert process.wait(timeout=10) == 137


def test_foreground_removes_the_container(container: Container) -> None:
    """After a foreground run there is nothing left to delete."""
    container.bundle.args("/bin/true")
    assert container.run().rc == 0
    assert container.status() == "missing"


@differs("runc<1.2", reason="this runc has no --keep for run", strict=False)
def test_keep(container: Container) -> None:
    """run --keep leaves a stopped container with its exit code passed on."""
    container.bundle.probe("exit", "3")
    assert container.run("--keep").rc == 3
    assert container.status() == "stopped"
    container.delete().ok()


@pytest.mark.parametrize(
    "flag", ["-d", "--detach", *(pytest.param(flag, marks=GETOPT) for flag in ("-detach", "--detach=true"))]
)
def test_detached(container: Container, flag: str) -> None:
    """run -d returns when the process runs, in every spelling of the flag."""
    container.bundle.probe("wait")
    container.make("run", flag)
    container.wait_for_output("ready")
    assert container.status() == "running"


def test_detached_init_is_the_engines(container: Container) -> None:
    """The init of a detached container reparents to the nearest subreaper, which sees its exit."""
    container.bundle.probe("wait")
    container.make("run", "-d")
    container.wait_for_output("ready")
    stat = Path(f"/proc/{container.pid}/stat").read_text()
    assert int(stat.rpartition(")")[2].split()[1]) == os.getpid()
    container.kill("TERM").ok()
    assert container.exit_code() == 0


def test_foreground_waits_for_init_only(container: Container) -> None:
    """A background child of init does not keep the runtime alive: the pid namespace dies with its init."""
    container.bundle.shell("sleep 1000 & exit 5")
    started = time.monotonic()
    assert container.run().rc == 5
    assert time.monotonic() - started < 10
    container.assert_gone()


@differs(
    "runc<1.2", "crun", reason="these leave processes of a shared pid namespace alive when init exits", strict=False
)
def test_shared_pid_namespace_children_die(container: Container) -> None:
    """Without a pid namespace of its own the container's other processes are ended with its init."""
    container.bundle.without_namespace("pid").shell("sleep 1000 >/dev/null 2>&1 & exit 5")
    assert container.run().rc == 5
    container.assert_gone()


def test_pid_file(container: Container) -> None:
    """The pid file holds ASCII digits and nothing else, and names the init."""
    container.create()
    text = container.pid_file.read_bytes()
    assert text.isdigit()
    assert int(text) == container.state()["pid"]
    assert [path.name for path in container.bundle.path.iterdir() if path.name.startswith(".")] == []


@differs("crun", reason="crun changes into the bundle before it writes the pid file")
def test_relative_pid_file(container: Container) -> None:
    """A relative --pid-file is relative to the caller's directory, not to the bundle."""
    container.bundle.save()
    elsewhere = container.bundle.directory("elsewhere")
    container.call(
        "create", "--bundle", str(container.bundle.path), "--pid-file", "here.pid", container.id, cwd=elsewhere
    ).ok()
    assert (elsewhere / "here.pid").read_text() == str(container.state()["pid"])


def test_bundle_defaults_to_cwd(container: Container) -> None:
    """Without --bundle the bundle is the working directory."""
    container.bundle.probe("exit", "4").save()
    assert container.call("run", container.id, cwd=container.bundle.path).rc == 4


@differs("crun", reason="crun fails, and leaves the container, when a standard stream is closed", strict=False)
@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_closed_standard_streams(container: Container, closed: str) -> None:
    """A caller that closed standard streams does not make the runtime use those numbers for its own files."""
    container.bundle.shell("touch /done").save()
    redirect = " ".join(f"{number}>&-" if number != "0" else "0<&-" for number in closed.split())
    argv = " ".join(container.runtime.argv("run", "--bundle", str(container.bundle.path), container.id))
    subprocess.run(["/bin/sh", "-c", f"{argv} {redirect}"], timeout=30, check=False, capture_output=True)
    container.assert_gone()
    assert (container.bundle.rootfs / "done").exists()


def test_concurrent_runs(make: Callable[[], Container]) -> None:
    """Eight containers started at the same moment all run and all vanish."""
    containers = [make() for _ in range(8)]
    for number, container in enumerate(containers):
        container.bundle.probe("exit", str(number + 10))
    processes = [container.foreground() for container in containers]
    assert [process.wait(timeout=60) for process in processes] == [number + 10 for number in range(8)]
    for container in containers:
        container.assert_gone()


@pytest.mark.parametrize("_number", range(5))
def test_a_foreground_container_is_deleted_by_force(container: Container, _number: int) -> None:
    """Its run cleans up when init has died; whoever of the two is slower finds nothing and calls that a success."""
    container.bundle.probe("wait")
    process = container.foreground()
    container.wait_for("running")
    container.delete("--force").ok()
    process.wait(timeout=10)
