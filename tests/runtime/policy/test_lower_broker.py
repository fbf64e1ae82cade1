"""What is trapped and by which table it is answered; audit and ask, where denials go to the broker."""

from typing import Any

import pytest

from runtime.broker.table import encode_table
from runtime.policy.built_in import load_builtin
from tests.runtime.plan.drafting import EVERY_CAPABILITY
from tests.runtime.policy.layering import (
    ALLOW,
    EACCES,
    ENOSYS,
    EPERM,
    KILL,
    LAUNCH,
    NOTIFY,
    files,
    layer,
    lowered,
    mode,
    network,
    refusal,
    syscalls,
    verdict,
)

O_WRONLY, O_RDWR, O_CREAT, O_TRUNC = 1, 2, 0o100, 0o1000
BROKER = {"mode": "enforce", "timeout_ms": 100, "max_inflight": 3, "on_failure": "deny", "handler": None}


def broker_of(found: Any) -> dict[str, Any]:
    """The dict, which must be there and must be one that can be encoded."""
    assert found.broker is not None
    assert encode_table(found.broker, "x86_64")
    made: dict[str, Any] = found.broker
    return made


def test_no_broker_for_what_the_kernel_does() -> None:
    """Most policies need none."""
    assert lowered(files(write=["/w"], execute=["/usr"]), network(domains=[1])).broker is None


def test_calls_that_are_listed() -> None:
    """Each has its handler; what has none of its own is noted and let through."""
    names = ["openat", "connect", "sendmsg", "execve", "mknodat", "mount", "getpid"]
    found = lowered(layer(), syscalls("allow", {"names": names, "action": "broker", "errno": 2}))
    made = broker_of(found)
    assert [made["calls"][name]["handler"] for name in names] == [
        "open",
        "connect",
        "send",
        "exec",
        "mknod",
        "mount",
        "continue",
    ]
    assert made["calls"]["openat"]["errno"] == 2
    assert made["rules"][made["calls"]["openat"]["rule"]] == "p.yaml:1: rule 0"
    assert {verdict(found, name) for name in names} == {NOTIFY}


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ({"euid": 1000, "capabilities": 0}, "takes root, at least in a user namespace"),
        ({"capabilities": EVERY_CAPABILITY & ~(1 << 19)}, "takes root with CAP_SYS_PTRACE, at least"),
        ({"initial_userns": False, "may_set_groups": False}, "takes setgroups(2), which this user namespace denies"),
    ],
)
def test_acting_as_a_caller_takes_rights(host: dict[str, Any], why: str) -> None:
    """Deciding, or noting in audit, takes none; root of a user namespace that maps ranges of ids has them."""
    opening = files(hide=["/w/**/.env"])
    (said,) = refusal(opening, **host)
    assert said.startswith("/p.yaml: broker: carrying calls out as their callers ")
    assert why in said
    assert refusal({**opening, "broker": {**BROKER, "mode": "audit"}}, **host) == []
    assert refusal(syscalls("allow", {"names": ["getpid"], "action": "broker", "errno": 2}), **host) == []
    assert refusal(opening, initial_userns=False) == []


def test_denied_is_stricter_than_brokered() -> None:
    """What another layer denies does not get to the broker."""
    found = lowered(
        syscalls("allow", {"names": ["getpid"], "action": "broker"}),
        syscalls("allow", {"names": ["getpid"], "action": "deny"}),
    )
    assert verdict(found, "getpid") == EPERM


def test_opens_for_reading_do_not_leave_the_kernel_without_a_reason() -> None:
    """Patterns for writing concern only opens that write, of which registers tell."""
    found = lowered(files(write=["/w/*.log"]))
    assert verdict(found, "openat", 0, 0, 0) == verdict(found, "open", 0, 0) == ALLOW
    for flags in (O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_CREAT | O_RDWR):
        assert verdict(found, "openat", 0, 0, flags) == verdict(found, "open", 0, flags) == NOTIFY
    assert verdict(found, "openat2") == verdict(found, "creat") == NOTIFY


