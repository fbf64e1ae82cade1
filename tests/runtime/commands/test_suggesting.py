"""From a denial to the line that would allow it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.broker.agent_policy import agent_table
from runtime.broker.table import decode_head, encode_table
from runtime.commands import suggesting


def entry(call: str, target: str = "", handler: str = "open", **more: Any) -> dict[str, Any]:
    """A record of the log."""
    return {
        "program": "p",
        "syscall": call,
        "target": target,
        "handler": handler,
        "verdict": "deny",
        "errno": "EACCES",
        "args": ["0x0", "0x0", "0x0"],
        **more,
    }


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (entry("openat", "read /etc/x"), "filesystem.read: [/etc/x]"),
        (entry("openat", "write /a/b", args=["0x0", "0x0", "0x41"]), "filesystem.write: [/a]"),
        (entry("openat", "/x", args=["0x0", "0x0", "0x41"]), "filesystem.write: [/]"),
        (entry("execve", "/bin/x", "exec"), "filesystem.execute: [/bin/x]"),
        (entry("connect", "connect 10.0.0.1:443", "connect"), 'network.egress: [{allow: "10.0.0.1", ports: 443}]'),
        (entry("connect", "connect [::1]:53", "connect"), 'network.egress: [{allow: "::1", ports: 53}]'),
        (entry("bind", "bind 0.0.0.0:80", "bind"), "network.bind: [80]"),
        (entry("connect", "connect unix:/run/x", "connect"), "network.unix.connect: [/run/x]"),
        (entry("bind", "bind unix:/run/x", "bind"), "network.unix.bind: [/run/x]"),
        (entry("connect", "connect unix:@x", "connect"), "network.unix.abstract: true"),
        (entry("ioctl", "", "deny", decoded={"request": "TCGETS"}), "ioctl: [TCGETS]"),
        (entry("prctl", "", "deny", decoded={"option": "PR_SET_NAME"}), "prctl: [PR_SET_NAME]"),
        (
            entry("clone", "", "deny", decoded={"flags": "CLONE_NEWUSER|CLONE_NEWNS"}),
            "clone_flags: [CLONE_NEWUSER, CLONE_NEWNS]",
        ),
        (entry("clone", "", "deny", decoded={"flags": "no namespace"}), "syscalls.allow: [clone]"),
        (
            entry("socket", "", "deny", decoded={"domain": "AF_INET", "type": "SOCK_RAW"}),
            "network.domains: [AF_INET] and network.types: [SOCK_RAW]",
        ),
        (entry("mount", "", "deny"), "syscalls.allow: [mount]"),
    ],
)
def test_each_kind_of_denial_has_its_line(record: dict[str, Any], line: str) -> None:
    """The key of the policy, and what would have to stand there."""
    [denial] = suggesting.group([record])
    assert suggesting.suggestion(denial) == line


def test_equal_denials_are_one() -> None:
    """With how often it happened."""
    found = suggesting.group([entry("openat", "read /a"), entry("openat", "read /b"), entry("openat", "read /a")])
    assert [(denial.what, denial.times) for denial in found] == [("openat /a", 2), ("openat /b", 1)]


LAYER: dict[str, Any] = {
    "filesystem": {"read": [["/etc", 0]], "write": [["/data", 1]], "execute": [["/bin", 2]], "hide": []}
}


@pytest.mark.parametrize(
    ("record", "denied"),
    [
        (entry("openat", "/etc/x"), False),
        (entry("openat", "/etcetera"), True),
        (entry("openat", "/data/x"), False),
        (entry("openat", "/bin/x"), False),
        (entry("openat", "/srv"), True),
        (entry("openat", "/dev/null", args=["0x0", "0x0", "0x1"]), False),
        (entry("openat", "/etc/x", args=["0x0", "0x0", "0x1"]), True),
        (entry("mkdir", "/data/x"), False),
        (entry("mkdir", "/etc/x"), True),
        (entry("execve", "/etc/x"), True),
        (entry("execve", "/bin/x"), False),
    ],
)
def test_what_mounts_and_landlock_deny(record: dict[str, Any], denied: bool) -> None:
    """By the same rules."""
    assert suggesting.is_denied_by_kernel({**record, "handler": "record"}, [LAYER]) is denied
    assert not suggesting.is_denied_by_kernel(record, [{"filesystem": None}])


def layer(**parts: Any) -> dict[str, Any]:
    """A layer that withholds only what is given."""
    keys = ("syscalls", "ioctl", "prctl", "clone_flags", "filesystem", "exec", "network", "capabilities")
    limits = {"wall_time_ms": None, "open_files": None}
    rules = [{"text": f"rule {number}", "where": "a.yaml:1"} for number in range(4)]
    return {
        "name": "a",
        "source": "a.yaml",
        "rules": rules,
        "limits": limits,
        "broker": {},
        "audit": "denials",
        **dict.fromkeys(keys),
        **parts,
    }


def test_an_agents_table() -> None:
    """Calls by `syscalls`, paths by the file rules; several layers hold together, with their rules counted through."""
    calls = {
        "default": {"action": "allow", "errno": 1},
        "rules": [{"names": ["mkdir"], "action": "deny", "errno": 13, "args": [], "rule": 1}],
        "rule": 0,
    }
    narrow = {
        "default": {"action": "deny", "errno": 38},
        "rules": [{"names": ["openat"], "action": "allow", "errno": None, "args": [], "rule": 2}],
        "rule": 3,
    }
    files = {"read": [["/etc", 0]], "write": [["/data", 1]], "execute": None, "hide": []}
    table = agent_table(
        [layer(syscalls=calls, filesystem=files), layer(syscalls=narrow)], ["openat", "mkdir", "getpid"]
    )
    assert table["calls"]["openat"]["handler"] == "open"
    assert table["calls"]["mkdir"] == {"handler": "deny", "errno": 13, "rule": 1}
    assert table["calls"]["getpid"] == {"handler": "deny", "errno": 38, "rule": 7}
    assert table["read"] == [[["/etc", 0], ["/data", 1]]]
    assert table["write"] == [[["/data", 1]]]
    head = decode_head(encode_table(table, "x86_64"))
    assert (head["name"], head["mode"], len(head["rules"]), head["handler"]) == ("a", "enforce", 8, None)


def test_an_agents_network() -> None:
    """Peers and names of sockets of every layer."""
    network = {
        "egress": [{"action": "allow", "cidr": "10.0.0.0/8", "ports": [[0, 65535]], "protocols": ["tcp"], "rule": 1}],
        "bind": None,
        "unix": {"connect": [["/run", 2]], "bind": [], "abstract": False},
    }
    table = agent_table(
        [layer(), layer(network=network, broker={"mode": "ask", "handler": "unix:/x", "timeout_ms": 7})], ["connect"]
    )
    assert table["egress"][0][0]["rule"] == 5
    assert table["unix_connect"] == [[["/run", 6]]]
    assert (table["unix_abstract"], table["mode"], table["timeout_ms"]) == (False, "enforce", 7)
    assert decode_head(encode_table({**table, "mode": "ask"}, "x86_64"))["handler"] == "unix:/x"


def test_a_head_that_is_none() -> None:
    """A ValueError, whatever the bytes."""
    for data in (b"", b"PBT1", bytes(200)):
        with pytest.raises(ValueError, match=r"no table|not a table"):
            decode_head(data)
