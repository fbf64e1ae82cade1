"""start as the container's half of sd_notify(3): listens for it and passes its readiness on to the host's socket."""

from __future__ import annotations

import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.native.containers import Containers

# the container says something else first, then that it is ready
SPEAK = """
import os, socket, sys, time
name = sys.argv[1]
while not os.path.exists(name): time.sleep(0.005)
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for line in (b"STATUS=not READY=1", b"STATUS=up\\nREADY=1\\n"):
    speaker.sendto(line, name)
time.sleep(60)
"""


@pytest.fixture(params=["path", "abstract"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The host's NOTIFY_SOCKET and the socket that listens there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = str(tmp_path / "host.sock") if request.param == "path" else f"@postern-test-{tmp_path.name}-{time.time_ns()}"
    listener.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
    listener.settimeout(20)
    yield name, listener
    listener.close()


def begin(program: list[str], containers: Containers, host: str) -> subprocess.Popen[str]:
    """`start web` under a service manager."""
    argv = [*program, "--root", str(containers.root), "start", "web"]
    return subprocess.Popen(argv, env={"NOTIFY_SOCKET": host}, stderr=subprocess.PIPE, text=True)


def ready_container(containers: Containers) -> int:
    """A created container that reports by its notify socket; returns init's pid."""
    directory = containers.root / "web"
    (containers.root.parent / "speak.py").write_text(SPEAK)
    speak = f"exec python3 -I -S {containers.root.parent}/speak.py {directory}/notify/notify.sock"
    _, process = containers.created("web", after=speak)
    (directory / "notify").mkdir()
    return process.pid


def test_readiness_is_passed_on_with_the_hosts_pid(
    program: list[str], containers: Containers, host: tuple[str, socket.socket]
) -> None:
    """READY=1, MAINPID=, and start returns when the host has dealt with both."""
    name, listener = host
    pid = ready_container(containers)
    start = begin(program, containers, name)
    assert listener.recv(100) == b"READY=1\n"
    assert listener.recv(100) == f"MAINPID={pid}\n".encode()
    data, fds, _flags, _address = socket.recv_fds(listener, 100, 1)
    assert data == b"BARRIER=1"
    assert len(fds) == 1
    with pytest.raises(subprocess.TimeoutExpired):
        start.wait(timeout=0.3)
    socket.close(fds[0])
    assert start.communicate(timeout=20)[1] == ""
    assert start.returncode == 0
    mode = (containers.root / "web/notify/notify.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o777


def test_a_container_that_ends_without_a_word_ends_the_wait(
    program: list[str], containers: Containers, host: tuple[str, socket.socket]
) -> None:
    """As runc: the service manager sees for itself that nothing became ready."""
    directory, _process = containers.created("web", after="exec true")
    (directory / "notify").mkdir()
    start = begin(program, containers, host[0])
    assert start.communicate(timeout=20)[1] == ""
    assert start.returncode == 0


def test_without_a_notify_directory_nothing_is_waited_for(
    program: list[str], containers: Containers, host: tuple[str, socket.socket]
) -> None:
    """The container was created without NOTIFY_SOCKET."""
    containers.created("web")
    start = begin(program, containers, host[0])
    assert start.communicate(timeout=20)[1] == ""
    assert start.returncode == 0


def test_a_host_that_does_not_listen_is_an_error(program: list[str], containers: Containers, tmp_path: Path) -> None:
    """Named with the reason."""
    ready_container(containers)
    start = begin(program, containers, str(tmp_path / "none.sock"))
    _, text = start.communicate(timeout=20)
    assert start.returncode == 1
    assert "unable to notify the host of the container's readiness: no such file or directory" in text
