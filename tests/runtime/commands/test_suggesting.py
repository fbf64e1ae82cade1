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
            "network.domains: [AF_UNIX, AF_INET] in a.yaml:4",
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


WILD = policy_layer(
    filesystem={
        "read": [["/bin", 0], ["/w/**/*.py", 0]],
        "write": [["/tmp", 1]],
        "execute": None,
        "hide": [["/w/*.no", 0]],
    }
)
NO_LINE = "no single line: it would go round other rules of the policy"
READ = "filesystem.read: [{}] in a.yaml:1"
CREATING = ["0x0", "0x0", "0x241"]


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (entry("openat", "read /w/b.txt"), [READ.format("/w/b.txt")]),
        (entry("openat", "read /w/a b.txt"), [READ.format("/w/a b.txt")]),
        (entry("openat", "read /w/x.py/of"), [NO_LINE]),
        (entry("openat", "read /w/deep/x.py"), [NO_LINE]),
        (entry("openat", "openat /w/x.no flags 0x0"), ["take it out of filesystem.hide of /p/a.yaml"]),
        (entry("openat", "openat /proc flags 0x90800"), [advising._OF_KIND]),
        (entry("openat", "read /dev/null", args=CREATING), [READ.format("/dev/null")]),
        (entry("openat", "write /dev/null", args=CREATING, verdict="would-deny"), [READ.format("/dev/null")]),
        (entry("openat", "write /dev/shm/x", args=CREATING), ["filesystem.write: [/dev/shm] in a.yaml:2"]),
        (entry("openat", "read /w/pipe", args=["0x0", "0x0", "0x1"]), [READ.format("/w/pipe")]),
    ],
)
def test_what_the_broker_denied_under_wildcards(record: dict[str, Any], lines: list[str]) -> None:
    """The line that is missing, by what the broker asked for, which of a device or pipe is reading."""
    [denial] = suggesting.group([record])
    assert advising.advice(denial, [WILD]) == lines


def test_an_open_for_both_is_held_back_by_either() -> None:
    """What may be written may be read, but without rules for writing the one for reading decides."""
    [denial] = suggesting.group([entry("openat", "read and write /w/b", args=["0x0", "0x0", "0x2"])])
    reading = policy_layer(filesystem={"read": [["/bin", 0]], "write": None, "execute": None, "hide": []})
    assert advising.advice(denial, [WILD, reading]) == ["filesystem.write: [/w/b] in a.yaml:2", READ.format("/w/b")]


def test_wildcards_are_the_brokers() -> None:
    """What the kernel was given is not taken for denied by a rule that the broker has judged."""
    seen = entry("openat", "/w/b.txt", "record", verdict="continue", existed=True)
    assert not suggesting.is_denied_by_kernel(seen, [WILD])


def test_a_raw_socket_has_no_line() -> None:
    """No advice that `policy check` refuses, whatever other layers lack."""
    [denial] = suggesting.group([entry("socket", "", "deny", args=["0x2", "0x80003"])])
    assert advising.advice(denial, [policy_layer(network={"domains": [1, 2], "types": [1]}), NETWORK]) == [
        advising._OF_RAW
    ]
    packets = policy_layer(network={"domains": [1, 2], "types": [1, 3]})
    [denial] = suggesting.group([entry("socket", "", "deny", args=["0x10", "0x3"])])
    assert advising.advice(denial, [policy_layer(network={"domains": [1], "types": [1]})]) == [
        "network.domains: [AF_UNIX, AF_NETLINK] in a.yaml:4",
        "network.types: [SOCK_STREAM, SOCK_RAW] in a.yaml:4",
    ]
    assert advising.advice(denial, [packets]) == [advising._OF_RAW]


def test_a_time_limit_is_named() -> None:
    """The smallest with its line, and no system call."""
    record = {"syscall": "", "target": "the container", "rule": "limits.wall_time: 1500 ms", "verdict": "kill"}
    [denial] = suggesting.group([record])
    short, long = (
        policy_layer(limits={"wall_time_ms": limit}, places={"limits.wall_time": f"{limit}.yaml:3"})
        for limit in (1500, 9000)
    )
    assert (denial.what, denial.how) == ("the container", "killed")
    assert advising.advice(denial, [DEFAULT, short, long]) == ["limits.wall_time: longer than 1.5s in 1500.yaml:3"]


def test_audit_denies_nothing() -> None:
    """Neither the broker nor the kernel; and a device is no file that a rule for writing would hold back."""
    seen = entry("openat", "openat /proc flags 0x0", verdict="continue", mode="audit")
    assert suggesting.group([seen])[0].how == "would be denied"
    made = entry("mkdir", "/srv/new thing", handler="change", verdict="would-deny", mode="audit", errno="EROFS")
    [denial] = suggesting.group([made])
    assert (denial.what, denial.how) == ("mkdir /srv/new thing", "would be denied")
    writing = policy_layer(filesystem={"read": None, "write": [["/srv/new thing", 1]], "execute": None, "hide": []})
    [line] = advising.advice(denial, [writing])
    assert line.startswith("filesystem.write: [/srv] in ")


def test_a_link_to_a_device_is_one() -> None:
    """It may be written to where files may not be, whatever the image calls it."""
    writing = policy_layer(filesystem={"read": None, "write": [["/tmp", 1]], "execute": None, "hide": []})
    log = entry("openat", "/var/log/access", "record", verdict="continue", existed=True, args=CREATING)
    assert suggesting.is_denied_by_kernel(log, [writing])
    for device in ("/dev/stdout", "/proc/self/fd/1"):
        assert not suggesting.is_denied_by_kernel(log, [writing], {"/var/log/access": device}.__getitem__)


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
    audited = {**FILES, "broker": {"mode": "audit"}}
    assert "under audit, programs" in advising.unseen([audited])
    assert "under audit" not in advising.unseen([audited, {**FILES, "broker": {"mode": "enforce"}}])


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
