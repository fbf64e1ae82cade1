"""linux.netDevices: devices that are moved into the container."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from integration.framework.container import Container
from integration.network.conftest import Host, HostRuntime

pytestmark = pytest.mark.only("postern", reason="runc has this since 1.4, crun in other words")


def pair(host: Host, name: str, *addresses: str) -> None:
    """A pair of devices on the host, the first one up, with addresses and a small MTU."""
    host.ip("link", "add", name, "mtu", "1400", "type", "veth", "peer", "name", f"{name}-far")
    host.ip("link", "set", f"{name}-far", "up")
    for address in addresses:
        host.ip("addr", "add", address, "dev", name)
    host.ip("link", "set", name, "up")


def moving(container: Container, **devices: str | None) -> Container:
    """The container with these devices: name on the host -> name inside."""
    container.bundle.linux["netDevices"] = {name: {"name": to} if to else {} for name, to in devices.items()}
    return container


def addresses(said: str, device: str) -> list[str]:
    """What `ip -o addr` says of one device, without link-local addresses."""
    words = [line.split() for line in said.splitlines()]
    found = [line[3] for line in words if len(line) > 3 and line[1] == device and line[2] in ("inet", "inet6")]
    return sorted(address for address in found if not address.startswith("fe80"))


LOOK = "ip -o addr; ip -o link; cat /sys/class/net/*/mtu"


def test_devices_arrive_with_their_addresses(host: Host, plug: Callable[[], Container]) -> None:
    """Under the name that the config gives them, up, with the same MTU; loopback is up beside them."""
    pair(host, "one", "192.0.2.5/24", "2001:db8::5/64")
    pair(host, "two", "198.51.100.7/32")
    pair(host, "three")
    container = moving(plug(), one=None, two="lan0", three="eth%d")
    container.bundle.shell(LOOK)
    said = container.run().ok().out
    assert addresses(said, "one") == ["192.0.2.5/24", "2001:db8::5/64"]
    assert addresses(said, "lan0") == ["198.51.100.7/32"]
    assert addresses(said, "lo") == ["127.0.0.1/8", "::1/128"]
    assert "eth0" in said
    assert len(re.findall(r"[<,]UP[,>]", said)) == 4
    assert said.count("mtu 1400") == 3
    assert not {"one", "two", "three"} & host.devices()


def test_into_a_namespace_that_is_joined(host: Host, plug: Callable[[], Container]) -> None:
    """As a pod's containers do; the device stays there when the container has gone."""
    pair(host, "one", "192.0.2.5/24")
    holder = subprocess.Popen([*host.enter, "unshare", "-n", "sleep", "60"])
    try:
        path = f"/proc/{holder.pid}/ns/net"
        container = moving(plug(), one="eth7")
        container._poll(
            lambda: os.readlink(path) != os.readlink(f"/proc/{host.talker.process.pid}/ns/net"), "a namespace"
        )
        container.bundle.namespace("network", path).shell(LOOK)
        assert addresses(container.run().ok().out, "eth7") == ["192.0.2.5/24"]
        left = subprocess.run(
            ["nsenter", f"--net={path}", "ip", "-o", "link"], capture_output=True, text=True, check=True
        )
        assert "eth7" in left.stdout
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()


def test_with_a_bridge(on_host: HostRuntime, host: Host, plug: Callable[[], Container]) -> None:
    """Beside its device, whose name is taken."""
    pair(host, "one", "192.0.2.5/24")
    container = moving(plug(), one=None)
    container.bundle.shell(LOOK)
    said = container.run("--network", "bridge").ok().out
    assert addresses(said, "eth0") == ["10.87.0.2/20"]
    assert addresses(said, "one") == ["192.0.2.5/24"]
    pair(host, "two")
    moving(container, two="eth0")
    container.run("--network", "bridge").refused('"two" cannot be called "eth0": the container has such a device')
    assert on_host.leases == {}
    assert "two" in host.devices()


def snapshot(host: Host, name: str) -> Any:
    """What the host says of a device."""
    (entry,) = json.loads(host.ip("-j", "addr", "show", name))
    found = sorted(address["local"] for address in entry["addr_info"] if address["scope"] == "global")
    return entry["ifname"], entry["mtu"], found, "UP" in entry["flags"]


def test_all_or_none(host: Host, plug: Callable[[], Container]) -> None:
    """A device that is not there, a name given twice, a name that the kernel refuses: every one stays, or comes back."""
    pair(host, "one", "192.0.2.5/24", "2001:db8::5/64")
    pair(host, "two")
    before = snapshot(host, "one")
    container = plug()
    for devices, error in (
        ({"one": None, "seven": None, "eight": None}, 'no network device "seven", "eight"'),
        ({"one": "eth0", "two": "eth0"}, '"two" cannot be called "eth0"'),
        ({"one": None, "lo": "lo9"}, 'unable to move "lo" into the container'),
    ):
        moving(container, **devices).run().refused(error)
        assert snapshot(host, "one") == before
        assert "two" in host.devices()


def test_without_a_network_of_its_own(host: Host, plug: Callable[[], Container]) -> None:
    """There is nowhere to move a device to; nor into what a user namespace owns."""
    pair(host, "one")
    container = moving(plug(), one=None)
    container.bundle.without_namespace("network")
    container.run().refused("network devices cannot be moved: the container shares the network of its caller")
    container.bundle.namespace("network").user_namespace()
    container.run().refused("linux.netDevices with a new user namespace is not supported")
    assert "one" in host.devices()
