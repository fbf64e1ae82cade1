"""System calls, requests, options, flags and socket arguments as sections: judged by what the compiled program answers."""

import pytest

from runtime.abi.namespaces import CLONE_NEWNS, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS
from tests.runtime.policy.layering import (
    ALLOW,
    EACCES,
    EAFNOSUPPORT,
    ENOSYS,
    EPERM,
    EPROTONOSUPPORT,
    KILL,
    LAUNCH,
    LOG,
    NOTIFY,
    files,
    layer,
    lowered,
    network,
    syscalls,
    verdict,
)

HIGH = 1 << 32  # a bit that the kernel does not read
I386, X32_BIT = 0x40000003, 0x40000000
CLOEXEC, NONBLOCK = 0o2000000, 0o4000


def when(index: int, op: str, value: int, value_two: int = 0) -> dict[str, object]:
    """A condition."""
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "value_two": value_two}


def test_a_default_and_what_is_named() -> None:
    """Denied by default with the section's errno; what the profile does not name and is newer: no such call."""
    found = lowered(syscalls("deny", LAUNCH, {"names": ["getpid"], "action": "allow"}, errno=EACCES))
    assert verdict(found, "getpid") == ALLOW
    assert verdict(found, "getppid") == EACCES
    assert verdict(found, "io_uring_setup") in (EACCES, ENOSYS)


def test_the_strictest_rule_that_holds_wins() -> None:
    """Whatever the order in which they stand, conditional or not."""
    rules = [
        {"names": ["personality"], "action": action, "args": [when(0, "GE", least)]}
        for least, action in ((5, "kill"), (1, "allow"), (4, "deny"), (2, "log"), (3, "broker"))
    ]
    for order in (rules, rules[::-1]):
        found = lowered(syscalls("deny", LAUNCH, *order, errno=22))
        assert [verdict(found, "personality", value) for value in range(6)] == [22, ALLOW, LOG, NOTIFY, 22, KILL]


def test_an_unconditional_rule_is_not_above_a_conditional_one() -> None:
    """As it would be in one section."""
    found = lowered(
        syscalls(
            "allow",
            {"names": ["socket"], "action": "allow"},
            {"names": ["socket"], "action": "deny", "errno": 97, "args": [when(0, "EQ", 40)]},
        )
    )
    assert verdict(found, "socket", 40) == 97
    assert verdict(found, "socket", 1) == ALLOW


def test_every_rule_has_its_errno() -> None:
    """Also where several hold for one call under other conditions."""
    found = lowered(
        syscalls(
            "allow",
            {"names": ["kcmp"], "action": "deny", "errno": 5, "args": [when(0, "EQ", 1)]},
            {"names": ["kcmp"], "action": "deny", "errno": 6, "args": [when(0, "EQ", 2)]},
        )
    )
    assert [verdict(found, "kcmp", value) for value in range(3)] == [ALLOW, 5, 6]


def test_conditions_on_one_argument_hold_together() -> None:
    """An OCI runtime would take them as alternatives."""
    both = [when(0, "MASKED_EQ", 4, 4), when(0, "NE", 0xFFFFFFFF)]
    found = lowered(syscalls("allow", {"names": ["personality"], "action": "deny", "args": both}))
    assert [verdict(found, "personality", value) for value in (0, 4, 0xFFFFFFFF)] == [ALLOW, EPERM, ALLOW]


@pytest.mark.parametrize(("name", "index"), [("ioctl", 1), ("prctl", 0)])
def test_allowed_requests_and_options(name: str, index: int) -> None:
    """32 bits are compared: what stands above them in the register neither helps nor hurts."""
    part = {"allow": [0x5401, 7], "rule": 0}
    found = lowered(layer(**{name: part}))

    def ask(value: int) -> int:
        arguments = [0, 0]
        arguments[index] = value
        return verdict(found, name, *arguments)

    assert [ask(0x5401), ask(7), ask(7 | HIGH)] == [ALLOW] * 3
    assert [ask(8), ask(8 | HIGH), ask(0)] == [EPERM] * 3
    assert verdict(found, "read") == ALLOW


def test_no_request_at_all() -> None:
    """An empty list denies all."""
    assert verdict(lowered(layer(ioctl={"allow": [], "rule": 0})), "ioctl", 0, 0x5401) == EPERM


def test_namespaces_that_may_be_made() -> None:
    """By clone and unshare, and joined by setns; clone3 hides its flags and is not there."""
    found = lowered(layer(clone_flags={"allow": CLONE_NEWUSER | CLONE_NEWUTS, "rule": 0}))
    for name, index in (("clone", 0), ("unshare", 0), ("setns", 1)):
        before = [0] * index
        assert verdict(found, name, *before, CLONE_NEWUSER) == ALLOW
        assert verdict(found, name, *before, CLONE_NEWUSER | CLONE_NEWUTS | 0x11) == ALLOW
        assert verdict(found, name, *before, CLONE_NEWUSER | CLONE_NEWNS) == EPERM
    assert verdict(found, "setns", 0, 0) == EPERM  # of whatever type
    assert verdict(found, "setns", 0, HIGH) == EPERM
    assert verdict(found, "unshare", CLONE_NEWTIME) == EPERM
    assert verdict(found, "clone", 0x80) == ALLOW  # a signal's number there
    assert verdict(found, "clone3") == ENOSYS


def test_flags_of_clone_on_s390() -> None:
    """The second argument there."""
    found = lowered(layer(clone_flags={"allow": 0, "rule": 0}), machine="s390x")
    assert verdict(found, "clone", 0, CLONE_NEWNS, machine="s390x") == EPERM
    assert verdict(found, "clone", CLONE_NEWNS, 0, machine="s390x") == ALLOW


