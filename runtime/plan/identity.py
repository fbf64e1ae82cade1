"""process.user and process.capabilities: who the process is and what it may do.

Capabilities that are unknown, or that we do not hold ourselves, cannot be given: the specification wants a warning.
Source: config.md#posix-platform-user, config.md#linux-process, capabilities(7).
"""

from runtime.abi.capabilities import CAPABILITY_BITS, capability_names
from runtime.plan.draft import Draft
from runtime.plan.launch_plan import op
from runtime.plan.namespaces import host_id

_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
KEEP_GROUPS_ANNOTATION = "run.oci.keep_original_groups"


def check_user(draft: Draft) -> None:
    """Refuse ids that a new user namespace does not map: setuid(2) would fail on them."""
    if "user" not in draft.new:
        return
    user = draft.process.get("user") or {}
    for name, maps in (("uid", "uidMappings"), ("gid", "gidMappings")):
        value = user.get(name) or 0
        if draft.linux.get(maps) and host_id(draft, maps, value) is None:
            draft.refuse(f"/process/user/{name}", f"{name} {value} is not mapped in the user namespace")
    for index, gid in enumerate(user.get("additionalGids") or ()):
        if draft.linux.get("gidMappings") and host_id(draft, "gidMappings", gid) is None:
            draft.refuse(f"/process/user/additionalGids/{index}", f"gid {gid} is not mapped in the user namespace")


def capability_sets(draft: Draft) -> dict[str, int]:
    """The five sets as bits, reduced to what can be given; what had to go is warned about."""
    asked = draft.process.get("capabilities") or {}
    known = (1 << draft.facts.last_capability + 1) - 1
    held = _granted(draft)
    sets: dict[str, int] = {}
    missing: dict[str, None] = {}
    for name in _SETS:
        bits = 0
        for word in asked.get(name) or ():
            bit = CAPABILITY_BITS.get(word, 0) & known
            if not bit:
                missing[word] = None
            bits |= bit
        sets[name] = bits
    if missing:
        draft.warn(f"ignoring unknown or unavailable capabilities: [{' '.join(missing)}]")
    asked_for = sets["permitted"] | sets["effective"] | sets["inheritable"] | sets["ambient"]
    if asked_for & ~held:
        draft.warn(f"ignoring capabilities that cannot be granted: [{' '.join(capability_names(asked_for & ~held))}]")
    # what each set cannot exceed (capabilities(7)), in the order in which the sets depend on each other
    _limit(draft, sets, "permitted", held)
    _limit(draft, sets, "effective", held & sets["permitted"])
    _limit(draft, sets, "inheritable", held & sets["bounding"])
    _limit(draft, sets, "ambient", sets["permitted"] & sets["inheritable"])
    return sets


def _limit(draft: Draft, sets: dict[str, int], name: str, bound: int) -> None:
    """Reduce a set; what the process could have had but for the other sets is worth a line."""
    beyond = sets[name] & ~bound
    sets[name] &= bound
    if name != "permitted" and beyond & _granted(draft):
        names = " ".join(capability_names(beyond & _granted(draft)))
        draft.warn(f"ignoring capabilities in the {name} set that other sets do not allow: [{names}]")


def _granted(draft: Draft) -> int:
    """The capabilities that a process of this container can have at all."""
    known = (1 << draft.facts.last_capability + 1) - 1
    return known if draft.has("user") else draft.facts.capabilities & known


def plan_identity(draft: Draft) -> None:
    """FINAL: capabilities, ids, and the working directory both before and after the ids change."""
    user = draft.process.get("user") or {}
    uid, gid = user.get("uid") or 0, user.get("gid") or 0
    groups = tuple(user.get("additionalGids") or ())
    cwd = draft.process.get("cwd") or "/"
    sets = capability_sets(draft)
    final = draft.final
    no_cwd = f'chdir to cwd ("{cwd}") set in config.json failed'
    # as root first: a directory that only root may enter; where root's rights do not reach, as the user
    final.append(op("CHDIR", no_cwd, "OPTIONAL", path=cwd))
    final.append(op("CAP_BOUNDING", "unable to apply bounding set", keep=sets["bounding"]))
    final.append(op("STDIO_OWNER", "unable to setup user: unable to change the owner of stdio", uid=uid))
    keep = _keeps_groups(draft)
    if keep and groups and draft.facts.euid != 0:
        draft.refuse("/process/user/additionalGids", "cannot set any additional groups in a rootless container")
    flags = "KEEP_GROUPS" if keep else "TOLERATE" if _may_be_denied(draft) else ""
    final.append(op("SET_IDS", "unable to setup user", flags, uid=uid, gid=gid, blob=groups))
    final.append(op("CHDIR", no_cwd, path=cwd))
    final.append(
        op(
            "CAP_SET",
            "unable to apply caps",
            effective=sets["effective"],
            permitted=sets["permitted"],
            inheritable=sets["inheritable"],
            ambient=sets["ambient"],
        )
    )


def _may_be_denied(draft: Draft) -> bool:
    """Whether setgroups(2) may be denied: in a user namespace whose maps an unprivileged process wrote."""
    return draft.has("user") or draft.options.rootless or not draft.facts.initial_userns


def _keeps_groups(draft: Draft) -> bool:
    """crun's annotation, or an unprivileged caller, who may not call setgroups(2)."""
    annotations = draft.config.get("annotations") or {}
    return annotations.get(KEEP_GROUPS_ANNOTATION) in ("1", "true") or draft.facts.euid != 0
