"""linux.seccomp: verdicts as the kernel gives them, flags, architectures, notification to an agent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.seccomp_agent import SeccompAgent, answer, next_call

pytestmark = [
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the probe is given x86_64's numbers"),
    differs("crun", reason="crun caches filters by a key that leaves out some of what these tests vary", strict=False),
]
MKDIR, PERSONALITY, GETPID, SOCKET, DUP, OPEN_TREE_ATTR, FUTURE = 83, 135, 39, 41, 32, 467, 500
WAIT_KILLABLE = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
LATE_FLAG = differs(
    "runc", reason="a runc that was built with an older libseccomp does not know this flag", strict=False
)
EPERM, EBADF, ENOSYS, SIGSYS, EAFNOSUPPORT = 1, 9, 38, -31, 97


def profile(*rules: dict[str, Any], default: str = "SCMP_ACT_ALLOW", **more: Any) -> dict[str, Any]:
    """A seccomp section."""
    return {"defaultAction": default, "syscalls": list(rules), **more}


def rule(action: str, *names: str, **more: Any) -> dict[str, Any]:
    """One rule."""
    return {"names": list(names), "action": f"SCMP_ACT_{action}", **more}


def arg(index: int, value: int, op: str, value_two: int = 0) -> dict[str, Any]:
    """One argument condition."""
    return {"index": index, "value": value, "valueTwo": value_two, "op": f"SCMP_CMP_{op}"}


def verdicts(container: Container, section: dict[str, Any], *calls: str) -> list[int]:
    """Install the section and try the calls."""
    container.bundle.linux["seccomp"] = section
    answers = container.answers("calls", *calls)
    return [answers[call] for call in calls]


@pytest.mark.parametrize("nnp", [True, False])
@pytest.mark.parametrize(
    ("action", "more", "want"),
    [
        ("ERRNO", {}, EPERM), ("ERRNO", {"errnoRet": 77}, 77), ("ERRNO", {"errnoRet": 0}, 0), ("KILL_PROCESS", {}, SIGSYS),
        ("KILL_THREAD", {}, SIGSYS), ("KILL", {}, SIGSYS), ("TRAP", {}, SIGSYS), ("LOG", {}, EBADF), ("ALLOW", {}, EBADF),
        ("TRACE", {}, ENOSYS), ("TRACE", {"errnoRet": 5}, ENOSYS),
    ],
)  # fmt: skip
def test_action(container: Container, action: str, more: dict[str, Any], want: int, nnp: bool) -> None:
    """Every action on one call, with and without no-new-privileges."""
    container.bundle.process["noNewPrivileges"] = nnp
    assert verdicts(container, profile(rule(action, "dup", **more)), str(DUP), str(GETPID)) == [want, 0]


@pytest.mark.parametrize(
    ("op", "value", "two", "hit", "miss"),
    [
        ("EQ", 5, 0, 5, 6), ("NE", 5, 0, 6, 5), ("LT", 5, 0, 4, 5), ("LE", 5, 0, 5, 6), ("GT", 5, 0, 6, 5), ("GE", 5, 0, 5, 4),
        ("MASKED_EQ", 0xF0, 0x20, 0x2F, 0x3F), ("EQ", 1 << 40, 0, 1 << 40, 1 << 41), ("GT", 0xFFFFFFFF, 0, 1 << 32, 0xFFFFFFFF),
        ("LT", 1 << 32, 0, 0xFFFFFFFF, 1 << 32), ("NE", 0xFFFFFFFFFFFFFFFF, 0, 1, 0xFFFFFFFFFFFFFFFF),
        ("MASKED_EQ", 0xFF00000000, 0x100000000, 0x1FFFFFFFF, 0x2FFFFFFFF), ("GE", (1 << 63), 0, 1 << 63, (1 << 63) - 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("index", [0, 3, 5])
def test_argument(container: Container, op: str, value: int, two: int, hit: int, miss: int, index: int) -> None:
    """Every comparison on 64-bit values, at several arguments."""
    section = profile(rule("ERRNO", "dup", errnoRet=77, args=[arg(index, value, op, two)]))
    calls = [",".join([str(DUP), *(["0xffff"] * index), str(number)]) for number in (hit, miss)]
    assert verdicts(container, section, *calls) == [77, EBADF if index else verdict_of_dup(miss)]


def verdict_of_dup(number: int) -> int:
    """What dup says of a descriptor number in the container, which has three and the probe's pipe."""
    return 0 if number & 0xFFFFFFFF <= 4 else EBADF