def test_opens_that_open_nothing() -> None:
    """O_PATH gives no more than a directory to stand in."""
    found = lowered(files(hide=["/w/*.key"]))
    assert [verdict(found, "openat", 0, 0, flags) for flags in (0, 0o10000000, 0o2000000)] == [NOTIFY, ALLOW, NOTIFY]
    assert [verdict(found, "open", 0, flags) for flags in (0, 0o10000000)] == [NOTIFY, ALLOW]


def test_unix_sockets() -> None:
    """connect, bind, and whatever sends to an address; a plain send has none."""
    unix = {"connect": [["/run/*.sock", 1]], "bind": [["/tmp", 2]], "abstract": False}
    found = lowered(network(domains=[1], unix=unix))
    made = broker_of(found)
    assert (made["unix_connect"], made["unix_bind"]) == ([[["/run/*.sock", 1]]], [[["/tmp", 2]]])
    assert made["unix_abstract"] is False
    assert verdict(found, "connect") == verdict(found, "sendmsg") == NOTIFY
    assert [verdict(found, "sendto", 3, 0, 0, 0, address) for address in (0, 1, 1 << 40)] == [ALLOW, NOTIFY, NOTIFY]
    assert lowered(network(domains=[2], types=[1], unix=unix)).broker is None


def test_the_strictest_manner_of_all_layers() -> None:
    """Times and numbers, what to do on failure, what is noted."""
    one = syscalls("allow", {"names": ["getpid"], "action": "broker"}) | {"broker": BROKER, "audit": "none"}
    other = layer(
        audit="all",
        broker={**BROKER, "timeout_ms": 200, "max_inflight": 2, "on_failure": "kill", "mode": "audit"},
        name="q",
    )
    made = broker_of(lowered(one, other))
    assert {name: made[name] for name in ("mode", "timeout_ms", "max_inflight", "on_failure", "audit", "name")} == {
        "mode": "enforce",
        "timeout_ms": 100,
        "max_inflight": 2,
        "on_failure": "kill",
        "audit": "all",
        "name": "p+q",
    }


def test_a_time_limit_alone() -> None:
    """Something has to be trapped for the broker to hear of the container: a call that nobody makes."""
    found = lowered(
        layer(limits={"wall_time_ms": 500, "open_files": None}), layer(limits={"wall_time_ms": 900, "open_files": None})
    )
    assert broker_of(found)["wall_time_ms"] == 500
    assert list(broker_of(found)["calls"]) == ["remap_file_pages"]
    assert verdict(found, "remap_file_pages") == NOTIFY
    assert verdict(found, "read") == ALLOW


@pytest.mark.parametrize("action", ["deny", "kill"])
def test_a_time_limit_where_that_call_is_denied_by_name(action: str) -> None:
    """As by @obsolete, which every built-in policy denies: the broker denies it instead, and the rest of the rule stays."""
    denying = syscalls("allow", {"names": ["remap_file_pages", "sysfs"], "action": action})
    alone = syscalls("allow", {"names": ["remap_file_pages"], "action": action})
    found = lowered(denying, alone, layer(limits={"wall_time_ms": 500, "open_files": None}))
    assert verdict(found, "remap_file_pages") == NOTIFY
    assert verdict(found, "sysfs") not in (ALLOW, NOTIFY)
    assert broker_of(found)["calls"]["remap_file_pages"]["handler"] == "deny"


@pytest.mark.parametrize("name", ["agent", "batch-job", "ci-runner", "development", "hostile-tenant", "web-server"])
def test_a_time_limit_under_a_built_in_policy(name: str) -> None:
    """A floor may bring one to any of them."""
    policy = load_builtin(name)
    assert policy is not None
    found = lowered(*policy.layers, layer(limits={"wall_time_ms": 500, "open_files": None}))
    assert verdict(found, "remap_file_pages") == NOTIFY


def test_a_time_limit_where_calls_are_denied_by_default() -> None:
    """The call is let through to the broker, which denies it."""
    allowed = {"names": ["read", "write", "close", "openat", "close_range", "execve", "exit_group"], "action": "allow"}
    limits = {"wall_time_ms": 500, "open_files": None}
    found = lowered(syscalls("deny", allowed) | {"limits": limits})
    assert verdict(found, "remap_file_pages") == NOTIFY
    assert broker_of(found)["calls"]["remap_file_pages"]["handler"] == "deny"


