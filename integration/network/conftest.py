"""A host of the test's own: the runtime called in a network namespace where nothing but the test makes devices."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.framework import leftovers
from integration.framework.bundle import Bundle
from integration.framework.container import Container
from integration.framework.runtime import Runtime
from integration.network.arena import TALKER, Talker

NUMBERS = itertools.count(1)


class Host:
    """A network namespace; `talker` makes system calls in it, `ip` runs the tool."""

    def __init__(self) -> None:
        """Make it, with loopback up."""
        self.talker = Talker(["unshare", "-n", sys.executable, "-I", "-S", str(TALKER), "-"])
        self.enter = ["nsenter", f"--net=/proc/{self.talker.process.pid}/ns/net"]
        self.ip("link", "set", "lo", "up")
        self.forwards("0")

    def ip(self, *words: str) -> str:
        """What iproute2's `ip` says."""
        return subprocess.run([*self.enter, "ip", *words], check=True, capture_output=True, text=True).stdout

    def has_devices(self) -> bool:
        """Whether this kernel makes the devices that the tests and the bridge need; none is left."""
        try:
            self.ip("link", "add", "probe0", "type", "bridge")
            self.ip("link", "add", "probe1", "type", "veth", "peer", "name", "probe2")
        except subprocess.CalledProcessError:
            return False
        self.ip("link", "del", "probe0")
        self.ip("link", "del", "probe1")
        return True

    def forwards(self, *value: str) -> str:
        """Whether packets are forwarded ("0" or "1"); set with a value."""
        change = f"echo {value[0]} >/proc/sys/net/ipv4/ip_forward; " if value else ""
        script = f"{change}cat /proc/sys/net/ipv4/ip_forward"
        command = [*self.enter, "/bin/sh", "-c", script]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def wait_for_devices(self, names: set[str]) -> None:
        """The kernel removes a dead namespace's devices when it has time."""
        deadline = time.monotonic() + 10
        while self.devices() != names:
            assert time.monotonic() < deadline, f"{self.devices()} in place of {names}"
            time.sleep(0.02)

    def devices(self) -> set[str]:
        """Names of the devices, without loopback."""
        lines = self.ip("-o", "link").splitlines()
        return {line.split(": ")[1].split("@")[0] for line in lines} - {"lo"}


class HostRuntime(Runtime):
    """The runtime called on such a host."""

    def __init__(self, path: Path, root: Path, host: Host) -> None:
        """`root` is a state root of its own."""
        super().__init__(path, root)
        self.host = host

    def argv(self, *words: str, flags: tuple[str, ...] = ()) -> list[str]:
        """The full command line of a call."""
        return [*self.host.enter, *super().argv(*words, flags=flags)]

    @property
    def leases(self) -> dict[str, str]:
        """Container ID -> address of the leases that are kept."""
        directory = self.root / "@network/leases"
        return {path.name: path.read_text().split()[0] for path in directory.iterdir()} if directory.exists() else {}


@pytest.fixture
def host(work: Path) -> Iterator[Host]:
    """A host without any device but loopback."""
    assert work.exists()
    made = Host()
    if not made.has_devices():
        made.talker.close()
        pytest.skip("this kernel makes no bridges or no veth devices")
    yield made
    made.talker.close()


@pytest.fixture
def on_host(request: pytest.FixtureRequest, host: Host, work: Path) -> Iterator[HostRuntime]:
    """The runtime under test on that host, with a state root that nobody else uses."""
    root = work / f"net{next(NUMBERS)}"
    root.mkdir(mode=0o711)
    yield HostRuntime(Path(request.config.option.runtime).absolute(), root, host)
    shutil.rmtree(root)


@pytest.fixture
def plug(on_host: HostRuntime, work: Path, cgroup_parent: str) -> Iterator[Callable[[], Container]]:
    """Makes containers of that runtime."""
    made: list[Container] = []

    def fresh() -> Container:
        name = f"n{next(NUMBERS)}-{work.name}"
        made.append(Container(on_host, Bundle(work / name, f"{cgroup_parent}/{name}"), name))
        return made[-1]

    yield fresh
    for container in reversed(made):
        try:
            container.close()
        finally:
            leftovers.scrub(container.id, on_host.root, container.bundle.path, container.cgroup)
            shutil.rmtree(container.bundle.path, ignore_errors=True)
