"""exec: one more process in a container that runs."""

import posix

from oci_schemas.json_text import loads
from oci_schemas.validate import Invalid, load_process
from runtime.commands.exec_process import check_process, inline_process, parse_sub_cgroup
from runtime.commands.gating import saved_gate
from runtime.commands.invocation import Invocation, absolute
from runtime.commands.launching import (
    CONFIG_NAME,
    check_preserved,
    encode_image,
    read_file,
    require_terminal,
    seccomp_section,
)
from runtime.errors import ConfigError, LifecycleError, SyscallError
from runtime.host.probe import probe_facts
from runtime.launch.report import reason
from runtime.launch.spawn import become_executor
from runtime.plan.exec_plan import compile_exec
from runtime.plan.options import ExecOptions, Gate
from runtime.plan.seccomp import SAVED_NAME, decode_filter
from runtime.state.lifecycle import require
from runtime.state.store import ContainerState, failed, load_container
from runtime.state.store import read_file as read_saved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.plan.saved_policy import Bound
    from runtime.seccomp.program import Filter


def read_process(path: str) -> "Mapping[str, Any]":
    """The process of a --process file.  Raises: ConfigError with every violation, SyscallError."""
    try:
        return load_process(read_file(path))
    except Invalid as invalid:
        raise ConfigError("process", invalid.violations) from None
    except OSError as error:
        raise SyscallError(f"open {path}", error.errno or 0, reason(error)) from error


def saved_config(dir_fd: int) -> "dict[str, Any]":
    """The config that the container was created with; it was checked then.  Raises: LifecycleError, SyscallError."""
    try:
        config = loads(read_saved(dir_fd, CONFIG_NAME))
    except ValueError as error:
        raise LifecycleError(f"the saved {CONFIG_NAME} is damaged: {error}") from None
    except OSError as error:
        raise failed(f"open the saved {CONFIG_NAME}", error) from None
    if not isinstance(config, dict):
        raise LifecycleError(f"the saved {CONFIG_NAME} is damaged: no object")
    return config


def saved_filter(dir_fd: int, config: "Mapping[str, Any]", gate: Gate | None) -> "Filter | None":
    """The seccomp filter that the container was created with, if its config or policy has one.  Raises: LifecycleError, SyscallError."""
    if seccomp_section(config) is None and gate is None:
        return None
    try:
        return decode_filter(read_saved(dir_fd, SAVED_NAME))
    except ValueError as error:
        raise LifecycleError(str(error)) from None
    except OSError as error:
        raise failed(f"open the saved {SAVED_NAME}", error) from None


def make_options(invocation: Invocation, state: ContainerState, gate: Gate | None) -> ExecOptions:
    """The caller's options.  Raises: UsageError."""
    preserve_fds = invocation.count("preserve-fds")
    check_preserved(3, preserve_fds, invocation.exe_fd)
    report = invocation.report
    return ExecOptions(
        container_id=state.container_id,
        root=invocation.root,
        init_pid=state.pid,
        init_start_time=state.start_time,
        detach=invocation.switch("detach"),
        console_socket=_absolute(invocation.text("console-socket")),
        pidfd_socket=_absolute(invocation.text("pidfd-socket")),
        pid_file=_absolute(invocation.text("pid-file")),
        preserve_fds=preserve_fds,
        cgroup=parse_sub_cgroup(invocation.texts("cgroup")),
        log_path=report.path,
        log_json=report.as_json,
        debug=report.debugging,
        rootless=state.rootless if invocation.rootless is None else invocation.rootless,
        bundle=state.bundle,
        cgroup_mount=state.cgroup_mount or None,
        cgroup_path=state.cgroup_path or None,
        gate=gate,
    )


def within_policy(
    invocation: Invocation, bound: "Bound", own: "Mapping[str, Any]", process: "Mapping[str, Any]"
) -> "Mapping[str, Any]":
    """The process within the bounds of the container's policy: what it asks for beyond them is not given, which is said.

    `own`: the container's process as the policy left it.
    """
    from runtime.policy.tighten import tighten_process

    capabilities, files = bound
    inherited = {name: own[name] for name in ("capabilities", "rlimits") if not process.get(name) and own.get(name)}
    tightened = tighten_process({**process, **inherited}, capabilities, files)
    asked, given = (sets.get("capabilities") or {} for sets in (process, tightened))
    withheld = {name for kind in asked for name in asked[kind] or () if name not in (given.get(kind) or ())}
    if withheld:
        invocation.report.warning(f"the policy withholds capabilities: [{' '.join(sorted(withheld))}]")
    return tightened


def _absolute(path: str | None) -> str | None:
    return absolute(path) if path else None


def execute(invocation: Invocation) -> int:
    """Become the executor of the process's plan.  Raises: OciError in runc's words."""
    invocation.report.prefix = "exec failed: "
    state, status, dir_fd = load_container(invocation.root, invocation.container_id())
    if status != "paused" or not invocation.switch("ignore-paused"):
        require("exec", status, state.container_id)
    config = saved_config(dir_fd)
    held = saved_gate(dir_fd)
    own = config.get("process") or {}
    if held is not None:
        own = {**own, **held[2]}
    path = invocation.text("process")
    process = read_process(path) if path else inline_process(own, invocation)
    check_process(process)
    gate = None
    if held is not None:
        gate = held[0]
        process = within_policy(invocation, held[1], own, process)
    options = make_options(invocation, state, gate)
    if process.get("terminal") and not options.detach:
        require_terminal()
    facts = probe_facts({**config, "process": process}, bool(process.get("terminal")) and not options.detach)
    warnings: list[str] = []
    compiled = saved_filter(dir_fd, config, gate)
    plan = compile_exec(process, config, options, facts, compiled, warnings)
    posix.close(dir_fd)
    for line in warnings:
        invocation.report.warning(line)
    image = encode_image(plan)
    if gate is not None and gate.listener is not None and compiled is not None and compiled.notify:
        from runtime.commands.brokering import require_rights
        from runtime.launch.broker import ensure_broker

        require_rights(invocation.root, ensure_broker(invocation.root, invocation.exe_fd, invocation.policy_dir), facts)
    invocation.report.release()
    become_executor(invocation.exe_fd, image)
    return 1