def test_an_old_kernel() -> None:
    """Answers that come with a descriptor are as old as Linux 5.14."""
    (line,) = refusal(
        files(hide=["/w/*.key"]) | {"filesystem": None} | syscalls("allow", {"names": ["getpid"], "action": "broker"}),
        kernel=(5, 13),
    )
    assert "needs seccomp notifications as of Linux 5.14" in line


DENYING = {"names": ["kcmp"], "action": "deny", "errno": 7}


@pytest.mark.parametrize("name", ["audit", "ask"])
def test_denials_go_to_the_broker(name: str) -> None:
    """By name and by default; write(2) never, and the entry points of other architectures stay closed."""
    found = lowered(syscalls("deny", LAUNCH, DENYING, errno=2) | mode(name))
    made = broker_of(found)
    assert made["calls"]["kcmp"] == {"handler": "deny", "errno": 7, "rule": 1}
    assert made["default"] == {"handler": "deny", "errno": 2, "rule": 29}
    assert verdict(found, "kcmp") == verdict(found, "getpid") == verdict(found, "mseal") == NOTIFY
    assert verdict(found, "write") == verdict(found, "execve") == ALLOW
    assert verdict(found, "read", audit=0x40000003) == 0
    assert verdict(found, "io_uring_setup") == ENOSYS


def test_whose_default_it_is() -> None:
    """What one layer allows and the other does not name is denied by the other's default, with its errno."""
    one = syscalls("deny", LAUNCH, {"names": ["getpid"], "action": "allow"}, errno=38) | mode("ask")
    other = syscalls("deny", LAUNCH, {"names": ["getppid"], "action": "allow"}, errno=2) | mode("ask")
    made = broker_of(lowered(one, other))
    assert made["calls"]["getpid"] == {"handler": "deny", "errno": 2, "rule": 59}
    assert made["calls"]["getppid"] == {"handler": "deny", "errno": 38, "rule": 29}
    assert made["default"] == {"handler": "deny", "errno": 38, "rule": 29}


def test_audit_enforces_nothing() -> None:
    """No mount, no ruleset, no limit, no program; kills are notes as well."""
    one = syscalls("allow", {"names": ["kcmp"], "action": "kill"}) | mode("audit")
    one["filesystem"] = files(write=["/w"], read=["/etc"], hide=["/x"])["filesystem"]
    one["capabilities"] = {"allow": [], "rule": 9}
    one["resources"] = {"pids": {"limit": 5}}
    one["limits"] = {"wall_time_ms": None, "open_files": 5}
    found = lowered(one, network(egress=[]) | mode("audit"))
    assert (found.points, found.landlock, found.network, found.bound) == ((), None, None, (None, None))
    assert found.config["linux"].keys() == {"namespaces"}
    assert found.config["process"].get("rlimits") is None
    assert verdict(found, "kcmp") == verdict(found, "openat") == verdict(found, "connect") == NOTIFY
    made = broker_of(found)
    assert made["read"] == [[["/etc", 1], ["/w", 0]]]
    assert made["egress"] == [[]]


def test_audit_notes_what_mounts_would_deny() -> None:
    """Calls that change files by name, where something says what may be written, even if that is nothing."""
    found = lowered(files(write=[]) | mode("audit"))
    made = broker_of(found)
    assert made["write"] == [[]]
    assert {verdict(found, name) for name in ("mkdir", "renameat2", "fchmod", "setxattr")} == {NOTIFY}
    assert {made["calls"][name]["handler"] for name in ("mkdir", "renameat2", "fchmod", "setxattr")} == {"change"}
    assert "mkdir" not in broker_of(lowered(files(read=["/etc"]) | mode("audit")))["calls"]
    assert lowered(files(write=[])).broker is None


