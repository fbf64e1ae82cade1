"""--network: what the flag asks of a config, and the bridge."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.network.arena import TCP
from integration.network.conftest import Host, HostRuntime
from runtime.network.subnets import bridge_name

pytestmark = pytest.mark.only("postern", reason="a flag of postern alone")
BRIDGE = ("--network", "bridge")
LOOK = "ip -o addr show eth0; ip route"


def ask(address: str, port: int) -> str:
    """A shell command that prints what a server says."""
    return f"/bin/busybox nc -w 3 {address} {port} </dev/null; echo code $?"


def serve(host: Host, address: str, port: int) -> str:
    """A listening socket on the host; its name."""
    return host.talker.bound(TCP, address, port)


def test_a_container_has_an_address_and_a_way_out(
    host: Host, on_host: HostRuntime, plug: Callable[[], Container]
) -> None:
    """Loopback up, an address of the root's network, the bridge as its router, and the host answers there."""
    container = plug()
    container.bundle.shell(f"{LOOK}; ip -o addr show lo; sleep 0.2; {ask('10.87.0.1', 8080)}")
    container.create(*BRIDGE)
    assert on_host.leases == {container.id: "10.87.0.2"}
    bridge = bridge_name(str(on_host.root))
    assert host.devices() == {bridge, "pv0a570002"}
    server = serve(host, "10.87.0.1", 8080)
    container.start()
    assert host.talker.call(server, "accept", "met")[0] == "10.87.0.2"
    host.talker.call("met", "send", {"bytes": "hello\n"})
    host.talker.call("met", "close")
    container.wait_for("stopped")
    said = container.output()
    assert "inet 10.87.0.2/20" in said
    assert "default via 10.87.0.1 dev eth0" in said
    assert "127.0.0.1/8" in said
    assert "hello" in said
    container.delete().ok()
    host.wait_for_devices({bridge})
    assert on_host.leases == {}


def test_containers_reach_each_other(on_host: HostRuntime, plug: Callable[[], Container]) -> None:
    """Each with an address of its own, on one bridge."""
    server, client = plug(), plug()
    server.bundle.shell("echo hello | /bin/busybox nc -l -p 9000; sleep 5")
    server.up(*BRIDGE)
    client.bundle.shell(f"for n in 1 2 3 4 5; do {ask('10.87.0.2', 9000)}; sleep 0.2; done")
    assert "hello" in client.run(*BRIDGE).ok().out
    assert on_host.leases == {server.id: "10.87.0.2"}  # the client's went with it


def test_many_at_once(on_host: HostRuntime, plug: Callable[[], Container]) -> None:
    """Each waits for the lock, and nobody gets another one's address."""
    containers = [plug() for _ in range(6)]
    calls = []
    for container in containers:
        container.bundle.shell("sleep 60")
        calls.append(container.foreground(*BRIDGE))
    for container in containers:
        container.wait_for("running")
    said = [container.exec("/bin/sh", "-c", LOOK).ok().out for container in containers]
    addresses = {line.split()[3] for text in said for line in text.splitlines() if " inet " in line}
    assert addresses == {f"10.87.0.{number}/20" for number in range(2, 8)}
    assert {f"{address}/20" for address in on_host.leases.values()} == addresses
    for container, call in zip(containers, calls, strict=True):
        container.kill("KILL").ok()
        call.wait(timeout=20)
    assert on_host.leases == {}


def test_exec_sees_the_same_network(plug: Callable[[], Container]) -> None:
    """It joins what init has."""
    container = plug()
    container.waiting(*BRIDGE)
    assert "inet 10.87.0.2/20" in container.exec("/bin/sh", "-c", LOOK).ok().out


def test_nothing_is_left_of_what_failed(host: Host, on_host: HostRuntime, plug: Callable[[], Container]) -> None:
    """A program that is not there, an ID that is taken: no address, no device; the container that was there keeps its own."""
    failing = plug()
    failing.bundle.args("/no/such/program")
    failing.create(*BRIDGE, check=False).refused("no such file")
    assert on_host.leases == {}
    host.wait_for_devices({bridge_name(str(on_host.root))})
    there = plug()
    there.waiting(*BRIDGE)
    before = (on_host.leases, host.devices())
    there.create(*BRIDGE, check=False).refused("already exists")
    host.wait_for_devices(before[1])
    assert on_host.leases == before[0]
    assert "10.87.0.2" in there.exec("/bin/sh", "-c", LOOK).ok().out


