"""exec: one more process in a running container."""

from typing import Any

import pytest

from runtime.abi.namespaces import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS
from runtime.errors import ConfigError, UsageError
from runtime.plan._shapes import SLOTS
from runtime.plan.exec_plan import compile_exec
from runtime.plan.layout import FLAGS, OP_FLAGS
from runtime.seccomp.program import Filter
from tests.runtime.plan.drafting import (
    FILTER,
    config,
    exec_options,
    facts,
    names,
    one,
    ops,
    plan_of_exec,
    violations,
    with_userns,
)

_PROCESS = {"args": ["ls"], "env": ["PATH=/bin"]}


def test_the_order_of_an_exec() -> None:
    """init by a checked pidfd, its cgroup, its namespaces; then inside as any process."""
    found = plan_of_exec(_PROCESS, pid_file="/p")
    assert names(found, "HOST") == ["PIDFD_OPEN", "OPEN_PATH", "SETNS"]
    assert names(found, "SETUP") == ["SETSID", "AFFINITY", "KEYRING"]
    assert names(found, "ROOT") == ["UMASK"]
    assert names(found, "COMMIT") == ["PID_FILE"]
    assert names(found, "START") == ["KEEP_FDS", "EXECVE"]
    assert one(found, "PIDFD_OPEN").places == {"pidfd": SLOTS["INIT_PIDFD"], "pid": 4422, "start_time": 99}
    types = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET
    assert one(found, "SETNS", "HOST").places["types"] == types
    assert found.clone_flags == 0
    assert found.error_prefix == "exec failed: unable to start container process: "


def test_only_the_containers_own_namespaces_are_joined() -> None:
    """In one that is shared with the host we are already, perhaps without the right to enter it."""
    made = config(linux={"namespaces": [{"type": "mount"}, {"type": "uts", "path": "/u"}]})
    found = plan_of_exec(_PROCESS, made)
    assert not ops(found, "SETNS", "SETUP")
    assert one(found, "SETNS").places["types"] == CLONE_NEWNS | CLONE_NEWUTS


def test_a_user_namespace_is_joined_first() -> None:
    """By an intermediate process, from the pidfd."""
    found = plan_of_exec(_PROCESS, with_userns())
    assert found.flags & FLAGS["JOIN_USERNS"]
    assert not found.flags & FLAGS["USERNS"]
    assert not ops(found, "ID_MAPS")


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({}, "/sys/fs/cgroup/web"),
        ({"cgroup": "/sub/../x"}, "/sys/fs/cgroup/web/x"),
        ({"cgroup": "../../y"}, "/sys/fs/cgroup/web/y"),
    ],
)
def test_cgroup(asked: dict[str, Any], path: str) -> None:
    """The container's, or one below it and nowhere else."""
    assert one(plan_of_exec(_PROCESS, **asked), "OPEN_PATH").places["path"] == path
    assert not ops(plan_of_exec(_PROCESS, cgroup_mount=None, cgroup_path=None), "OPEN_PATH")


def test_a_rootless_container_may_have_no_cgroup() -> None:
    """Its process then stays in the caller's, as init did; a cgroup that was named must be there."""
    missing = OP_FLAGS["OPTIONAL"] | OP_FLAGS["TOLERATE"]
    assert one(plan_of_exec(_PROCESS, rootless=True), "OPEN_PATH").flags == missing
    assert one(plan_of_exec(_PROCESS, rootless=True, cgroup="x"), "OPEN_PATH").flags == 0
    assert one(plan_of_exec(_PROCESS), "OPEN_PATH").flags == 0


