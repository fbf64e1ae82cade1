"""hooks: the programs of the container's life, each in its stage and namespace.

prestart and createRuntime run in the runtime's namespaces while init waits, createContainer in the container's before
pivot_root, startContainer after start and before the program, poststart and poststop in the runtime's again; for a
created container these two wait in hooks.plan, an image of their own that start and delete run.
Source: config.md#posix-platform-hooks, runtime.md#lifecycle.
"""

from runtime.plan.draft import STATE, Draft
from runtime.plan.encode import encode_plan
from runtime.plan.launch_plan import LaunchPlan, Op, op
from runtime.plan.layout import FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from oci_schemas._types import Hook

SAVED_NAME = "hooks.plan"
_KEPT_FLAGS = FLAGS["DEBUG"] | FLAGS["LOG_JSON"] | FLAGS["ROOTLESS"]
# the state's status that each hook sees
_STATUS = {
    "prestart": "creating",
    "createRuntime": "creating",
    "createContainer": "creating",
    "startContainer": "created",
    "poststart": "running",
    "poststop": "stopped",
}
_IN_CONTAINER = ("createContainer", "startContainer")


def plan_hooks(draft: Draft, env: list[str]) -> None:
    """Every hook into its stage; `env` is the process's, for hooks in the container that have none of their own."""
    if not draft.config.get("hooks"):
        return
    for name, stage in (
        ("prestart", draft.hooks),
        ("createRuntime", draft.hooks),
        ("createContainer", draft.root),
        ("startContainer", draft.start),
        ("poststart", draft.post),
        ("poststop", draft.stop),
    ):
        for index, hook in enumerate(draft.config["hooks"].get(name) or ()):
            stage.append(_hook(name, index, hook, env))


def _hook(name: str, index: int, hook: "Hook", env: list[str]) -> Op:
    label = f"{name} hook #{index}"
    flags = "WARN" if name == "poststop" else ""
    own = hook.get("env")
    if own is None:
        own = env if name in _IN_CONTAINER else []
        flags = flags if name in _IN_CONTAINER else (flags + " INHERIT_ENV").lstrip()
    return op(
        "HOOK",
        f"error running {label}",
        flags,
        timeout_ms=(hook.get("timeout") or 0) * 1000,
        path=hook["path"],
        label=label,
        kind=_STATUS[name],
        blob=(tuple(hook.get("args") or (hook["path"],)), tuple(own)),
    )


def save_later_hooks(draft: Draft, plan: LaunchPlan) -> Op | None:
    """HOST: the operation that saves poststart and poststop beside the state; None without any."""
    if not draft.post and not draft.stop:
        return None
    later = LaunchPlan(
        "HOOKS",
        plan.flags & _KEPT_FLAGS,
        0,
        {"POST": draft.post, "STOP": draft.stop},
        plan.container_id,
        plan.root,
        "",
        plan.log_path,
        plan.cgroup_mount,
        plan.cgroup_path,
        plan.state_head,
        plan.state_tail,
    )
    try:
        image = encode_plan(later)
    except ValueError as error:
        draft.refuse("/hooks", str(error))
        return None
    return op("SAVE_FILE", f"unable to save {SAVED_NAME}", dir=STATE, mode=0o600, name=SAVED_NAME, blob=image)
