"""Ways in which a config would let a container leave what its policy stands on: somebody else's mounts, or its cgroup.  Pure."""

from runtime.policy.patterns import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.policy.enforcement import Findings

_HIERARCHY = "/sys/fs/cgroup"
_READ_ONLY, _WRITABLE = ("ro", "rro"), ("rw", "rrw")


def check_mount_view(findings: "Findings") -> None:
    """Mounts hold in one mount namespace, and another process's root leads out of it (/proc/PID/root)."""
    spaces = {space["type"]: space.get("path") for space in findings.linux.get("namespaces") or ()}
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


def check_cgroup_view(findings: "Findings", tightened: "Mapping[str, Any]", *, judged: bool) -> None:
    """Limits, network programs and time limits hold for a cgroup: a container that sees the whole hierarchy must not write to it.

    In a cgroup namespace of its own it can only move to cgroups below.  `tightened` has the capabilities that it is left with.
    """
    spaces = [space["type"] for space in findings.linux.get("namespaces") or () if not space.get("path")]
    if not findings.config or "cgroup" in spaces:
        return
    from runtime.policy.enforcement import lacks_controller  # this module is also loaded where nothing is lowered

    sets = (tightened.get("process") or {}).get("capabilities") or {}
    why = None
    if any(opens_hierarchy(mount) for mount in findings.config.get("mounts") or ()):
        why = "the config mounts the host's cgroups writable"
    elif any("CAP_SYS_ADMIN" in (names or ()) for names in sets.values()):
        why = "with CAP_SYS_ADMIN the host's cgroups can be mounted"
    for layer in findings.layers if why else ():
        network = layer.get("network") or {}
        text = f"needs a cgroup namespace of the container's own: {why}"
        if judged and network:
            findings.impossible(layer, network["rule"], text)
        if any(lacks_controller(findings, name) is None for name in layer.get("resources") or ()):
            findings.impossible(layer, "resources", text)
        if (layer.get("limits") or {}).get("wall_time_ms"):
            findings.impossible(layer, "limits.wall_time", text)


def opens_hierarchy(mount: "Mapping[str, Any]") -> bool:
    """Whether a mount of the config brings the host's hierarchy in without being read-only."""
    options = mount.get("options") or ()
    source = (mount.get("source") or "").rstrip("/") or "/"
    bound = "bind" in options or "rbind" in options or mount.get("type") in ("bind", "rbind")
    brings = mount.get("type") in ("cgroup", "cgroup2") and not bound
    brings = brings or (bound and (below(source, _HIERARCHY) or below(_HIERARCHY, source)))
    read_only = False
    for word in options:
        read_only = word in _READ_ONLY or (read_only and word not in _WRITABLE)
    return brings and not read_only
