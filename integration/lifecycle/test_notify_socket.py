"""NOTIFY_SOCKET: a container that tells systemd it is ready, through the runtime."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.runtime import CLEAN_ENV


@pytest.fixture
def manager(container: Container) -> Iterator[socket.socket]:
    """The socket on which the service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(container.bundle.path / "manager.sock"))
        listening.settimeout(10)
        yield listening


def notify_env(container: Container) -> dict[str, str]:
    """The variable that systemd sets."""
    return {"NOTIFY_SOCKET": str(container.bundle.path / "manager.sock")}


def start(container: Container) -> subprocess.Popen[bytes]:
    """`start` in the background, as it waits for the container's word."""
    argv = container.runtime.argv("start", container.id)
    return subprocess.Popen(argv, env={**CLEAN_ENV, **notify_env(container)}, stdout=subprocess.DEVNULL)


def datagrams(manager: socket.socket, until: str) -> list[str]:
    """Every line up to the one that begins with the text; a barrier's descriptor is closed, which answers it."""
    lines: list[str] = []
    while not any(line.startswith(until) for line in lines):
        message, fds, _, _ = socket.recv_fds(manager, 4096, 4)
        for fd in fds:
            os.close(fd)
        lines += message.decode().splitlines()
    return lines


@differs("crun", reason="crun hands the socket to the container itself", strict=False)
@differs("runc<1.2", reason="this runc sends no barrier", strict=False)
def test_ready(container: Container, manager: socket.socket) -> None:
    """The READY of the container is passed on with its pid, and only then start returns."""
    container.bundle.probe("ready")
    container.create(env=notify_env(container))
    process = start(container)
    lines = datagrams(manager, "MAINPID=")
    assert lines[:2] == ["READY=1", f"MAINPID={container.pid}"]
    if "BARRIER=1" not in lines:
        datagrams(manager, "BARRIER=1")
    assert process.wait(timeout=20) == 0


@differs("runc", reason="runc goes on waiting when the container has died", strict=False)
@differs("crun", reason="crun hands the socket to the container itself", strict=False)
def test_start_waits(container: Container, manager: socket.socket) -> None:
    """Without a READY start goes on waiting, and what the container says besides is not passed on."""
    container.bundle.probe("ready", "STATUS=busy")
    container.create(env=notify_env(container))
    process = start(container)
    manager.settimeout(1)
    with pytest.raises(TimeoutError):
        datagrams(manager, "READY")
    assert process.poll() is None
    container.kill("KILL").ok()
    try:
        process.wait(timeout=5)
    finally:
        process.kill()
        process.wait()


@differs("crun", reason="crun hands the socket to the container itself", strict=False)
def test_inside(container: Container) -> None:
    """The container has a socket of its own at the promised place, mounted so that nothing else can be done with it."""
    container.bundle.shell("echo $NOTIFY_SOCKET; cat /proc/self/mountinfo")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(container.bundle.path / "manager.sock"))
        container.create(env=notify_env(container))
        process = start(container)
        container.wait_for("stopped")
        process.kill()
        process.wait()
    place, _, mounts = container.output().partition("\n")
    assert place.startswith("/run/notify")
    assert "/run/notify" in mounts


def test_none(container: Container) -> None:
    """Without the variable there is no socket."""
    assert not Path(container.bundle.rootfs / "run/notify").exists()
    assert not [entry for entry in container.facts()["env"] if entry.startswith("NOTIFY")]
