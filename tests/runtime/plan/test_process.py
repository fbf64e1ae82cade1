"""process: environment, executable, limits, scheduling."""

from _struct import unpack
from typing import Any

import pytest

from runtime.errors import ConfigError
from runtime.plan.draft import Draft
from runtime.plan.layout import OP_FLAGS
from runtime.plan.process import environment, executable_candidates
from tests.runtime.plan.drafting import ROOTLESS, config, facts, names, one, ops, options, plan, violations, with_userns


def env_of(*entries: str) -> list[str]:
    """What becomes of a process.env."""
    return environment(Draft(config(process={"env": list(entries)}), options(), facts(), []))


def test_the_last_of_equal_names_counts() -> None:
    """And keeps its own place."""
    assert env_of("A=1", "B=2", "A=3", "C=") == ["B=2", "A=3", "C="]


def test_home_is_looked_up_when_it_is_missing_or_empty() -> None:
    """There is one spare place for it in the environment."""
    assert env_of("HOME=") == []
    found = plan(config(process={"env": ["HOME="], "user": {"uid": 3}}))
    assert one(found, "HOME").places == {"uid": 3}
    assert one(found, "EXECVE").spare == 1
    given = plan(config(process={"env": ["HOME=/h"]}))
    assert not ops(given, "HOME")
    assert one(given, "EXECVE").spare == 0


@pytest.mark.parametrize(
    ("name", "env", "expected"),
    [
        ("sh", ["PATH=/a:/b/:/c"], ("/a/sh", "/b/sh", "/c/sh")),
        ("sh", ["PATH=/a::.:rel:/b"], ("/a/sh", "/b/sh")),
        ("sh", [], ()),
        ("/bin/sh", ["PATH=/a"], ("/bin/sh",)),
        ("./sh", ["PATH=/a"], ("./sh",)),
    ],
)
def test_where_the_executable_is_looked_for(name: str, env: list[str], expected: tuple[str, ...]) -> None:
    """$PATH of the process, absolute directories only: a relative one would be somebody's choice of cwd."""
    assert executable_candidates(name, env) == expected
    found = one(plan(config(process={"args": [name], "env": env})), "EXEC_PATH")
    assert found.blob == expected
    assert bool(found.flags & OP_FLAGS["ABSOLUTE"]) == ("/" in name)


def test_arguments_and_environment_reach_execve() -> None:
    """The environment is exactly the config's and what socket activation adds."""
    asked = {"listen_fds": 2, "preserve_fds": 3, "listen_fdnames": "a:b", "notify_socket": "/run/n"}
    found = plan(config(process={"args": ["a", "", "c"], "env": ["X=1"]}), asked=asked)
    extra = ("LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=a:b", "NOTIFY_SOCKET=/run/notify/notify.sock")
    assert one(found, "EXECVE").blob == (("a", "", "c"), ("X=1", *extra))
    assert one(found, "KEEP_FDS").places == {"count": 5}
    assert one(found, "NOTIFY_SOCKET", "HOST").places["host_path"] == "/run/n"
    assert [op.places["target"] for op in ops(found, "MOUNT_TREE")] == ["/run/notify"]


def test_rlimits() -> None:
    """By number, set from outside; an unknown or repeated type is refused."""
    limits = [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2**64 - 1}]
    assert one(plan(config(process={"rlimits": limits})), "RLIMIT", "READY").places == {
        "resource": 7,
        "soft": 1,
        "hard": 2**64 - 1,
    }
    with pytest.raises(ConfigError) as caught:
        plan(config(process={"rlimits": [*limits, *limits, {"type": "RLIMIT_X", "soft": 1, "hard": 1}]}))
    assert violations(caught.value) == {
        "/process/rlimits/1/type": "duplicated rlimit RLIMIT_NOFILE",
        "/process/rlimits/2/type": "invalid rlimit RLIMIT_X",
    }


def test_oom_score() -> None:
    """Set when given, 0 included, untouched otherwise; a caller without the right is only warned."""
    assert not ops(plan(), "OOM_SCORE")
    assert one(plan(config(process={"oomScoreAdj": 0})), "OOM_SCORE").flags == 0
    made = with_userns()
    made["process"]["oomScoreAdj"] = -5
    tolerated = one(plan(made, ROOTLESS, {"rootless": True}), "OOM_SCORE")
    assert (tolerated.places["value"], tolerated.flags) == (-5, OP_FLAGS["TOLERATE"])


def test_umask() -> None:
    """0022 unless given."""
    assert one(plan(), "UMASK").places == {"mask": 0o022}
    assert one(plan(config(process={"user": {"umask": 0}})), "UMASK").places == {"mask": 0}


def test_scheduling() -> None:
    """struct sched_attr, and class and level of ioprio_set."""
    scheduler = {"policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_RECLAIM"], "runtime": 1, "deadline": 2, "period": 3}
    found = plan(config(process={"scheduler": scheduler, "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 3}}))
    blob = one(found, "SCHEDULER", "ROOT").blob
    assert isinstance(blob, bytes)
    assert unpack("<IIQiIQQQII", blob) == (56, 6, 2, 0, 0, 1, 2, 3, 0, 0)
    assert one(found, "IOPRIO").places == {"value": 3 << 13 | 3}


def test_personality_and_memory_policy() -> None:
    """Of the container; maxnode counts one bit more than there are, as the kernel wants it."""
    policy = {"mode": "MPOL_INTERLEAVE", "nodes": "0-1,64", "flags": ["MPOL_F_STATIC_NODES"]}
    found = plan(config(linux={"personality": {"domain": "LINUX32"}, "memoryPolicy": policy}))
    assert one(found, "PERSONALITY").places == {"persona": 8}
    numa = one(found, "MEMPOLICY")
    assert (numa.places, numa.blob) == ({"mode": 3 | 1 << 15, "maxnode": 129}, (3, 1))
    with pytest.raises(ConfigError, match="/linux/memoryPolicy/nodes: invalid list"):
        plan(config(linux={"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "3-1"}}))


@pytest.mark.parametrize(
    ("process", "pointer", "message"),
    [
        (None, "/process", "process property must not be empty"),
        ({"args": []}, "/process/args", "args must not be empty"),
        ({"args": [""]}, "/process/args/0", "executable path is empty"),
    ],
)
def test_what_cannot_be_run(process: dict[str, Any] | None, pointer: str, message: str) -> None:
    """In the words that engines know."""
    made = config()
    made["process"] = process
    with pytest.raises(ConfigError) as caught:
        plan(made)
    assert violations(caught.value)[pointer] == message


def test_no_new_privileges_comes_after_the_masks() -> None:
    """As in runc: what is mounted before may still need rights."""
    order = names(plan(config(process={"noNewPrivileges": True}, linux={"maskedPaths": ["/x"]})), "ROOT")
    assert order.index("NO_NEW_PRIVS") > order.index("MASK_PATH")
