"""From a denial to the line that would allow it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.broker.agent_policy import agent_table
from runtime.broker.table import decode_head, encode_table
from runtime.commands import advising, suggesting


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


def policy_layer(name: str = "/p/a.yaml", **parts: Any) -> dict[str, Any]:
    """A layer whose rules stand on lines of their own."""
    rules = [
        {"text": f"{key}: x", "where": f"a.yaml:{number + 1}"}
        for number, key in enumerate(
            (
                "filesystem.read",
                "filesystem.write",
                "filesystem.execute",
                "network",
                "syscalls.deny",
                "syscalls.default",
            )
        )
    ]
    return layer(source=name, rules=rules, **parts)


FILES = policy_layer(
    filesystem={"read": [["/usr", 0]], "write": [["/tmp", 1]], "execute": [["/bin", 2]], "hide": [["/tmp/no", 0]]}
)
PEER = {"action": "allow", "cidr": "10.1.0.0/16", "ports": [[80, 80]], "protocols": ["tcp"], "rule": 3}
NETWORK = policy_layer(
    network={
        "domains": [1],
        "types": [1],
        "egress": [PEER],
        "bind": [{"ports": [[81, 81]], "protocols": ["tcp"], "rule": 3}],
        "unix": {"connect": [], "bind": [], "abstract": False},
    }
)
CALLS = policy_layer(
    syscalls={
        "default": {"action": "allow", "errno": 1},
        "rules": [{"names": ["mount"], "action": "deny", "errno": 1, "args": [], "rule": 4}],
        "rule": 5,
    },
    ioctl={"allow": [1], "rule": 0},
    prctl={"allow": [1], "rule": 0},
    clone_flags={"allow": 0, "rule": 0},
)
DEFAULT = policy_layer(
    "agent",
    syscalls={"default": {"action": "deny", "errno": 38}, "rules": [], "rule": 5},
)
TAKE = "an allow elsewhere cannot help: layers only take away"


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (entry("openat", "read /etc/x"), "filesystem.read: [/etc/x] in a.yaml:1"),
        (entry("openat", "write /a/b", args=["0x0", "0x0", "0x41"]), "filesystem.write: [/a] in a.yaml:2"),
        (entry("openat", "write /a/b", args=["0x0", "0x0", "0x1"]), "filesystem.write: [/a/b] in a.yaml:2"),
        (entry("openat", "/x", args=["0x0", "0x0", "0x41"]), advising._WHOLE),
        (entry("mkdir", "/**/x", "record", verdict="continue"), advising._NAMELESS),
        (entry("openat", "read /tmp/no"), "take it out of filesystem.hide of /p/a.yaml"),
        (entry("execve", "/tmp/x", "exec"), "filesystem.execute: [/tmp/x] in a.yaml:3"),
        (
            entry("connect", "connect 10.0.0.1:443", "connect"),
            'network.egress: [{allow: "10.0.0.1", ports: 443}] in a.yaml:4',
        ),
        (
            entry("connect", "connect [2001:db8::1]:53", "connect"),
            'network.egress: [{allow: "2001:db8::1", ports: 53}] in a.yaml:4',
        ),
        (entry("bind", "bind 0.0.0.0:80", "bind"), "network.bind: [80] in a.yaml:4"),
        (entry("connect", "connect unix:/run/x", "connect"), "network.unix.connect: [/run/x] in a.yaml:4"),
        (entry("bind", "bind unix:/run/x", "bind"), "network.unix.bind: [/run/x] in a.yaml:4"),
        (entry("connect", "connect unix:/run/*", "connect"), advising._NAMELESS),
        (entry("connect", "connect unix:@x", "connect"), "network.unix.abstract: true in a.yaml:4"),
        (entry("ioctl", "", "deny", decoded={"request": "TCGETS"}), "ioctl: [TCGETS] in /p/a.yaml"),
        (entry("prctl", "", "deny", decoded={"option": "PR_SET_NAME"}), "prctl: [PR_SET_NAME] in /p/a.yaml"),
        (
            entry("clone", "", "deny", decoded={"flags": "CLONE_NEWUSER|CLONE_NEWNS"}),
            "clone_flags: [CLONE_NEWUSER, CLONE_NEWNS] in /p/a.yaml",
        ),
        (
            entry("socket", "", "deny", decoded={"domain": "AF_INET", "type": "SOCK_STREAM"}, args=["0x2", "0x80001"]),
            "network.domains: [AF_INET] in a.yaml:4",
        ),
        (entry("mount", "mount x /tmp", "mount"), f"take mount out of a.yaml:5: syscalls.deny: x; {TAKE}"),
    ],
)
def test_each_kind_of_denial_has_its_line(record: dict[str, Any], line: str) -> None:
    """The key, the layer that withholds with its line, and never a rule that opens everything."""
    [denial] = suggesting.group([record])
    found = advising.advice(denial, [layer(), FILES, NETWORK, CALLS])
    assert line in found
    assert not any("[/]" in text or "**" in text for text in found)


def test_every_layer_that_withholds_is_named() -> None:
    """One that comes with postern is changed in a copy; what no layer lists is said to go round the others."""
    [denial] = suggesting.group([entry("mount", "", "deny")])
    assert advising.advice(denial, [CALLS, DEFAULT]) == [
        f"take mount out of a.yaml:5: syscalls.deny: x; {TAKE}",
        f"syscalls.allow: [mount] in a.yaml:6 (built in: in a copy of it), whose default denies it; {TAKE}",
    ]
    assert advising.advice(denial, [layer()]) == ["no single line: it would go round other rules of the policy"]


@pytest.mark.parametrize(
    ("record", "denied"),
    [
        (entry("mkdir", "/", existed=True), False),
        (entry("mkdir", "/srv/x", existed=False), True),
        (entry("openat", "/srv/x", existed=False), False),
        (entry("openat", "/srv/x", existed=True), True),
        (entry("openat", "/srv/x", existed=False, args=["0x0", "0x0", "0x41"]), True),
        (entry("openat", "/srv/x", existed=False, args=["0x0", "0x0", "0x1"]), False),
        (entry("execve", "/tmp/x", existed=True), True),
        (entry("execve", "/bin/x", existed=True), False),
        (entry("openat", "/proc/self/status", existed=True), True),
        (entry("renameat2", "/tmp/a\n/srv/b", existed=True), True),
        (entry("openat", "write /srv", "open", verdict="fail", errno="EROFS", args=["0x0", "0x0", "0x41"]), True),
        (entry("openat", "read /srv", "open", verdict="fail", errno="ENOENT"), False),
        (entry("connect", "10.1.2.3:80"), False),
        (entry("connect", "10.1.2.3:81"), True),
        (entry("connect", "192.0.2.2:80"), True),
        (entry("connect", "127.0.0.1:99"), False),
        (entry("connect", "unix:/run/x"), False),
        (entry("bind", "0.0.0.0:81"), False),
        (entry("bind", "0.0.0.0:82"), True),
        (entry("bind", "0.0.0.0:0"), False),
    ],
)
def test_only_what_a_rule_withholds_is_denied(record: dict[str, Any], denied: bool) -> None:
    """What fails for another reason is not; what the network's programs refuse is."""
    seen = {
        "handler": "record",
        "verdict": "continue",
        **{key: value for key, value in record.items() if key not in ("handler", "verdict")},
    }
    judged = record if record["verdict"] == "fail" else seen
    assert suggesting.is_denied_by_kernel(judged, [FILES, NETWORK]) is denied


def test_symlinks_are_followed_first() -> None:
    """A rule for where a link leads covers the link."""
    record = entry("openat", "/lib/x", "record", verdict="continue", existed=True)
    assert suggesting.is_denied_by_kernel(record, [FILES])
    assert not suggesting.is_denied_by_kernel(record, [FILES], lambda path: "/usr" + path)


def test_what_cannot_be_seen_is_said() -> None:
    """As far as the policy has it."""
    assert "capability" in advising.unseen([layer()])
    assert "libraries" in advising.unseen([FILES])
    assert "loopback" in advising.unseen([NETWORK])


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
    assert suggesting.is_denied_by_kernel({**record, "handler": "record", "verdict": "continue"}, [LAYER]) is denied
    assert not suggesting.is_denied_by_kernel(record, [{"filesystem": None}])


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
