"""linux.namespaces, user mappings and time offsets: which are made, which are joined, by whom and when.

Made: by the clone itself, except the cgroup namespace (unshared once init sits in its cgroup) and the time namespace
((unshared before the clone, because its offsets must be set while nobody lives in it).  Joined: by init in SETUP, or,
as SETNS in HOST, by the intermediate process that the executor then clones init from: the pid namespace, because only
children enter it, and with a *new* user namespace all of them, because init's rights end at that namespace's edge.
Source: config-linux.md#namespaces, namespaces(7), time_namespaces(7).
"""

from runtime.abi.capabilities import CAP_SETGID, CAP_SETUID
from runtime.abi.namespaces import CLONE_NEWCGROUP, CLONE_NEWTIME, NAMESPACES
from runtime.errors import FeatureMissing, NetworkError, NotBuilt
from runtime.plan._shapes import SLOTS
from runtime.plan.draft import Draft
from runtime.plan.launch_plan import op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from oci_schemas._types import IDMapping
    from runtime.plan.launch_plan import Op

HELD = ""  # the path of a namespace that is held open for the plan: no config can name it
_CLONED = ("pid", "network", "mount", "ipc", "uts", "user")
_SETNS_BITS = CAP_SETUID | CAP_SETGID


def read_namespaces(draft: Draft) -> None:
    """Sort the config's namespaces into made and joined ones, and check what depends on them."""
    for index, namespace in enumerate(draft.linux.get("namespaces") or ()):
        kind = namespace["type"]
        if draft.has(kind):
            draft.refuse(f"/linux/namespaces/{index}/type", f'malformed spec file: duplicated ns "{kind}"')
        elif namespace.get("path"):
            draft.joined[kind] = namespace["path"]
        elif kind == "network" and getattr(draft.options, "network_fd", None) is not None:
            draft.joined[kind] = HELD
        else:
            draft.new[kind] = index
    _check_user_namespace(draft)
    _check_time_offsets(draft)
    _check_net_devices(draft)
    if not draft.has("mount"):
        draft.block(NotBuilt("a container without a mount namespace"))


def _check_user_namespace(draft: Draft) -> None:
    linux = draft.linux
    given = [name for name in ("uidMappings", "gidMappings") if linux.get(name)]
    if "user" in draft.new:
        for name, word in (("uidMappings", "uid"), ("gidMappings", "gid")):
            if name not in given:
                draft.refuse(f"/linux/{name}", f"user namespaces enabled, but no {word} mappings found")
    elif given and "user" not in draft.joined:
        message = "user namespace mappings specified, but user namespace isn't enabled in the config"
        draft.refuse(f"/linux/{given[0]}", message)
    elif not draft.has("user") and draft.facts.euid != 0:
        draft.refuse("/linux/namespaces", "rootless container requires user namespaces")


def _check_time_offsets(draft: Draft) -> None:
    if draft.linux.get("timeOffsets") and "time" not in draft.new:
        text = "time namespace offsets specified, but time namespace isn't enabled in the config"
        if "time" in draft.joined:
            text = "time namespace offsets specified, but the time namespace is joined by path"
        draft.refuse("/linux/timeOffsets", text)


def _check_net_devices(draft: Draft) -> None:
    """They are moved before the plan is carried out, into a namespace that is there by then."""
    if not draft.linux.get("netDevices"):
        return
    if "network" in draft.new:
        draft.block(NetworkError("linux.netDevices needs a network namespace that is made before the container"))
    elif "network" not in draft.joined:
        text = "network devices cannot be moved: the container shares the network of its caller"
        draft.refuse("/linux/netDevices", text)


def clone_flags(draft: Draft) -> int:
    """The CLONE_NEW* bits of init's clone."""
    flags = 0
    for kind in draft.new:
        if kind in _CLONED:
            flags |= NAMESPACES[kind]
    return flags


def map_text(mappings: "Sequence[IDMapping]") -> str:
    """Mappings as /proc/PID/uid_map takes them."""
    return "".join([f"{entry['containerID']} {entry['hostID']} {entry['size']}\n" for entry in mappings])


def host_id(draft: Draft, name: str, container_id: int) -> int | None:
    """What an id of the container is outside (`name` is uidMappings or gidMappings); None when it is not mapped."""
    if not draft.has("user"):
        return container_id
    for entry in draft.linux.get(name) or ():
        first, host, size = entry["containerID"], entry["hostID"], entry["size"]
        if first <= container_id < first + size:
            return int(host + container_id - first)
    return None


