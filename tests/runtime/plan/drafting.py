"""What the planner's tests share: a small container, a known host, and ways to look into the plan of both."""

import copy
from typing import Any

from runtime.errors import ConfigError
from runtime.host.facts import HostFacts
from runtime.plan.compile import compile_create
from runtime.plan.encode import encode_plan
from runtime.plan.exec_plan import compile_exec
from runtime.plan.launch_plan import LaunchPlan, Op
from runtime.plan.options import CreateOptions, ExecOptions
from runtime.seccomp.program import Filter

EVERY_CAPABILITY = (1 << 41) - 1
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
FILTER = Filter(bytes(range(8)) * 4, None, False, ())

_FACTS: dict[str, Any] = {
    "machine": "x86_64",
    "kernel": (6, 12),
    "euid": 0,
    "egid": 0,
    "owner": "root",
    "initial_userns": True,
    "capabilities": EVERY_CAPABILITY,
    "last_capability": 40,
    "cgroup_mount": "/sys/fs/cgroup",
    "cgroup_controllers": ("cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"),
    "own_cgroup": "/system.slice/engine.service",
    "cgroup_hybrid": False,
    "hugepage_sizes": ("2MB", "1GB"),
    "delegate_files": ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control"),
    "lsms": (),
    "seccomp_flags": 0x3F,
    "newuidmap": None,
    "newgidmap": None,
    "stdin_tty": False,
    "stdin_size": (0, 0),
    "landlock": 0,
}
ROOTLESS = {
    "euid": 1000,
    "egid": 1000,
    "owner": "me",
    "capabilities": 0,
    "newuidmap": "/usr/bin/newuidmap",
    "newgidmap": "/usr/bin/newgidmap",
}
CONFIG: dict[str, Any] = {
    "ociVersion": "1.3.0",
    "process": {"args": ["sh"], "cwd": "/", "env": ["PATH=/usr/bin:/bin"], "user": {"uid": 0, "gid": 0}},
    "root": {"path": "rootfs"},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts", "network")]},
}


def facts(**changes: Any) -> HostFacts:
    """A host with cgroup v2, all controllers and every capability, but for the changes."""
    return HostFacts(**{**_FACTS, **changes})


def options(**changes: Any) -> CreateOptions:
    """`create web` with bundle /b, but for the changes."""
    given: dict[str, Any] = {
        "mode": "CREATE",
        "container_id": "web",
        "bundle": "/b",
        "root": "/run/postern",
        "created": "2026-01-02T03:04:05.123456789Z",
    }
    return CreateOptions(**{**given, **changes})


def exec_options(**changes: Any) -> ExecOptions:
    """`exec web` on an init with pid 4422, but for the changes."""
    given: dict[str, Any] = {
        "container_id": "web",
        "root": "/run/postern",
        "init_pid": 4422,
        "init_start_time": 99,
        "bundle": "/b",
        "cgroup_mount": "/sys/fs/cgroup",
        "cgroup_path": "/web",
    }
    return ExecOptions(**{**given, **changes})


def config(**parts: Any) -> dict[str, Any]:
    """The small container with top-level parts replaced; `linux` and `process` are merged key by key."""
    made = copy.deepcopy(CONFIG)
    for name, part in parts.items():
        if name in ("linux", "process"):
            made[name].update(copy.deepcopy(part))
        else:
            made[name] = copy.deepcopy(part)
    return made


def with_userns(**linux: Any) -> dict[str, Any]:
    """A container in a new user namespace."""
    spaces = [*CONFIG["linux"]["namespaces"], {"type": "user"}]
    return config(linux={"namespaces": spaces, "uidMappings": MAPS, "gidMappings": MAPS, **linux})


def plan(
    made: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    asked: dict[str, Any] | None = None,
    compiled: Filter | None = None,
    warnings: list[str] | None = None,
) -> LaunchPlan:
    """The plan of a config (default: the small container); what comes out can always be encoded."""
    found = compile_create(made or config(), options(**(asked or {})), facts(**(host or {})), compiled, warnings)
    encode_plan(found)
    return found


def plan_of_exec(process: dict[str, Any], made: dict[str, Any] | None = None, **asked: Any) -> LaunchPlan:
    """The plan of one more process in the small container."""
    found = compile_exec({"cwd": "/", **process}, made or config(), exec_options(**asked), facts(), None)
    encode_plan(found)
    return found


def ops(found: LaunchPlan, name: str, stage: str | None = None) -> list[Op]:
    """The operations of one name, of all stages or one."""
    stages = [stage] if stage else list(found.stages)
    return [op for each in stages for op in found.stages[each] if op.name == name]


def one(found: LaunchPlan, name: str, stage: str | None = None) -> Op:
    """The only operation of that name."""
    matching = ops(found, name, stage)
    assert len(matching) == 1, [op.name for ops_ in found.stages.values() for op in ops_]
    return matching[0]


def names(found: LaunchPlan, stage: str) -> list[str]:
    """The names of a stage's operations in order."""
    return [op.name for op in found.stages[stage]]


def violations(error: ConfigError) -> dict[str, str]:
    """Pointer to message."""
    return dict(error.violations)
