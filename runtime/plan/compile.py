"""A container's plan: the order of things, and nothing else.

What each part of config.json becomes is the business of the module named after it; here it is only decided when it
happens.  The order inside init is runc's, because hooks, engines and images depend on it.
Source: runtime.md#lifecycle.
"""

from runtime.errors import ConfigError, NotBuilt
from runtime.plan import (
    cgroup,
    devices,
    hooks,
    identity,
    kernel_names,
    labels,
    mounts,
    namespaces,
    process,
    rootfs,
    seccomp,
    state,
    terminal,
)
from runtime.plan._shapes import SLOTS
from runtime.plan.draft import PROC, STATE, Draft
from runtime.plan.launch_plan import LaunchPlan, op
from runtime.plan.layout import FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.host.facts import HostFacts
    from runtime.plan.options import CreateOptions
    from runtime.seccomp.program import Filter

_FIFO = SLOTS["FIFO"]


def compile_create(
    config: "Mapping[str, Any]",
    options: "CreateOptions",
    facts: "HostFacts",
    compiled: "Filter | None",
    warnings: list[str] | None = None,
) -> LaunchPlan:
    """The plan of create or run for a validated config; `warnings` grows by lines for the user.

    Raises: ConfigError with every violation, else FeatureMissing, NotBuilt, CgroupError or UsageError.
    """
    draft = Draft(config, options, facts, [] if warnings is None else warnings)
    _check(draft)
    namespaces.read_namespaces(draft)
    cgroup.choose_cgroup(draft, options)
    if not process.check_process(draft):
        draft.check()
    terminal_wanted = terminal.check_terminal(draft, options.mode == "CREATE" or options.detach)
    identity.check_user(draft)
    env = [*process.environment(draft), *terminal.listen_environment(options)]
    hooks.plan_hooks(draft, env)
    saved = state.saved_state(draft, options, bool(draft.post or draft.stop))
    plan = _assemble(draft, options, terminal_wanted)
    _host(draft, options, compiled, saved, plan)
    _parent(draft)
    _setup(draft, options)
    _root(draft, options, terminal_wanted)
    process.plan_rlimits(draft)
    _final(draft, options, compiled, env)
    state.save_final_state(draft, saved)
    seccomp.send_listener(draft, compiled, options.gate)
    terminal.announce(draft, "standard")
    _start(draft, options, env)
    if options.mode == "CREATE":
        # what is left to do later is in hooks.plan, and only there
        draft.post, draft.stop = [], []
    draft.check()
    return _finish(plan, draft)


def _check(draft: Draft) -> None:
    linux = draft.linux
    if linux.get("intelRdt") is not None:
        draft.block(NotBuilt("linux.intelRdt"))
    if not draft.config.get("root"):
        raise ConfigError("config.json", [("/root", "root is needed on Linux")])


def _host(
    draft: Draft, options: "CreateOptions", compiled: "Filter | None", saved: tuple[str, str], plan: LaunchPlan
) -> None:
    terminal.connect_sockets(draft)
    state.open_state(draft, options, saved)
    if compiled is not None:
        data = seccomp.encode_filter(draft, compiled)
        what = f"unable to save {seccomp.SAVED_NAME}"
        draft.parent.append(op("SAVE_FILE", what, dir=STATE, mode=0o600, name=seccomp.SAVED_NAME, blob=data))
    if options.gate is not None:
        from runtime.plan import policy

        policy.save_policy(draft, options.gate)
    later = hooks.save_later_hooks(draft, plan)
    if later is not None:
        draft.host.append(later)
    cgroup.plan_cgroup(draft, options)
    if options.gate is not None:
        from runtime.plan import network_policy

        network_policy.plan_network(draft, options.gate.network)
    if options.mode == "CREATE":
        uid = namespaces.host_id(draft, "uidMappings", 0) or 0
        gid = namespaces.host_id(draft, "gidMappings", 0) or 0
        draft.host.append(op("FIFO", "unable to make exec.fifo", dir=STATE, fifo=_FIFO, uid=uid, gid=gid))
    terminal.plan_notify_socket(draft, options)


def _parent(draft: Draft) -> None:
    namespaces.write_id_maps(draft)
    process.plan_oom_score(draft, draft.process.get("oomScoreAdj"))