def open_joined(draft: Draft) -> None:
    """HOST, last of all: open what is joined, and do what must be done before init is cloned."""
    slots: dict[str, int] = {}
    for kind, path in draft.joined.items():
        slots[kind] = SLOTS["USERNS"] if kind == "user" else draft.slot()
        what = f'unable to join the {kind} namespace "{path}"'
        if path == HELD:
            fd = getattr(draft.options, "network_fd", None)
            what = "unable to join the network namespace that was set up"
            draft.host.append(op("HELD_NS", what, ns=slots[kind], fd=fd, type=NAMESPACES[kind]))
            continue
        draft.host.append(op("OPEN_NS", what, ns=slots[kind], type=NAMESPACES[kind], path=path))
    early = [kind for kind in slots if kind != "user" and (kind == "pid" or "user" in draft.new)]
    # the mount namespace last: it changes what every later path means
    early.sort(key="mount".__eq__)
    late = sorted((kind for kind in slots if kind not in early and kind != "user"), key="mount".__eq__)
    draft.host += [_setns(kind, slots[kind]) for kind in early]
    draft.setup += [_setns(kind, slots[kind]) for kind in late]
    if "time" in draft.new:
        _make_time_namespace(draft)


def _make_time_namespace(draft: Draft) -> None:
    """The parent's children get the new time namespace; hooks must not, so that it goes back once init is there."""
    own = draft.slot()
    what = "unable to set up the time namespace"
    draft.host.append(op("OPEN_NS", what, ns=own, type=CLONE_NEWTIME, path="/proc/self/ns/time"))
    draft.host.append(op("TIMENS", what, offsets=_time_offsets(draft)))
    draft.parent.append(op("SETNS", "unable to leave the time namespace", ns=own, types=CLONE_NEWTIME))


def _setns(kind: str, slot: int) -> "Op":
    return op("SETNS", f"unable to join the {kind} namespace", ns=slot, types=NAMESPACES[kind])


def _time_offsets(draft: Draft) -> str:
    lines = []
    for clock, offset in (draft.linux.get("timeOffsets") or {}).items():
        lines.append(f"{clock} {offset.get('secs') or 0} {offset.get('nanosecs') or 0}\n")
    return "".join(lines)


def unshare_cgroup(draft: Draft) -> None:
    """SETUP: the cgroup namespace is made by init, whose cgroup becomes its root."""
    if "cgroup" in draft.new:
        draft.setup.append(op("UNSHARE", "unable to unshare the cgroup namespace", flags=CLONE_NEWCGROUP))


def write_id_maps(draft: Draft) -> None:
    """PARENT: init's id maps, by ourselves when we may, else through the set-uid tools."""
    if "user" not in draft.new:
        return
    uids, gids = draft.linux.get("uidMappings") or (), draft.linux.get("gidMappings") or ()
    facts = draft.facts
    flags = ""
    tools: tuple[str | None, str | None] = (None, None)
    if facts.capabilities & _SETNS_BITS != _SETNS_BITS:
        own_uid, own_gid = _is_own(uids, facts.euid), _is_own(gids, facts.egid)
        tools = (None if own_uid else facts.newuidmap, None if own_gid else facts.newgidmap)
        for mine, tool, name in ((own_uid, tools[0], "newuidmap"), (own_gid, tools[1], "newgidmap")):
            if not mine and tool is None:
                draft.block(
                    FeatureMissing(
                        f"rootless containers with several id mappings need {name}, which was not found in $PATH"
                    )
                )
        flags = "DENY_SETGROUPS" if own_gid else ""
    uid_map, gid_map = map_text(uids), map_text(gids)
    what = "unable to write the id maps"
    draft.parent.append(
        op("ID_MAPS", what, flags, uid_map=uid_map, gid_map=gid_map, newuidmap=tools[0], newgidmap=tools[1])
    )


def _is_own(mappings: "Sequence[IDMapping]", own: int) -> bool:
    """Whether an unprivileged process may write this map itself (user_namespaces(7))."""
    return len(mappings) == 1 and mappings[0]["size"] == 1 and mappings[0]["hostID"] == own