def test_an_address_comes_back_after_a_crash(host: Host, on_host: HostRuntime, plug: Callable[[], Container]) -> None:
    """A dead init leaves no device; the lease goes with delete --force, twice, or is found by the next container."""
    container = plug()
    container.waiting(*BRIDGE)
    os.kill(container.pid, signal.SIGKILL)
    container.wait_for("stopped")
    host.wait_for_devices({bridge_name(str(on_host.root))})
    assert container.id in on_host.leases
    for _ in range(2):
        container.delete("--force").ok()
        assert on_host.leases == {}
    # whoever held it died before there was a container, or its state directory was removed by hand
    (on_host.root / "@network/leases/gone").write_text("10.87.0.2 1 1\n")
    (on_host.root / "@network/leases/cut").write_text("10.8")
    other = plug()
    other.bundle.shell(LOOK)
    assert "inet 10.87.0.2/20" in other.run(*BRIDGE).ok().out
    assert on_host.leases == {}


def test_a_killed_creation_leaves_an_address_that_delete_removes(
    on_host: HostRuntime, plug: Callable[[], Container]
) -> None:
    """Before the state directory was made there is nothing but the lease."""
    leases = on_host.root / "@network/leases"
    leases.mkdir(parents=True, mode=0o700)
    (on_host.root / "@network").chmod(0o700)
    (leases / "half").write_text("10.87.0.2 1 1\n")
    on_host.call("delete", "half").refused("does not exist")
    assert on_host.leases == {}
    on_host.call("delete", "--force", "half").ok()
    assert plug().run(*BRIDGE).rc == 0


def test_networks_that_are_there_are_left_alone(
    host: Host, on_host: HostRuntime, plug: Callable[[], Container]
) -> None:
    """Another network is chosen at first; one that arrives later is named, and nothing is started."""
    host.ip("link", "add", "lan", "type", "bridge")
    host.ip("addr", "add", "10.87.3.1/24", "dev", "lan")
    host.ip("link", "set", "lan", "up")
    container = plug()
    container.bundle.shell(LOOK)
    assert "inet 10.87.16.2/20" in container.run(*BRIDGE).ok().out
    host.ip("addr", "add", "10.87.17.1/24", "dev", "lan")
    container.run(*BRIDGE).refused(
        r"the network 10\.87\.16\.0/20 of \S+ clashes with the host's route to 10\.87\.17\.0/24"
    )
    assert on_host.leases == {}


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not installed")
def test_other_hosts_see_the_hosts_address(host: Host, plug: Callable[[], Container], work: Path) -> None:
    """Masqueraded and forwarded, to a network that knows nothing of the container's."""
    assert work.exists()
    far = Host()
    try:
        host.ip("link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", str(far.talker.process.pid))
        for end, address in ((host, "198.51.100.1/24"), (far, "198.51.100.2/24")):
            end.ip("addr", "add", address, "dev", "wan")
            end.ip("link", "set", "wan", "up")
        server = serve(far, "198.51.100.2", 8080)
        container = plug()
        container.bundle.shell(f"sleep 0.2; {ask('198.51.100.2', 8080)}")
        container.create(*BRIDGE)
        container.start()
        assert far.talker.call(server, "accept", "met")[0] == "198.51.100.1"
        far.talker.call("met", "close")
        container.wait_for("stopped")
        assert host.forwards() == "1"
    finally:
        far.talker.close()


def test_without_nft_it_says_what_is_missing(host: Host, on_host: HostRuntime, plug: Callable[[], Container]) -> None:
    """The host is left as it is: nothing is forwarded."""
    container = plug()
    container.bundle.shell(LOOK)
    container.bundle.save()
    # nft is looked for in fixed places: covered, in a mount namespace of the call's own
    nft = shutil.which("nft")
    cover = f"mount --bind /dev/null {nft} && " if nft else ""
    words = " ".join(on_host.argv("run", "--bundle", str(container.bundle.path), *BRIDGE, container.id))
    done = subprocess.run(["unshare", "-m", "/bin/sh", "-c", cover + words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    assert "nft was not found, the container reaches this host and other containers alone" in done.stderr
    assert host.forwards() == "0"


def test_what_the_flag_asks_of_the_config(plug: Callable[[], Container]) -> None:
    """It contradicts nothing that config.json says, and makes nothing looser."""
    container = plug()
    container.bundle.shell("ip -o link")
    assert "eth0" not in container.run("--network", "none").ok().out
    container.run("--network", "host").refused("has a network namespace, which --network host contradicts")
    container.run("--network", "bride").refused('"bride" is none of none, host, bridge')
    container.bundle.namespace("network", "/proc/self/ns/net")
    for mode in ("none", "bridge"):
        container.run("--network", mode).refused(
            f"joins the network namespace /proc/self/ns/net, which --network {mode} contradicts"
        )
    container.bundle.without_namespace("network")
    for mode in ("none", "bridge"):
        container.run("--network", mode).refused(
            f"shares the network of its caller, which --network {mode} contradicts"
        )
    container.run("--network", "host").ok()
    container.bundle.namespace("network").user_namespace()
    container.run(*BRIDGE).refused("--network bridge with a new user namespace is not supported")