def _setup(draft: Draft, options: "CreateOptions") -> None:
    notify, draft.setup = draft.setup, []
    draft.setup.append(op("SETSID", "unable to start a session"))
    # the cgroup's cpuset decides, not the mask of whoever started us (taskset before an engine's runtime)
    draft.setup.append(op("AFFINITY", "unable to reset the CPU affinity", "TOLERATE"))
    joins, draft.setup = draft.setup, []
    looks_at_mounts = options.gate is not None and options.gate.hierarchy != ""
    rootfs.plan_rootfs(draft, options.mode == "CREATE" or looks_at_mounts)
    mounts.plan_mounts(draft)
    draft.setup += notify
    devices.plan_devices(draft)
    rootfs.plan_masks(draft)
    mounting, draft.setup = draft.setup, joins
    # last of HOST: from here on the parent may stand in namespaces of the container
    namespaces.open_joined(draft)
    namespaces.unshare_cgroup(draft)
    if not options.no_new_keyring:
        draft.setup.append(op("KEYRING", "unable to join session keyring", name=f"_ses.{options.container_id}"))
    if "network" in draft.new or draft.joined.get("network") == namespaces.HELD:
        draft.setup.append(op("LO_UP", "unable to set the loopback interface up"))
    draft.setup += mounting


def _root(draft: Draft, options: "CreateOptions", terminal_wanted: bool) -> None:
    # createContainer hooks are in the stage already: they run before the root is left
    rootfs.enter_root(draft, options.no_pivot)
    terminal.plan_console(draft, terminal_wanted)
    rootfs.close_root(draft)
    process.plan_umask(draft)
    kernel_names.plan_names(draft)
    labels.plan_apparmor(draft)
    kernel_names.plan_sysctl(draft)
    if options.gate is not None:
        from runtime.plan import policy

        policy.hold_to_cgroup(draft, options.gate)
        policy.close_files(draft, options.gate)
    rootfs.restrict_paths(draft)
    if draft.process.get("noNewPrivileges"):
        draft.root.append(op("NO_NEW_PRIVS", "unable to set no_new_privs"))
    process.plan_scheduling(draft)
    process.plan_domain(draft)


def _final(draft: Draft, options: "CreateOptions", compiled: "Filter | None", env: list[str]) -> None:
    labels.plan_selinux(draft)
    seccomp.load_filter(draft, compiled, last=False)
    process.plan_ids_and_program(draft, options.gate, env)
    seccomp.load_filter(draft, compiled, last=True)


def _start(draft: Draft, options: "CreateOptions", env: list[str]) -> None:
    own_hooks, draft.start = draft.start, []
    if options.mode == "CREATE":
        draft.start.append(op("FIFO_WAIT", "unable to wait for start", fifo=_FIFO, proc=PROC))
    draft.start += own_hooks
    process.plan_execve(draft, env, options.listen_fds + options.preserve_fds)


def _flags(draft: Draft, options: "CreateOptions", terminal_wanted: bool) -> int:
    run = options.mode == "RUN"
    detached = not run or options.detach
    wanted = {
        "DETACH": run and options.detach,
        "TTY_PROXY": terminal_wanted and not detached,
        "KEEP": run and options.keep,
        "SUBREAPER": not detached and not options.no_subreaper,
        "USERNS": "user" in draft.new,
        "JOIN_USERNS": "user" in draft.joined,
        "OWN_PIDNS": "pid" in draft.new,
        "DEBUG": options.debug,
        "LOG_JSON": options.log_json,
        "RUNTIME_HOOKS": bool(draft.hooks),
        "KILL_ALL": "pid" not in draft.new,
        "ROOTLESS": options.rootless,
    }
    return sum(FLAGS[name] for name, given in wanted.items() if given)


def _assemble(draft: Draft, options: "CreateOptions", terminal_wanted: bool) -> LaunchPlan:
    """The plan's head; its stages follow."""
    head, tail = state.oci_state(draft, options)
    verb = "create" if options.mode == "CREATE" else "run"
    return LaunchPlan(
        options.mode,
        _flags(draft, options, terminal_wanted),
        namespaces.clone_flags(draft),
        {},
        options.container_id,
        options.root,
        f"runc {verb} failed: unable to start container process: ",
        options.log_path,
        draft.facts.cgroup_mount if draft.cgroup_path is not None else None,
        draft.cgroup_path,
        head,
        tail,
    )


def _finish(plan: LaunchPlan, draft: Draft) -> LaunchPlan:
    plan.stages.update(draft.stages())
    return plan
