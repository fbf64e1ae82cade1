"""The plan of exec: one more process in a container that runs.  The order of things, as in `compile`.

What belongs to the container rather than to one process (namespaces, seccomp, personality, NUMA policy) comes from the
config that was saved at create; the rest from the process given.  The container's init is reached by a pidfd whose start
time was checked, never by its number alone.
Source: runc's exec, setns(2), pidfd_open(2).
"""

from runtime.abi.namespaces import CLONE_NEWUSER, NAMESPACES
from runtime.plan import identity, labels, process, seccomp, state, terminal
from runtime.plan._shapes import SLOTS
from runtime.plan.cpu_list import parse_mask
from runtime.plan.draft import CGROUP, PROC, Draft
from runtime.plan.launch_plan import LaunchPlan, op
from runtime.plan.layout import FLAGS
from runtime.plan.paths import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.host.facts import HostFacts
    from runtime.plan.options import ExecOptions
    from runtime.seccomp.program import Filter

_PIDFD = SLOTS["INIT_PIDFD"]
# what holds for every process of the container unless the one that joins says otherwise
_INHERITED = ("oomScoreAdj", "scheduler", "ioPriority", "rlimits", "capabilities", "apparmorProfile", "selinuxLabel")


def compile_exec(  # noqa: PLR0913, PLR0917 - the five inputs that decide, and the list that warnings go to
    process_section: "Mapping[str, Any]",
    config: "Mapping[str, Any]",
    options: "ExecOptions",
    facts: "HostFacts",
    compiled: "Filter | None",
    warnings: list[str] | None = None,
) -> LaunchPlan:
    """The plan of exec for a validated process in the container that `config` (as saved) describes.

    Raises: ConfigError with every violation, else FeatureMissing, NotBuilt or UsageError.
    """
    draft = Draft(config, options, facts, [] if warnings is None else warnings)
    draft.document = "process"
    draft.process = _merged(process_section, draft.process)
    for index, namespace in enumerate(draft.linux.get("namespaces") or ()):
        draft.new[namespace["type"]] = index
    if not process.check_process(draft):
        draft.check()
    terminal_wanted = terminal.check_terminal(draft, options.detach)
    identity.check_user(draft)
    env = process.environment(draft)
    _host(draft, options)
    process.plan_oom_score(draft, draft.process.get("oomScoreAdj"))
    _setup(draft, options)
    _root(draft, terminal_wanted)
    process.plan_rlimits(draft)
    labels.plan_selinux(draft)
    seccomp.load_filter(draft, compiled, last=False)
    process.plan_ids_and_program(draft, options.gate, env)
    seccomp.load_filter(draft, compiled, last=True)
    seccomp.send_listener(draft, compiled, options.gate)
    terminal.announce(draft, "setns")
    process.plan_execve(draft, env, options.preserve_fds)
    draft.check()
    return _assemble(draft, options, terminal_wanted)


def _merged(given: "Mapping[str, Any]", container: "Mapping[str, Any]") -> "dict[str, Any]":
    merged = dict(given)
    for name in _INHERITED:
        if merged.get(name) in (None, "", []) and container.get(name) is not None:
            merged[name] = container[name]
    umask = (container.get("user") or {}).get("umask")
    user = merged.get("user") or {}
    if umask is not None and user.get("umask") is None:
        merged["user"] = {**user, "umask": umask}
    return merged


def _affinity(draft: Draft, name: str) -> tuple[int, ...] | None:
    """process.execCPUAffinity, `initial` or `final`, as a mask; None when absent."""
    text = (draft.process.get("execCPUAffinity") or {}).get(name)
    if not text:
        return None
    try:
        mask = parse_mask(text)
    except ValueError as error:
        draft.refuse(f"/process/execCPUAffinity/{name}", str(error))
        return None
    if not mask:
        draft.refuse(f"/process/execCPUAffinity/{name}", "names no CPU")
    return mask or None


def _host(draft: Draft, options: "ExecOptions") -> None:
    no_init = "unable to reach the container's init"
    draft.host.append(op("PIDFD_OPEN", no_init, pidfd=_PIDFD, pid=options.init_pid, start_time=options.init_start_time))
    terminal.connect_sockets(draft)
    if options.cgroup_mount is not None and options.cgroup_path is not None:
        path = options.cgroup_path + (clean(options.cgroup) if options.cgroup else "")
        what = f'unable to open the cgroup "{path}"'
        # a rootless container may have been made without one; a cgroup that was named must be there
        flags = "OPTIONAL TOLERATE" if options.rootless and not options.cgroup else ""
        draft.host.append(op("OPEN_PATH", what, flags, fd=CGROUP, path=options.cgroup_mount + clean(path)))
    initial = _affinity(draft, "initial")
    if initial is not None:
        draft.host.append(op("AFFINITY", "unable to set the initial CPU affinity", blob=initial))
    # all at once and before the clone, by the intermediate: a process that the container can see must not have the host's
    # root and working directory any more (CVE-2016-9962)
    types = 0
    for kind in draft.new:
        types |= NAMESPACES[kind]
    types &= ~CLONE_NEWUSER
    draft.host.append(op("SETNS", "unable to join the container's namespaces", ns=_PIDFD, types=types))


def _setup(draft: Draft, options: "ExecOptions") -> None:
    setup = draft.setup
    setup.append(op("SETSID", "unable to start a session"))
    final = _affinity(draft, "final")
    if final is not None:
        setup.append(op("AFFINITY", "unable to set the final CPU affinity", blob=final))
    elif not draft.process.get("execCPUAffinity"):
        setup.append(op("AFFINITY", "unable to reset the CPU affinity", "TOLERATE"))
    if labels.needs_labels(draft):
        setup.append(op("PRIVATE_PROC", "error opening a private procfs", proc=PROC))
    if not options.no_new_keyring:
        setup.append(op("KEYRING", "unable to join session keyring", name=f"_ses.{options.container_id}"))


def _root(draft: Draft, terminal_wanted: bool) -> None:
    terminal.plan_console(draft, terminal_wanted)
    process.plan_umask(draft)
    labels.plan_apparmor(draft)
    if draft.process.get("noNewPrivileges"):
        draft.root.append(op("NO_NEW_PRIVS", "unable to set no_new_privs"))
    process.plan_scheduling(draft)
    process.plan_domain(draft)


def _assemble(draft: Draft, options: "ExecOptions", terminal_wanted: bool) -> LaunchPlan:
    wanted = {
        "DETACH": options.detach,
        "TTY_PROXY": terminal_wanted and not options.detach,
        "JOIN_USERNS": "user" in draft.new,
        "DEBUG": options.debug,
        "LOG_JSON": options.log_json,
        "ROOTLESS": options.rootless,
    }
    head, tail = state.oci_state(draft, options)
    return LaunchPlan(
        "EXEC",
        sum(FLAGS[name] for name, given in wanted.items() if given),
        0,
        draft.stages(),
        options.container_id,
        options.root,
        "exec failed: unable to start container process: ",
        options.log_path,
        options.cgroup_mount,  # where a process goes that its cgroup refuses: beside init
        None,
        head,
        tail,
    )
