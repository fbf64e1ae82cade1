"""The golden cases: configs with the host and the call that they are planned for."""

from binascii import crc32
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oci_schemas.validate import load_config
from runtime.commands.gate_making import make_gate
from runtime.commands.policy_explain import explain_text
from runtime.plan.compile import compile_create
from runtime.plan.encode import encode_plan
from runtime.plan.exec_plan import compile_exec
from runtime.plan.explain import explain
from runtime.plan.launch_plan import LaunchPlan
from runtime.policy.built_in import load_builtin
from runtime.policy.load import load_policy
from runtime.policy.lower import examine, lower
from runtime.policy.normalise import normalise
from runtime.policy.resolved import Resolved
from runtime.seccomp.program import Filter
from tests.runtime.plan.drafting import ROOTLESS, exec_options, facts, options

HERE = Path(__file__).parent
_DIGEST_AT = slice(12, 16)  # the layout's own digest: it says nothing about the plan
_FILTER = Filter(bytes(range(64)), None, False, ())
_NOTIFY = Filter(bytes(range(64)), 2, True, ())
_ENGINE: dict[str, Any] = {"pid_file": "/b/init.pid", "log_path": "/b/log.json", "log_json": True}

# name: (config, call, host, filter)
CREATE: dict[str, tuple[str, dict[str, Any], dict[str, Any], Filter | None]] = {
    "docker": ("docker", _ENGINE, {}, _FILTER),
    "docker-hybrid": ("docker", {**_ENGINE, "mode": "RUN", "detach": True}, {
        "cgroup_mount": "/sys/fs/cgroup/unified", "cgroup_controllers": ("hugetlb",), "cgroup_hybrid": True,
    }, _FILTER),
    "spec": ("spec", {"mode": "RUN"}, {"stdin_tty": True, "stdin_size": (24, 80)}, None),
    "spec-bridge": ("spec", {"mode": "RUN", "network_fd": 9}, {}, None),
    "userns": ("userns", {"no_pivot": True, "preserve_fds": 2}, {}, None),
    "rootless": ("rootless", {"mode": "RUN", "rootless": True}, ROOTLESS, None),
    "everything": ("everything", {
        **_ENGINE, "console_socket": "/b/pty.sock", "pidfd_socket": "/b/pidfd.sock", "listen_fds": 1,
        "notify_socket": "/run/systemd/notify", "debug": True,
    }, {"lsms": ("apparmor", "selinux")}, _NOTIFY),
}  # fmt: skip
EXEC: dict[str, tuple[str, dict[str, Any], dict[str, Any], Filter | None]] = {
    "docker-exec": ("docker", {"args": ["ls", "-l"], "cwd": "/tmp", "env": ["PATH=/bin"]}, {"detach": True}, _FILTER),
    "userns-exec": ("userns", {"args": ["/bin/sh"], "cwd": "/", "terminal": True, "noNewPrivileges": True}, {}, None),
}
# the container of a Docker user under each built-in policy, and what each says about itself there
POLICIES = ("agent", "batch-job", "ci-runner", "development", "hostile-tenant", "web-server")
UNDER = {f"docker-under-{name}": name for name in POLICIES}
EXPLAINED = {f"explain-{name}": name for name in POLICIES}
# paths, ports and scopes of Landlock, as each of its versions has them
ABIS = (1, 3, 4, 6, 7)
RULED = {f"docker-landlock-{abi}": abi for abi in ABIS}
PLANS = (*CREATE, *EXEC, *UNDER, *RULED)
NAMES = (*PLANS, *EXPLAINED)


def _bytes(name: str) -> bytes:
    return (HERE / "configs" / f"{name}.json").read_bytes()


def _config(name: str) -> Any:
    return load_config(_bytes(name))


def prepare(name: str, warnings: list[str]) -> Callable[[], LaunchPlan]:
    """What makes the plan of a case, its config read and checked beforehand."""
    if name in CREATE:
        source, call, host, compiled = CREATE[name]
        config, asked = _config(source), options(config_json=_bytes(source), **call)
        return lambda: compile_create(config, asked, facts(**host), compiled, warnings)
    if name in UNDER:
        return lambda: _under(_builtin(UNDER[name]), 7, warnings)
    if name in RULED:
        return lambda: _under(_ruled(), RULED[name], warnings)
    source, process, call, compiled = EXEC[name]
    config = _config(source)
    return lambda: compile_exec(process, config, exec_options(**call), facts(), compiled, warnings)


def _builtin(name: str) -> Resolved:
    found = load_builtin(name)
    assert found is not None
    return found


def _ruled() -> Resolved:
    """The policy of all that Landlock has a part in."""
    loaded = load_policy((HERE / "configs" / "landlock.yaml").read_bytes(), is_json=False)
    layer = normalise(loaded, "landlock", "landlock.yaml")
    assert layer is not None
    assert loaded.found == []
    return Resolved("landlock", "", [layer])


def _under(found: Resolved, abi: int, warnings: list[str]) -> LaunchPlan:
    host = facts(landlock=abi)
    lowered = lower(found.layers, _config("docker"), host)
    asked = options(gate=make_gate(found, lowered, host, "/run/postern"), **_ENGINE)
    return compile_create(lowered.config, asked, host, _FILTER, warnings)


def _explained(policy: str) -> str:
    return explain_text(*examine(_builtin(policy).layers, _config("docker"), facts(landlock=7)))


def make(name: str, warnings: list[str]) -> LaunchPlan:
    """The plan of a case."""
    return prepare(name, warnings)()


def render(name: str) -> str:
    """What the case's file holds: warnings, the plan, and a checksum of its bytes."""
    if name in EXPLAINED:
        return _explained(EXPLAINED[name])
    warnings: list[str] = []
    plan = make(name, warnings)
    image = bytearray(encode_plan(plan))
    image[_DIGEST_AT] = bytes(4)
    lines = [f"warning: {line}\n" for line in warnings]
    return "".join(lines) + explain(plan) + f"image {len(image)} bytes, crc {crc32(image):08x}\n"


def expected_file(name: str) -> Path:
    """Where a case's text is kept."""
    return HERE / "expected" / f"{name}.txt"
