"""Descriptors handed over: preserved ones, socket activation, pidfds; and none besides."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.sockets import FdReceiver

NO_PIDFD = differs("runc<1.2", reason="this runc has no --pidfd-socket")
CRUN_PIDFD = differs("crun", reason="crun has no --pidfd-socket")

CRUN_LISTEN = differs("crun", reason="crun passes the descriptors on without the variables")


def call_with_fds(
    container: Container, *words: str, contents: tuple[str, ...], env: str = ""
) -> subprocess.CompletedProcess[str]:
    """Call the runtime through a shell that opens files with these contents at 3, 4, …."""
    container.bundle.save()
    redirects = []
    for offset, content in enumerate(contents):
        path = container.bundle.path / f"handed{offset}"
        path.write_text(content)
        redirects.append(f"{3 + offset}<{path}")
    script = f"{env} exec {' '.join(container.runtime.argv(*words))} {' '.join(redirects)}"
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)


def run_with_fds(container: Container, *flags: str, contents: tuple[str, ...], env: str = "") -> tuple[int, str]:
    """A foreground run with files at 3, 4, …; its exit code and output."""
    words = ("run", "--bundle", str(container.bundle.path), *flags, container.id)
    done = call_with_fds(container, *words, contents=contents, env=env)
    return done.returncode, done.stdout + done.stderr


def test_none_but_the_streams(container: Container) -> None:
    """Whatever the caller leaks, the container has three descriptors."""
    secret = os.open(container.bundle.path, os.O_RDONLY | os.O_DIRECTORY)
    opened = container.facts(pass_fds=(secret,))["open"]
    os.close(secret)
    assert opened == [0, 1, 2]


def test_preserved(container: Container) -> None:
    """--preserve-fds 2 hands over 3 and 4, in order, and not 5."""
    container.bundle.probe("readfd", "3", "4", "5")
    rc, output = run_with_fds(container, "--preserve-fds", "2", contents=("three", "four", "five"))
    assert (rc, output) == (0, "three\nfour\nerrno 9\n")


@CRUN_LISTEN
def test_listen_fds(container: Container) -> None:
    """LISTEN_FDS with LISTEN_PID naming the runtime passes the sockets on, with LISTEN_PID=1."""
    container.bundle.shell("/probe readfd 3 4; echo $LISTEN_FDS $LISTEN_PID")
    rc, output = run_with_fds(container, contents=("three",), env="LISTEN_FDS=1 LISTEN_PID=$$")
    assert (rc, output) == (0, "three\nerrno 9\n1 1\n")


@CRUN_LISTEN
def test_listen_and_preserved(container: Container) -> None:
    """Activation sockets come first, preserved descriptors after them."""
    container.bundle.shell("/probe readfd 3 4 5; echo $LISTEN_FDS")
    rc, output = run_with_fds(
        container, "--preserve-fds", "1", contents=("three", "four", "five"), env="LISTEN_FDS=1 LISTEN_PID=$$"
    )
    assert (rc, output) == (0, "three\nfour\nerrno 9\n1\n")


@differs("runc", "crun", reason="these do not look at LISTEN_PID", strict=False)
def test_listen_fds_of_another_process(container: Container) -> None:
    """LISTEN_FDS meant for another pid is not ours."""
    container.bundle.shell("/probe readfd 3; echo $LISTEN_FDS")
    rc, output = run_with_fds(container, contents=("three",), env="LISTEN_FDS=1 LISTEN_PID=1")
    assert (rc, output) == (0, "errno 9\n\n")


@differs("crun", reason="crun does not look at the descriptors it is told to preserve")
@differs("runc>=1.2", reason="runc leaves its state directory behind", strict=False)
def test_preserved_missing(container: Container) -> None:
    """A descriptor that is not open is an error with its number."""
    container.bundle.args("/bin/true")
    rc, output = run_with_fds(container, "--preserve-fds", "90", contents=("three",))
    assert rc == 1
    assert re.search(r"unable to stat preserved-fd \d+ \(of \d+\)", output), output
    container.assert_gone()


def test_exec_preserved(container: Container) -> None:
    """exec hands preserved descriptors over, too."""
    container.waiting()
    words = ("exec", "--preserve-fds", "1", container.id, "/probe", "readfd", "3", "4")
    done = call_with_fds(container, *words, contents=("exec", "more"))
    assert (done.returncode, done.stdout) == (0, "exec\nerrno 9\n")


@NO_PIDFD
@CRUN_PIDFD
def test_pidfd(container: Container) -> None:
    """create sends a pidfd of init, named `standard`, before it returns."""
    container.bundle.probe("wait")
    with FdReceiver(container.bundle.path / "pidfd.sock") as receiver:
        container.create("--pidfd-socket", str(receiver.path))
        name, fds = receiver.receive()
        info = Path(f"/proc/self/fdinfo/{fds[0]}").read_text()
        assert name == b"standard"
        assert f"Pid:\t{container.pid}\n" in info
        signal.pidfd_send_signal(fds[0], signal.SIGKILL)
        assert select.select([fds[0]], [], [], 10)[0]
    assert container.exit_code() == 137


@NO_PIDFD
@CRUN_PIDFD
def test_exec_pidfd(container: Container) -> None:
    """exec's pidfd is named `setns`."""
    container.waiting()
    with FdReceiver(container.bundle.path / "pidfd.sock") as receiver:
        pid_file = container.bundle.path / "e.pid"
        flags = ("--detach", "--pid-file", str(pid_file), "--pidfd-socket", str(receiver.path))
        container.exec("/probe", "wait", flags=flags).ok()
        name, fds = receiver.receive()
        assert name == b"setns"
        assert f"Pid:\t{pid_file.read_text()}\n" in Path(f"/proc/self/fdinfo/{fds[0]}").read_text()
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("number", ["x", "1.5"])
def test_bad_number(container: Container, number: str) -> None:
    """A number of descriptors that is none is refused."""
    result = container.create("--preserve-fds", number, check=False)
    assert result.rc != 0
    assert "Traceback" not in result.err
    container.assert_gone()
