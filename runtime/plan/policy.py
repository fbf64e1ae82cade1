"""A policy's mounts, Landlock rules and files, as operations; its config and its filter are planned like any others.

Mounts: the places that stay open are cloned with all that is mounted in them, then the whole tree is closed, then the clones are put
back.  So what is mounted somewhere below without our knowing ends up closed unless it lies in such a place, and nothing becomes more
open than it was.  Nothing arrives later either: the tree is private from then on.
Landlock: the rules are made while the paths can still be reached as root, the restriction comes right before the last filter.
"""

from runtime.abi.mounts import MOUNT_ATTR_NOEXEC, MOUNT_ATTR_RDONLY
from runtime.errors import PolicyError
from runtime.plan.draft import PROC, STATE, Draft
from runtime.plan.launch_plan import op
from runtime.plan.layout import PLACES_MAX
from runtime.plan.options import Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.policy.lower_landlock import Landlock

SAVED_NAME, TABLE_NAME = "policy.bin", "broker.table"


def save_policy(draft: Draft, gate: Gate) -> None:
    """PARENT: what exec needs to know, and what the broker decides by; both are there before a listener is sent."""
    for name, data in ((SAVED_NAME, gate.saved), (TABLE_NAME, gate.table)):
        if data:
            draft.parent.append(op("SAVE_FILE", f"unable to save {name}", dir=STATE, mode=0o600, name=name, blob=data))


def hold_to_cgroup(draft: Draft, gate: Gate) -> None:
    """ROOT: nothing that was mounted, by whatever path, may bring a part of the hierarchy in that the container must not write to."""
    if gate.hierarchy:
        from runtime.policy.hierarchy import EVERY, OWN, REMOUNTABLE

        what = {
            EVERY: "policy: needs a cgroup namespace of the container's own",
            OWN: "policy: cannot keep its limits",
        }.get(gate.hierarchy, "policy: cannot be held to its cgroup")
        every = {EVERY: 1, OWN: 2}.get(gate.hierarchy, 0)
        draft.root.append(op("CGROUP_VIEW", what, proc=PROC, any=every, read_only=int(gate.hierarchy == REMOUNTABLE)))


def close_files(draft: Draft, gate: Gate) -> None:
    """ROOT: everything read-only and noexec but the places that the policy opens."""
    if not gate.points:
        return
    (_, *closed), *places = gate.points
    if len(places) > PLACES_MAX:
        draft.block(PolicyError([f"more than {PLACES_MAX} paths that are opened need a mount of their own"]))
        return
    words: list[str] = []
    for path, read_only, no_exec in places:
        words += (str(_attributes(read_only, no_exec)), path)
    what = "policy: unable to close the root filesystem"
    draft.root.append(op("CLOSE_FILES", what, set=_attributes(*closed), blob=tuple(words)))


def _attributes(read_only: bool, no_exec: bool) -> int:
    return (MOUNT_ATTR_RDONLY if read_only else 0) | (MOUNT_ATTR_NOEXEC if no_exec else 0)


def landlock_rules(draft: Draft, rules: "Landlock") -> int:
    """FINAL, before the ids change: the ruleset; its slot for `landlock_restrict`."""
    fs, net, scoped, paths, ports = rules
    slot = draft.slot()
    final = draft.final
    what = "policy: unable to make a Landlock ruleset"
    final.append(op("LANDLOCK_RULESET", what, ruleset=slot, fs=fs, net=net, scoped=scoped))
    for access, path in paths:
        what = f'policy: unable to allow "{path}" by Landlock'
        final.append(op("LANDLOCK_PATH", what, "OPTIONAL", ruleset=slot, access=access, path=path))
    for access, port in ports:
        what = f"policy: unable to allow port {port} by Landlock"
        final.append(op("LANDLOCK_PORT", what, ruleset=slot, access=access, port=port))
    return slot


def landlock_restrict(draft: Draft, slot: int) -> None:
    """FINAL, before the last filter."""
    draft.final.append(op("LANDLOCK_RESTRICT", "policy: unable to restrict init by Landlock", ruleset=slot))