def test_sockets() -> None:
    """Domain, type without its flags, protocol; each with the kernel's own error."""
    found = lowered(network(domains=[1, 2], types=[1, 2], protocols=[6]))
    assert verdict(found, "socket", 1, 1, 0) == ALLOW
    assert verdict(found, "socket", 1, 1 | CLOEXEC | NONBLOCK, 0) == ALLOW
    assert verdict(found, "socketpair", 1, 1, 0) == ALLOW
    assert verdict(found, "socket", 2, 1, 6) == verdict(found, "socket", 2, 1, 0) == ALLOW
    assert verdict(found, "socket", 2, 2, 0) == EPROTONOSUPPORT  # a datagram socket's own protocol is UDP
    assert verdict(found, "socket", 2, 1, 262) == EPROTONOSUPPORT
    assert verdict(found, "socket", 40, 1, 0) == EAFNOSUPPORT
    assert verdict(found, "socket", 40 | HIGH, 1, 0) == EAFNOSUPPORT
    assert verdict(found, "socket", 1, 5, 0) == 94
    assert verdict(found, "socketcall", machine="s390x") == ENOSYS


def test_judged_sockets_are_those_that_the_judges_see() -> None:
    """Where peers are judged: nothing of the internet but TCP and UDP, nothing else that reaches a network."""
    found = lowered(network(egress=[]))
    assert (
        verdict(found, "socket", 2, 1, 6)
        == verdict(found, "socket", 10, 2, 17)
        == verdict(found, "socket", 1, 5, 0)
        == ALLOW
    )
    assert verdict(found, "socket", 2, 3, 1) != ALLOW
    assert verdict(found, "socket", 17, 3, 0) == EAFNOSUPPORT


def test_other_entry_points_are_closed() -> None:
    """Under any policy: i386's interrupt and x32's numbers."""
    found = lowered(layer())
    assert verdict(found, "read") == ALLOW
    assert verdict(found, "read", audit=I386) == 0


@pytest.mark.parametrize(
    "restricting",
    [syscalls("allow"), layer(ioctl={"allow": [1], "rule": 0}), network(domains=[1]), files(write=["/w"])],
)
def test_no_ring_goes_around(restricting: dict[str, object]) -> None:
    """io_uring makes calls that no filter sees."""
    if restricting.get("syscalls"):
        restricting = syscalls("allow", {"names": ["kcmp"], "action": "deny"})
    assert verdict(lowered(restricting), "io_uring_setup") == ENOSYS


@pytest.mark.parametrize(
    "limiting",
    [
        network(egress=[]),
        network(bind=[]),
        layer(resources={"pids": {"limit": 9}}),
        layer(limits={"wall_time_ms": 5, "open_files": None}),
    ],
)
def test_no_child_is_born_outside(limiting: dict[str, object]) -> None:
    """Where something holds for the cgroup: CLONE_INTO_CGROUP takes a cgroup that is only mounted to be read."""
    assert verdict(lowered(limiting), "clone3") == ENOSYS
    assert verdict(lowered(network(domains=[1])), "clone3") == ALLOW


def test_mounts_stay() -> None:
    """Rules for files stand on them; handles, and what the kernel opens for its own use, are files that no rule was asked about."""
    found = lowered(files(write=["/w"]))
    for name in (
        "mount",
        "umount2",
        "move_mount",
        "open_tree",
        "mount_setattr",
        "fsmount",
        "pivot_root",
        "open_by_handle_at",
        "fanotify_init",
        "acct",
        "swapon",
    ):
        assert verdict(found, name) == EPERM
    assert verdict(found, "setns", 3, CLONE_NEWNS) == verdict(found, "setns", 3, 0) == EPERM
    assert verdict(found, "setns", 3, CLONE_NEWUTS) == ALLOW
    assert verdict(lowered(layer(ioctl={"allow": [1], "rule": 0})), "mount") == ALLOW


def test_memory_files_cannot_be_executed() -> None:
    """Where executing is limited, they must say so when they are made; the kernel's own answer otherwise."""
    found = lowered(files(execute=["/usr"]))
    assert verdict(found, "memfd_create", 0, 8) == verdict(found, "memfd_create", 0, 8 | 1) == ALLOW
    assert verdict(found, "memfd_create", 0, 0) == verdict(found, "memfd_create", 0, 16) == EACCES
    assert verdict(lowered(files(write=["/w"])), "memfd_create", 0, 0) == ALLOW
    assert verdict(lowered(layer(exec=[["/usr/bin/true", 0]])), "memfd_create", 0, 0) == EACCES


def test_names_that_rules_look_at_stay() -> None:
    """Where a pattern decides on names, nobody renames anything."""
    found = lowered(files(write=["/w/*.log"]))
    for name in ("rename", "renameat2", "link", "unlinkat", "symlink", "mkdir", "fchmod", "setxattr", "truncate"):
        assert verdict(found, name) == EPERM
    assert verdict(found, "ioctl", 3, 0x40086602) == EPERM
    assert verdict(found, "ioctl", 3, 0x5401) == ALLOW
    assert verdict(lowered(files(write=["/w"])), "rename") == ALLOW
    hidden = lowered(files(hide=["/w/*.key"]))
    assert verdict(hidden, "rename") == verdict(hidden, "linkat") == EPERM
    assert verdict(hidden, "unlink") == verdict(hidden, "utimensat") == ALLOW