@pytest.mark.parametrize(
    ("args", "calls", "want"),
    [
        ([arg(0, 9, "EQ"), arg(1, 8, "EQ")], ["32,9,8", "32,9,7", "32,99,8"], [77, EBADF, EBADF]),
        ([arg(0, 9, "EQ"), arg(0, 8, "EQ")], ["32,9", "32,8", "32,77"], [77, 77, EBADF]),
    ],
    ids=["all of several arguments", "any of several conditions on one"],
)
@differs("crun", reason="crun combines conditions on one argument", strict=False)
def test_several_conditions(
    container: Container, args: list[dict[str, Any]], calls: list[str], want: list[int]
) -> None:
    """Conditions on different arguments must all hold; on one argument any will do."""
    assert verdicts(container, profile(rule("ERRNO", "dup", errnoRet=77, args=args)), *calls) == want


def test_default_errno(container: Container) -> None:
    """defaultErrnoRet, and calls that are named are allowed."""
    allowed = json.loads((Path(__file__).parent / "allowed.json").read_text())
    section = profile(rule("ALLOW", *allowed), default="SCMP_ACT_ERRNO", defaultErrnoRet=88)
    assert verdicts(container, section, str(MKDIR), str(GETPID)) == [88, 0]


@differs("runc<1.2", reason="this runc needs architectures listed", strict=False)
@pytest.mark.parametrize("archs", [[], ["SCMP_ARCH_X86"]])
def test_unknown_calls_are_not_implemented(container: Container, archs: list[str]) -> None:
    """Calls newer than the newest of the profile answer ENOSYS instead of the default errno, listed or not on the native machine."""
    allowed = json.loads((Path(__file__).parent / "allowed.json").read_text())
    section = profile(rule("ALLOW", *allowed, "openat2"), default="SCMP_ACT_ERRNO", defaultErrnoRet=88)
    section["architectures"] = archs
    assert verdicts(container, section, str(MKDIR), str(FUTURE)) == [
        88,
        ENOSYS if container.runtime.flavour != "crun" else 88,
    ]


def test_unknown_names_are_skipped(container: Container) -> None:
    """A name this machine does not know is no error."""
    assert verdicts(container, profile(rule("ERRNO", "not_a_system_call", "dup", errnoRet=77)), str(DUP)) == [77]


@pytest.mark.parametrize("archs", [["SCMP_ARCH_X86_64"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], []])
def test_architectures(container: Container, archs: list[str]) -> None:
    """Architectures are taken; the native one is always filtered."""
    assert verdicts(container, profile(rule("ERRNO", "dup", errnoRet=77), architectures=archs), str(DUP)) == [77]


@pytest.mark.parametrize(
    "flags",
    [
        None,
        [],
        ["SECCOMP_FILTER_FLAG_LOG"],
        ["SECCOMP_FILTER_FLAG_TSYNC"],
        ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        pytest.param(WAIT_KILLABLE, marks=LATE_FLAG),
    ],
)
@differs("runc<1.2", reason="this runc has no seccomp flags", strict=False)
def test_flags(container: Container, flags: list[str] | None) -> None:
    """Each flag of the specification is accepted, null and nothing too; what needs a listener is left out without one."""
    assert verdicts(container, profile(rule("ERRNO", "dup", errnoRet=77), flags=flags), str(DUP)) == [77]