def test_what_a_process_inherits_from_the_container() -> None:
    """Limits, priorities, capabilities, umask; its own values win."""
    limits = [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]
    container = {
        "rlimits": limits,
        "oomScoreAdj": 7,
        "capabilities": {"permitted": ["CAP_KILL"], "bounding": ["CAP_KILL"]},
        "user": {"uid": 9, "umask": 0o77},
        "noNewPrivileges": True,
    }
    found = plan_of_exec(_PROCESS, config(process=container))
    assert one(found, "RLIMIT").places["soft"] == 1
    assert one(found, "OOM_SCORE").places["value"] == 7
    assert one(found, "CAP_SET").places["permitted"] == 1 << 5
    assert one(found, "UMASK").places["mask"] == 0o77
    assert one(found, "SET_IDS").places == {"uid": 0, "gid": 0}
    assert not ops(found, "NO_NEW_PRIVS")
    own = {**_PROCESS, "capabilities": {}, "oomScoreAdj": 8, "user": {"umask": 0}}
    other = plan_of_exec(own, config(process=container))
    assert one(other, "CAP_SET").places["permitted"] == 0
    assert one(other, "OOM_SCORE").places["value"] == 8
    assert one(other, "UMASK").places["mask"] == 0


@pytest.mark.parametrize(
    ("affinity", "host", "setup"),
    [
        (None, [], [None]),
        ({"initial": "0-1", "final": "65"}, [(3,)], [(0, 2)]),
        ({"initial": "2"}, [(4,)], []),
    ],
)
def test_affinity(affinity: dict[str, str] | None, host: list[Any], setup: list[Any]) -> None:
    """`initial` before the cgroup is joined, `final` after; without `final` the kernel's result stays."""
    found = plan_of_exec({**_PROCESS, "execCPUAffinity": affinity})
    assert [op.blob for op in ops(found, "AFFINITY", "HOST")] == host
    assert [op.blob for op in ops(found, "AFFINITY", "SETUP")] == setup


def test_refusals_name_the_process() -> None:
    """It is another document than config.json."""
    with pytest.raises(ConfigError) as caught:
        plan_of_exec({"args": ["x"], "execCPUAffinity": {"initial": "9-1", "final": " "}})
    assert str(caught.value).startswith("process: /process/execCPUAffinity/initial: invalid list")
    assert list(violations(caught.value)) == ["/process/execCPUAffinity/initial", "/process/execCPUAffinity/final"]
    with pytest.raises(ConfigError, match="args must not be empty"):
        plan_of_exec({"args": []})
    with pytest.raises(UsageError, match="cannot allocate tty"):
        plan_of_exec({**_PROCESS, "terminal": True}, detach=True)


def test_terminal_and_sockets() -> None:
    """In the foreground the parent half copies; the pidfd is called setns."""
    found = plan_of_exec({**_PROCESS, "terminal": True}, pidfd_socket="/p.sock", preserve_fds=2)
    assert found.flags & FLAGS["TTY_PROXY"]
    assert names(found, "ROOT")[0] == "CONSOLE"
    assert one(found, "SEND_PIDFD").places["name"] == "setns"
    assert one(found, "KEEP_FDS").places == {"count": 2}


def test_seccomp_and_labels() -> None:
    """The container's filter; a private procfs only when a label is written."""
    section = {"seccomp": {"listenerPath": "/a"}}
    notifying = Filter(FILTER.program, 0, True, ())
    made = config(linux=section, process={"selinuxLabel": "a:b:c"})
    found = compile_exec({**_PROCESS, "cwd": "/"}, made, exec_options(), facts(lsms=("selinux",)), notifying)
    assert one(found, "SEND_LISTENER").places["path"] == "/a"
    assert one(found, "PRIVATE_PROC", "SETUP").places == {"proc": SLOTS["PROC"]}
    assert one(found, "LSM_LABEL", "FINAL").places["value"] == "a:b:c"


def test_keyring() -> None:
    """The container's by name, unless it has none."""
    assert one(plan_of_exec(_PROCESS), "KEYRING").places == {"name": "_ses.web"}
    assert not ops(plan_of_exec(_PROCESS, no_new_keyring=True), "KEYRING")
