"""`process`: arguments, environment, limits and scheduling.

Source: config.md#process, config.md#posix-process, config.md#linux-process.
"""

from _struct import pack

from runtime.abi.limits import RLIMITS
from runtime.abi.scheduling import (
    IOPRIO_CLASS_SHIFT,
    IOPRIO_CLASSES,
    MPOL_FLAGS,
    MPOL_MODES,
    PERSONALITIES,
    SCHED_ATTR,
    SCHED_ATTR_SIZE,
    SCHED_FLAGS,
    SCHED_POLICIES,
)
from runtime.plan.cpu_list import parse_mask
from runtime.plan.draft import Draft
from runtime.plan.identity import plan_identity
from runtime.plan.launch_plan import op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.plan.options import Gate

_DEFAULT_UMASK = 0o022


def check_process(draft: Draft) -> bool:
    """Refuse what cannot be run at all; False when nothing further can be said about the process."""
    if not draft.process:
        draft.refuse("/process", "process property must not be empty")
    elif not draft.process.get("args"):
        draft.refuse("/process/args", "args must not be empty")
    elif not draft.process["args"][0]:
        draft.refuse("/process/args/0", "executable path is empty")
    else:
        return True
    return False


def environment(draft: Draft) -> list[str]:
    """process.env: of two entries for one name the last counts, and keeps its place; an empty HOME is none."""
    entries: dict[str, str] = {}
    for entry in draft.process.get("env") or ():
        name = entry[: entry.find("=")]
        entries.pop(name, None)
        entries[name] = entry
    if entries.get("HOME") == "HOME=":
        del entries["HOME"]
    return list(entries.values())


def executable_candidates(name: str, env: list[str]) -> tuple[str, ...]:
    """Where to look for argv[0]: itself when it has a slash, else in each absolute directory of $PATH."""
    if "/" in name:
        return (name,)
    for entry in env:
        if entry.startswith("PATH="):
            return tuple(
                f"{directory.rstrip('/')}/{name}" for directory in entry[5:].split(":") if directory[:1] == "/"
            )
    return ()


def plan_ids_and_program(draft: Draft, gate: "Gate | None", env: list[str]) -> None:
    """FINAL: the ids, and the program found as they see it; Landlock's rules are made before and hold after."""
    if gate is None or gate.landlock is None:
        plan_identity(draft)
        plan_executable(draft, env)
        return
    from runtime.plan.policy import landlock_restrict, landlock_rules

    ruleset = landlock_rules(draft, gate.landlock)
    plan_identity(draft)
    plan_executable(draft, env)
    landlock_restrict(draft, ruleset)


def plan_executable(draft: Draft, env: list[str]) -> None:
    """FINAL: HOME when the config has none, and the program to run."""
    if not any(entry.startswith("HOME=") for entry in env):
        uid = (draft.process.get("user") or {}).get("uid") or 0
        draft.final.append(op("HOME", "unable to find the user's home directory", uid=uid))
    name = draft.process["args"][0]
    flags = "ABSOLUTE" if "/" in name else ""
    draft.final.append(op("EXEC_PATH", f'exec: "{name}"', flags, name=name, blob=executable_candidates(name, env)))


def plan_execve(draft: Draft, env: list[str], kept_fds: int) -> None:
    """START, last: which descriptors stay, then the program; the spare place in its environment is for HOME."""
    args = tuple(draft.process["args"])
    draft.start.append(op("KEEP_FDS", "unable to close descriptors", count=kept_fds))
    spare = 0 if any(entry.startswith("HOME=") for entry in env) else 1
    draft.start.append(op("EXECVE", f"exec {args[0]}", blob=(args, tuple(env)), spare=spare))


def plan_rlimits(draft: Draft) -> None:
    """READY: limits are set by the parent: init must not run into them before the program starts."""
    seen = set()
    for index, rlimit in enumerate(draft.process.get("rlimits") or ()):
        kind = rlimit["type"]
        number = RLIMITS.get(kind)
        if number is None or kind in seen:
            draft.refuse(
                f"/process/rlimits/{index}/type", f"{'duplicated' if kind in seen else 'invalid'} rlimit {kind}"
            )
            continue
        seen.add(kind)
        what = f"error setting rlimits for ready process: error setting {kind}"
        # what a policy bounds and the config leaves alone may be lower already
        flags = "OPTIONAL" if rlimit.get("only_lower") else ""
        draft.ready.append(op("RLIMIT", what, flags, resource=number, soft=rlimit["soft"], hard=rlimit["hard"]))


def plan_oom_score(draft: Draft, value: int | None) -> None:
    """PARENT: oom_score_adj, untouched when the config does not say."""
    if value is not None:
        # lowering it needs a right that an unprivileged caller, and root of a user namespace, has not
        flags = (
            "" if draft.facts.initial_userns and draft.facts.euid == 0 and not draft.options.rootless else "TOLERATE"
        )
        draft.parent.append(op("OOM_SCORE", f"unable to set oom_score_adj to {value}", flags, value=value))


def plan_umask(draft: Draft) -> None:
    """ROOT: the umask; 0022 when the config does not say, as engines expect."""
    mask = (draft.process.get("user") or {}).get("umask")
    draft.root.append(op("UMASK", "unable to set the umask", mask=_DEFAULT_UMASK if mask is None else mask & 0o777))


def plan_scheduling(draft: Draft) -> None:
    """ROOT: scheduler and I/O priority of the process."""
    scheduler = draft.process.get("scheduler")
    if scheduler:
        flags = 0
        for word in scheduler.get("flags") or ():
            flags |= SCHED_FLAGS[word]
        attributes = pack(
            SCHED_ATTR,
            SCHED_ATTR_SIZE,
            SCHED_POLICIES[scheduler["policy"]],
            flags,
            scheduler.get("nice") or 0,
            scheduler.get("priority") or 0,
            scheduler.get("runtime") or 0,
            scheduler.get("deadline") or 0,
            scheduler.get("period") or 0,
            0,
            0,
        )
        draft.root.append(op("SCHEDULER", "error setting scheduler", blob=attributes))
    io_priority = draft.process.get("ioPriority")
    if io_priority:
        value = IOPRIO_CLASSES[io_priority["class"]] << IOPRIO_CLASS_SHIFT | (io_priority.get("priority") or 0)
        draft.root.append(op("IOPRIO", "failed to set io priority", value=value))


def plan_domain(draft: Draft) -> None:
    """ROOT: execution domain and NUMA policy, both of the container rather than of one process."""
    personality = draft.linux.get("personality")
    if personality:
        persona = PERSONALITIES[personality["domain"]]
        draft.root.append(op("PERSONALITY", "unable to set the personality", persona=persona))
    policy = draft.linux.get("memoryPolicy")
    if policy:
        mode = MPOL_MODES[policy["mode"]]
        for word in policy.get("flags") or ():
            mode |= MPOL_FLAGS[word]
        try:
            mask = parse_mask(policy.get("nodes") or "")
        except ValueError as error:
            draft.refuse("/linux/memoryPolicy/nodes", str(error))
            return
        maxnode = len(mask) * 64 + 1 if mask else 0  # the kernel reads one bit less than it is told
        draft.root.append(op("MEMPOLICY", "failed to set the memory policy", mode=mode, maxnode=maxnode, blob=mask))