def test_audit_notes_what_the_filter_would_deny_of_files() -> None:
    """What comes with rules for files: mounting, files in memory, and names where something goes by names."""
    calls = broker_of(lowered(files(execute=["/usr"]) | mode("audit")))["calls"]
    assert {calls[name]["handler"] for name in ("mount", "memfd_create", "setns")} == {"deny"}
    assert broker_of(lowered(files(write=["/w/*.log"]) | mode("audit")))["calls"]["mkdir"]["handler"] == "deny"
    calls = broker_of(lowered(files(hide=["/w/*.key"], write=["/w"]) | mode("audit")))["calls"]
    assert (calls["rename"]["handler"], calls["mkdir"]["handler"]) == ("deny", "change")


def test_audit_notes_the_filter_first() -> None:
    """A call that it denies whatever it names is not looked at further."""
    one = syscalls("deny", LAUNCH, errno=2) | {"filesystem": files(write=["/w"], read=["/etc"])["filesystem"]}
    found = lowered(one | mode("audit"))
    made = broker_of(found)
    assert made["calls"]["openat"]["handler"] == "open"
    assert "mkdir" not in made["calls"]
    assert "openat2" not in made["calls"]
    assert made["default"] == {"handler": "deny", "errno": 2, "rule": 29}
    assert verdict(found, "mkdir") == verdict(found, "openat2") == NOTIFY


@pytest.mark.parametrize(
    ("lists", "landlock", "by_kernel"),
    [
        ({"write": ["/w"]}, 0, True),
        ({"read": ["/etc"]}, 7, True),
        ({"read": ["/etc"]}, 0, False),
        ({"read": ["/etc/*"]}, 7, False),
        ({"hide": ["/etc/*.key"]}, 7, False),
        ({"write": ["/w/*"]}, 7, False),
    ],
)
def test_audit_knows_who_would_judge(lists: dict[str, list[str]], landlock: int, by_kernel: bool) -> None:
    """Mounts and Landlock let devices be written to; the broker asks for reading them."""
    assert broker_of(lowered(files(**lists) | mode("audit"), landlock=landlock))["by_kernel"] is by_kernel


def test_ask_keeps_what_nobody_can_be_asked_about() -> None:
    """Mounts and incoming packets; opens and peers are asked."""
    one = files(write=["/w"], read=["/etc"]) | mode("ask")
    found = lowered(one, network(domains=[1, 2], egress=[], ingress=[]) | mode("ask"))
    assert found.points
    assert found.landlock is None
    assert found.network is not None
    assert {hook for _, _, hook, _, _ in found.network[1]}
    assert broker_of(found)["egress"] == [[]]
    assert verdict(found, "connect") == verdict(found, "openat") == NOTIFY


def test_a_layer_that_enforces_does_so_for_all() -> None:
    """Another's audit takes nothing from it."""
    found = lowered(syscalls("allow", DENYING) | mode("audit"), layer())
    assert verdict(found, "kcmp") == 7
    assert found.broker is None


def test_observed_denials() -> None:
    """They are answered by the broker with the same errno, so that they are heard of; files are noted on their way."""
    found = lowered(
        syscalls("deny", LAUNCH, DENYING, {"names": ["getpid"], "action": "kill"}, errno=2),
        files(write=["/w"]),
        observe=True,
    )
    made = broker_of(found)
    assert made["mode"] == "enforce"
    assert made["calls"]["kcmp"]["errno"] == 7
    assert made["default"]["errno"] == 2
    assert made["calls"]["openat"]["handler"] == "record"
    assert made["calls"]["rename"] == {"handler": "deny", "errno": 2, "rule": 29}
    assert verdict(found, "openat") == verdict(found, "rename") == NOTIFY
    assert verdict(found, "getpid") == KILL
    assert found.points


def test_a_call_with_several_errnos_keeps_them() -> None:
    """The table has one for each call: the rest is left to the filter."""
    rules = [
        {
            "names": ["kcmp"],
            "action": "deny",
            "errno": errno,
            "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": errno, "value_two": 0}],
        }
        for errno in (5, 6)
    ]
    found = lowered(syscalls("allow", *rules), observe=True)
    assert [verdict(found, "kcmp", value) for value in (5, 6, 7)] == [5, 6, ALLOW]
    assert EACCES == 13
