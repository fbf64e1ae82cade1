"""HOT: mounts of the cgroup hierarchy that a container under a policy must not have: by name in the config, and as init looks for them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# what init looks for
OUTSIDE = "outside"  # writable ones that lead out of the container's cgroup
REMOUNTABLE = "remountable"  # read-only ones that lead out, too: the container could make them writable
EVERY = "every"  # every writable one: the container sees the host's cgroups
OWN = "own"  # every writable one: without nsdelegate its own limits are in there

_HIERARCHY = "/sys/fs/cgroup/"
_READ_ONLY, _WRITABLE = ("ro", "rro"), ("rw", "rrw")


def owner_rows(linux: "Mapping[str, Any]", euid: int) -> "list[Mapping[str, Any]]":
    """The rows of uidMappings that give a container the user who makes cgroups (`euid`), and so owns what is in them."""
    rows = linux.get("uidMappings") or ()
    return [row for row in rows if row["hostID"] <= euid < row["hostID"] + row["size"]]


def is_bound(mount: "Mapping[str, Any]") -> bool:
    """Whether a mount of the config is a bind mount."""
    options = mount.get("options") or ()
    return "bind" in options or "rbind" in options or mount.get("type") in ("bind", "rbind")


def opens_hierarchy(mount: "Mapping[str, Any]") -> bool:
    """Whether a mount of the config brings the host's hierarchy in without being read-only, with all that is mounted below."""
    options = mount.get("options") or ()
    bound = is_bound(mount)
    brings = mount.get("type") in ("cgroup", "cgroup2") and not bound
    if bound:
        source = (mount.get("source") or "").rstrip("/") + "/"
        brings = source.startswith(_HIERARCHY) or _HIERARCHY.startswith(source)
    closing = ("rro",) if "rbind" in options or mount.get("type") == "rbind" else _READ_ONLY
    read_only = False
    for word in options:
        read_only = word in closing or (read_only and word not in _WRITABLE)
    return brings and not read_only
