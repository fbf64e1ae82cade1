"""A network namespace of a test's own with two processes in it: one in a cgroup under test, one that is its peer."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from integration.framework.hierarchy import CGROUP_MOUNT
from runtime.network.apply import replace_network
from runtime.policy.lower_network import lower_network

TALKER = Path(__file__).with_name("talker.py")
ADDRESSES = ("10.0.0.1/32", "10.1.0.1/32", "10.2.0.1/32", "fd00::1/128", "fd00:2::1/128")
TCP, UDP = (2, 1, 0), (2, 2, 0)
TCP6, UDP6 = (10, 1, 0), (10, 2, 0)
NAMES = itertools.count()


def rule(
    action: str, cidr: str, ports: Iterable[tuple[int, int]] = (), protocols: tuple[str, ...] = ("tcp", "udp")
) -> dict[str, Any]:
    """A rule as a layer has it."""
    return {
        "action": action,
        "cidr": cidr,
        "ports": [list(pair) for pair in ports] or [[0, 65535]],
        "protocols": list(protocols),
        "rule": 0,
    }


def layer(**network: Any) -> dict[str, Any]:
    """A layer whose network section restricts what is given."""
    section = {"domains": None, "types": None, "protocols": None, "egress": None, "ingress": None, "bind": None}
    return {"rules": [{"text": "rule", "where": "p.yaml:1"}], "network": {**section, **network}}


class Refused(Exception):
    """A call failed; `str()` is the errno's name, or "timeout"."""


class Talker:
    """One process; `call` makes one of its system calls."""

    def __init__(self, command: list[str]) -> None:
        """Start it and wait until it is where it belongs."""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer() == "ready"

    def answer(self) -> Any:
        """The next line that it says."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def post(self, name: str, method: str, *values: Any) -> None:
        """Ask for a call; its answer is read later."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([name, method, *values]) + "\n")
        self.process.stdin.flush()

    def wait(self) -> Any:
        """The result of the call that was asked for.  Raises: Refused."""
        found = self.answer()
        if "error" in found:
            raise Refused(found["error"])
        return found["ok"]

    def call(self, name: str, method: str, *values: Any) -> Any:
        """The result of one call.  Raises: Refused."""
        self.post(name, method, *values)
        return self.wait()

    def error(self, name: str, method: str, *values: Any) -> str:
        """The errno's name of one call, "" when it worked."""
        try:
            self.call(name, method, *values)
        except Refused as error:
            return str(error)
        return ""

    def socket(self, kind: tuple[int, int, int]) -> str:
        """A new socket's name."""
        name = f"s{next(NAMES)}"
        self.call(name, "socket", *kind)
        return name

    def bound(self, kind: tuple[int, int, int], address: str, port: int) -> str:
        """A socket on this address that listens, if its kind does."""
        name = self.socket(kind)
        self.call(name, "setsockopt", 1, 2, 1)  # SO_REUSEADDR
        self.call(name, "bind", [address, port])
        if kind[1] == 1:
            self.call(name, "listen", 8)
        return name

    def connects(self, kind: tuple[int, int, int], address: str, port: int) -> str:
        """What a new socket's connect says: "" for success."""
        name = self.socket(kind)
        found = self.error(name, "connect", [address, port])
        self.call(name, "close")
        return found

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


class Arena:
    """`inside` is in the cgroup, `outside` is not; both see the same addresses, all of them local."""

    def __init__(self, cgroup: Path) -> None:
        """Make the cgroup, the namespace and the two."""
        self.cgroup = cgroup
        cgroup.mkdir(parents=True)
        python = [sys.executable, "-I", "-S", str(TALKER)]
        self.outside = Talker(["unshare", "-n", *python, "-"])
        enter = ["nsenter", f"--net=/proc/{self.outside.process.pid}/ns/net"]
        subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
        for address in ADDRESSES:
            subprocess.run([*enter, "ip", "addr", "add", address, "dev", "lo"], check=True)
        self.inside = Talker([*enter, *python, str(cgroup / "cgroup.procs")])

    def restrict(self, *layers: dict[str, Any], own_netns: bool = True) -> None:
        """Make these the rules of the cgroup; without any: none."""
        network = lower_network(layers, own_netns)[0]
        replace_network(str(CGROUP_MOUNT), str(self.cgroup.relative_to(CGROUP_MOUNT)), network)

    def close(self) -> None:
        """End both and remove the cgroup."""
        self.inside.close()
        self.outside.close()
        self.cgroup.rmdir()
