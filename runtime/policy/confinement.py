"""Ways in which a config would let a container leave what its policy stands on: somebody else's mounts, or its cgroup.  Pure."""

from runtime.abi.namespaces import named_namespaces
from runtime.policy.hierarchy import EVERY, OUTSIDE, OWN, REMOUNTABLE, is_bound, opens_hierarchy, owner_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.policy.enforcement import Findings, Layer
    from runtime.policy.sections import Section

_REMOUNTING = ("mount", "mount_setattr", "open_tree_attr")  # by which what is read-only becomes writable
NEEDS_READ_ONLY = "needs a read-only cgroup mount: this host's hierarchy is mounted without nsdelegate, so that limits could be changed in it"
_PASSING = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY")


def check_mount_view(findings: "Findings") -> None:
    """Mounts hold in one mount namespace, and another process's root leads out of it (/proc/PID/root)."""
    spaces = named_namespaces(findings.linux)
    if not findings.config:
        return  # no container: a policy alone is explained
    for kind, why in (
        ("mount", "a mount namespace of its own, whose mounts can be closed"),
        ("pid", "a pid namespace of its own: through /proc other processes' roots could be reached"),
    ):
        if spaces.get(kind, "absent") is not None:
            for layer in findings.layers:
                if layer.get("filesystem") or layer.get("exec") is not None:
                    findings.impossible(layer, None, f"rules for files need {why}")


def check_cgroup_view(
    findings: "Findings", tightened: "Mapping[str, Any]", sections: "Sequence[Section]", *, judged: bool
) -> str:
    """Limits, network programs and time limits hold for a cgroup: a container that sees the whole hierarchy must not write to it.

    What it mounts in a cgroup namespace of its own begins at its own cgroup, but a bind mount brings what the host sees.
    That clone3 does not place a child by a read-only mount is `lower_syscalls`'.  `tightened` has the capabilities that are left.
    What the config says by name is judged here; returned is which mounts init has to look for when all are there, whatever they
    are called: writable ones that lead OUTSIDE, those that can be made so (REMOUNTABLE), EVERY writable one, all of its OWN as well
    where `opens_limits` says so, or "".
    """
    own = _has_own_cgroup(findings)
    if not findings.config or (own and not _has_owner(findings)):
        return ""
    held = _held_by_cgroup(findings, judged)
    sets = (tightened.get("process") or {}).get("capabilities") or {}
    mounts = [mount for mount in findings.config.get("mounts") or () if not own or is_bound(mount)]
    why = None
    if any(opens_hierarchy(mount) for mount in mounts):
        why = "the config mounts the host's cgroups writable"
    elif not own and any("CAP_SYS_ADMIN" in (names or ()) for names in sets.values()):
        why = "with CAP_SYS_ADMIN the host's cgroups can be mounted"
    advice = "cannot be held to its cgroup" if own else "needs a cgroup namespace of the container's own"
    for layer, rule in held if why else ():
        findings.impossible(layer, rule, f"{advice}: {why}")
    if not held or not own:
        return EVERY if held else ""
    if opens_limits(findings):
        _check_own_mounts(findings, held)
        return OWN
    admin = any("CAP_SYS_ADMIN" in (names or ()) for names in sets.values())
    can_remount = admin and not all(any(_denies(section, name) for section in sections) for name in _REMOUNTING)
    return REMOUNTABLE if can_remount else OUTSIDE


def opens_limits(findings: "Findings") -> bool:
    """Whether the container could change limits of a policy in a writable mount of its own cgroup.

    Without the mount option nsdelegate, a cgroup namespace leaves them to whoever owns the files.
    """
    from runtime.policy.enforcement import lacks_controller

    if (
        findings.facts.nsdelegate
        or findings.mode == "audit"
        or (_has_own_cgroup(findings) and not _has_owner(findings))
    ):
        return False
    return any(
        lacks_controller(findings, name) is None for layer in findings.layers for name in layer.get("resources") or ()
    )


def _has_own_cgroup(findings: "Findings") -> bool:
    spaces = named_namespaces(findings.linux)
    return "cgroup" in spaces and spaces["cgroup"] is None


def _has_owner(findings: "Findings") -> bool:
    """Whether somebody in the container owns cgroups; to a user namespace without that user they belong to nobody."""
    return "user" not in named_namespaces(findings.linux) or bool(owner_rows(findings.linux, findings.facts.euid))


def _check_own_mounts(findings: "Findings", held: "Sequence[tuple[Layer, int | str]]") -> None:
    """What mounts the container's own cgroup by name, and could be read-only."""
    if any(opens_hierarchy(mount) for mount in findings.config.get("mounts") or ()):
        for layer, rule in held:
            if rule == "resources":
                findings.impossible(layer, rule, NEEDS_READ_ONLY)


def _denies(section: "Section", name: str) -> bool:
    """Whether a section denies a call whatever its arguments are."""
    entries = [entry for entry in section["syscalls"] if name in entry["names"]]
    if entries:
        return any(not entry.get("args") and entry["action"] not in _PASSING for entry in entries)
    return section.get("otherwise", section["defaultAction"]) not in _PASSING


def _held_by_cgroup(findings: "Findings", judged: bool) -> "list[tuple[Layer, int | str]]":
    """The rules that hang on the container's cgroup, with their layers."""
    from runtime.policy.enforcement import lacks_controller  # this module is also loaded where nothing is lowered

    held: list[tuple[Layer, int | str]] = []
    for layer in findings.layers:
        network = layer.get("network") or {}
        if judged and network:
            held.append((layer, network["rule"]))
        if any(lacks_controller(findings, name) is None for name in layer.get("resources") or ()):
            held.append((layer, "resources"))
        if (layer.get("limits") or {}).get("wall_time_ms"):
            held.append((layer, "limits.wall_time"))
    return held