@pytest.mark.parametrize(
    "section",
    [
        profile(rule("NONSENSE", "dup")), profile(rule("ERRNO")), profile(default="SCMP_ACT_NOTIFY"), profile(rule("NOTIFY", "write")),
        profile(rule("ALLOW", "dup", errnoRet=5)), profile(rule("ERRNO", "dup", args=[arg(9, 1, "EQ")])), profile(architectures=["SCMP_ARCH_NONSENSE"]),
        profile(flags=["SECCOMP_FILTER_FLAG_NONSENSE"]), profile(rule("ERRNO", "dup", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_NONSENSE"}])),
    ],
    ids=["action", "no names", "default notify", "notify write", "errno of allow", "index", "architecture", "flag", "operator"],
)  # fmt: skip
@differs("runc", "crun", reason="each overlooks some of these", strict=False)
def test_refused(container: Container, section: dict[str, Any]) -> None:
    """A profile that cannot be honoured fails create."""
    container.bundle.linux["seccomp"] = section
    container.refuses_creation(".")


@pytest.mark.parametrize(
    ("nnp", "flags"),
    [
        (True, None),
        (False, None),
        pytest.param(True, WAIT_KILLABLE, marks=LATE_FLAG),
        (True, ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"]),
    ],
)
@differs("runc<1.2", reason="this runc has no seccomp flags", strict=False)
def test_notify(container: Container, nnp: bool, flags: list[str] | None) -> None:
    """NOTIFY sends one state with one descriptor to listenerPath; the agent's verdicts reach the program."""
    container.bundle.process["noNewPrivileges"] = nnp
    path = container.bundle.path / "agent.sock"
    container.bundle.linux["seccomp"] = profile(
        rule("NOTIFY", "mkdir"), listenerPath=str(path), listenerMetadata="some words", flags=flags
    )
    container.bundle.shell("/probe calls 83,1; /probe calls 83,2; /probe calls 83,3")
    with SeccompAgent(path) as agent:
        container.create()
        state, listener = agent.container()
        assert state["fds"] == ["seccompFd"]
        assert state["metadata"] == "some words"
        assert state["pid"] == container.pid
        assert state["state"]["id"] == container.id
        assert state["state"]["status"] in ("creating", "created")
        container.start()
        for verdict in ({"errno": 42}, {"value": 0}, {"proceed": True}):
            call = next_call(listener)
            assert call.number == MKDIR
            answer(listener, call, **verdict)
        assert container.exit_code() == 0
    answers = [json.loads(line) for line in container.output().splitlines()]
    assert answers == [{"83,1": 42}, {"83,2": 0}, {"83,3": 14}]


@differs("runc<1.2", reason="this runc sends no listener for an exec of the command line", strict=False)
def test_notify_of_exec(container: Container) -> None:
    """An exec's filter has a listener of its own, sent with the status running."""
    path = container.bundle.path / "agent.sock"
    container.bundle.linux["seccomp"] = profile(rule("NOTIFY", "mkdir"), listenerPath=str(path))
    with SeccompAgent(path) as agent:
        container.waiting()
        agent.container()
        process = container.spawn_exec("/probe", "calls", "83,1")
        state, listener = agent.container()
        assert state["state"]["status"] == "running"
        answer(listener, next_call(listener), errno=43)
        assert json.loads(process.communicate(timeout=20)[0]) == {"83,1": 43}


def test_missing_agent(container: Container) -> None:
    """A listenerPath where nobody listens fails create."""
    container.bundle.linux["seccomp"] = profile(rule("NOTIFY", "mkdir"), listenerPath="/nowhere/agent.sock")
    container.refuses_creation(".")


def test_listener_path_without_notify(container: Container) -> None:
    """The path is ignored when no rule notifies."""
    assert verdicts(
        container, profile(rule("ERRNO", "dup", errnoRet=77), listenerPath="/nowhere/agent.sock"), str(DUP)
    ) == [77]


def test_filter_is_installed_once(container: Container) -> None:
    """One filter, and none without a section."""
    container.bundle.linux["seccomp"] = profile(rule("ERRNO", "dup"))
    status = container.facts()["status"]
    assert "Seccomp:\t2\n" in status
    assert "Seccomp_filters:\t1\n" in status


def test_none(container: Container) -> None:
    """Without a section there is no filter."""
    assert "Seccomp:\t0\n" in container.facts()["status"]
