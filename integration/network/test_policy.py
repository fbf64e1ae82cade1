"""A policy's network rules on real containers: from the file to the errno."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.network.arena import TCP
from integration.network.conftest import Host, HostRuntime

pytestmark = pytest.mark.only("postern", reason="policies are postern's alone")
BRIDGE = ("--network", "bridge")
POLICY = """
name: narrow
version: 1
network:
  egress:
    - {allow: 10.87.0.1/32, ports: [8080], protocols: [tcp]}
  ingress:
    - {allow: 10.87.0.1/32, ports: [9000], protocols: [tcp]}
  bind: [9000, 9001]
"""


@pytest.fixture
def narrow(work: Path) -> str:
    """The policy as a file."""
    path = work / "narrow.yaml"
    path.write_text(POLICY)
    return str(path)


def nc(address: str, port: int) -> str:
    """A shell command that connects and says how it went."""
    return f"(/bin/busybox timeout 2 /bin/busybox nc {address} {port} </dev/null 2>&1; true) | /bin/busybox sed 's/^/{port}: /'"


def test_egress_on_a_bridge(host: Host, plug: Callable[[], Container], narrow: str) -> None:
    """One port of one address; everything else is refused before a packet leaves, in init and in exec."""
    container = plug()
    container.bundle.shell("sleep 60")
    container.up(*BRIDGE, "--policy", narrow)
    servers = [host.talker.bound(TCP, "10.87.0.1", port) for port in (8080, 8081)]
    said = container.exec("/bin/sh", "-c", "; ".join(nc("10.87.0.1", port) for port in (8080, 8081))).out
    assert "8080: Terminated" in said  # connected, and nobody said anything
    assert "8081: nc: can't connect to remote host (10.87.0.1): Operation not permitted" in said
    assert host.talker.call(servers[0], "accept", "met")[0] == "10.87.0.2"
    assert host.talker.error(servers[1], "accept", "met") == "timeout"
    assert "Operation not permitted" in container.exec("/bin/sh", "-c", nc("198.51.100.1", 8080)).out


def test_ingress_and_bind_on_a_bridge(host: Host, plug: Callable[[], Container], narrow: str) -> None:
    """Two ports may be listened on, one of them is reached."""
    container = plug()
    listen = "(echo hello | /bin/busybox nc -l -p {0} || echo refused {0}) & "
    container.bundle.shell("".join(listen.format(port) for port in (9000, 9001, 9002)) + "sleep 60")
    container.up(*BRIDGE, "--policy", narrow)
    container.wait_for_output("refused 9002")
    name = host.talker.socket(TCP)
    container._poll(lambda: host.talker.error(name, "connect", ["10.87.0.2", 9000]) == "", "port 9000 to be open")
    assert host.talker.call(name, "recv", 10) == "hello\n"
    assert host.talker.connects(TCP, "10.87.0.2", 9001) == "timeout"
    assert container.output().count("refused") == 1


def test_loopback_needs_no_rule(plug: Callable[[], Container], narrow: str) -> None:
    """A program that talks to itself; not so in the host's network, which is not the container's own."""
    container = plug()
    talk = f"(echo hello | /bin/busybox nc -l -p 9000) & sleep 0.3; {nc('127.0.0.1', 9000)}"
    container.bundle.shell(f"/bin/busybox ifconfig lo; {talk}")
    assert "hello" in container.run("--policy", narrow).out
    for spaces in (None, "/proc/self/ns/net"):
        if spaces is None:
            container.bundle.without_namespace("network")
        else:
            container.bundle.namespace("network", spaces)
        said = container.run("--policy", narrow).out
        assert "Operation not permitted" in said
        assert "hello" not in said


def test_under_a_user_namespace(plug: Callable[[], Container], narrow: str) -> None:
    """The cgroup is the host's, whoever the container's root is."""
    container = plug()
    container.bundle.user_namespace().shell(nc("198.51.100.1", 8080))
    assert "Operation not permitted" in container.run("--policy", narrow).out


def test_rules_without_a_cgroup_are_refused(on_host: HostRuntime, plug: Callable[[], Container], narrow: str) -> None:
    """There would be nothing to attach them to."""
    container = plug()
    del container.bundle.linux["cgroupsPath"]
    del container.bundle.linux["resources"]
    container.bundle.save()
    words = ("run", "--bundle", str(container.bundle.path), "--policy", narrow, container.id)
    on_host.call(*words, flags=("--cgroup-manager", "disabled")).refused("need a cgroup, and the container has none")
