"""HOT: the checks of config.json's `linux` that a schema cannot express, in plain Python.

Called by `rules`, under the same conditions.
Imports nothing of the standard library: every module would cost start-up time.

Source: config-linux.md.
"""

from oci_schemas.wording import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from oci_schemas.rules import Found, Pointer

    Data = dict[str, Any]

_ERRNO_ACTIONS = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_NODELESS_MODES = ("MPOL_DEFAULT", "MPOL_LOCAL")
_NODE_MODES = ("MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED_MANY")
_UNSET_SWAPPINESS = 2**64 - 1  # what engines that keep -1 for "unset" send; runc ignores it too
_INTERFACE_NAME_MAX = 15  # IFNAMSIZ less the NUL (if.h)


def check_linux(linux: "Data", at: "Pointer", found: "Found") -> None:
    """Add to `found` every rule that `linux` breaks.

    Source: config-linux.md.
    """
    _check_namespaces(linux.get("namespaces") or (), (*at, "namespaces"), found)
    for host_name, device in (linux.get("netDevices") or {}).items():
        _check_net_device(host_name, device, (*at, "netDevices", host_name), found)
    for name, check in _SECTIONS:
        section = linux.get(name)
        if section is not None:
            check(section, (*at, name), found)


def check_resource_limits(resources: "Data", at: "Pointer", found: "Found") -> None:
    """Add to `found` every rule that control group limits break.

    Source: config-linux.md#control-groups.
    """
    swappiness = (resources.get("memory") or {}).get("swappiness")
    if swappiness is not None and swappiness > 100 and swappiness != _UNSET_SWAPPINESS:
        found.append(((*at, "memory", "swappiness"), "must be between 0 and 100"))
    cpu = resources.get("cpu") or {}
    quota, burst = cpu.get("quota"), cpu.get("burst")
    if quota is not None and burst and 0 < quota < burst:
        found.append(((*at, "cpu", "burst"), f"burst {burst} is above the quota {quota}"))
    for i, device in enumerate((resources.get("blockIO") or {}).get("weightDevice") or ()):
        if device.get("weight") is None and device.get("leafWeight") is None:
            found.append(((*at, "blockIO", "weightDevice", i), "needs weight or leafWeight"))
    for name, limits in (resources.get("rdma") or {}).items():
        if limits.get("hcaHandles") is None and limits.get("hcaObjects") is None:
            found.append(((*at, "rdma", name), "needs hcaHandles or hcaObjects"))
    for name in resources.get("unified") or ():
        if "/" in name or name in (".", ".."):
            found.append(((*at, "unified", name), f"unified resource {quoted(name)} must be a file name (no slashes)"))


def _check_namespaces(namespaces: "Iterable[Data]", at: "Pointer", found: "Found") -> None:
    seen = set()
    for i, namespace in enumerate(namespaces):
        kind = namespace.get("type")
        if kind is not None and kind in seen:
            found.append(((*at, i, "type"), f'malformed spec file: duplicated ns "{kind}"'))
        seen.add(kind)


def _check_net_device(host_name: str, device: "Data", at: "Pointer", found: "Found") -> None:
    """Names as the kernel accepts them (net/core/dev.c, dev_valid_name); an empty new name keeps the old one."""
    if not _is_interface_name(host_name):
        found.append((at, f"{quoted(host_name)} is not a network device name"))
    name = device.get("name")
    if name and not _is_interface_name(name):
        found.append(((*at, "name"), f"{quoted(name)} is not a network device name"))


def _is_interface_name(name: str) -> bool:
    if name in (".", "..") or len(name.encode("utf-8", "surrogatepass")) > _INTERFACE_NAME_MAX:
        return False
    return not any(c in "/: \t\n\r\v\f" for c in name)


def _check_intel_rdt(section: "Data", at: "Pointer", found: "Found") -> None:
    """`closID` names one directory, and a schema line is one line."""
    clos_id = section.get("closID")
    if clos_id and clos_id != "/" and ("/" in clos_id or clos_id in (".", "..")):
        found.append(((*at, "closID"), f"{quoted(clos_id)} is not a directory name"))
    for i, line in enumerate(section.get("schemata") or ()):
        if "\n" in line:
            found.append(((*at, "schemata", i), "must be one line"))
    if "\n" in (section.get("l3CacheSchema") or ""):
        found.append(((*at, "l3CacheSchema"), "must be one line"))


def _check_memory_policy(section: "Data", at: "Pointer", found: "Found") -> None:
    """Which mode takes nodes (set_mempolicy(2))."""
    mode, nodes = section.get("mode"), section.get("nodes")
    if nodes and mode in _NODELESS_MODES:
        found.append(((*at, "nodes"), f"{mode} takes no nodes"))
    elif not nodes and mode in _NODE_MODES:
        found.append(((*at, "nodes"), f"{mode} needs at least one node"))


def _check_personality(section: "Data", at: "Pointer", found: "Found") -> None:
    for i, flag in enumerate(section.get("flags") or ()):
        found.append(((*at, "flags", i), f"unknown personality flag {quoted(flag)}: none is defined"))


def _check_seccomp(section: "Data", at: "Pointer", found: "Found") -> None:
    """Errno values only where an action takes one; metadata only when there is somebody to send it to."""
    default = section.get("defaultAction")
    if section.get("defaultErrnoRet") is not None and default is not None and default not in _ERRNO_ACTIONS:
        found.append(((*at, "defaultErrnoRet"), f"{default} takes no errno"))
    for i, syscall in enumerate(section.get("syscalls") or ()):
        if syscall.get("errnoRet") is not None:
            action = syscall.get("action")
            if action is not None and action not in _ERRNO_ACTIONS:
                found.append(((*at, "syscalls", i, "errnoRet"), f"{action} takes no errno"))
    if section.get("listenerMetadata") and not section.get("listenerPath"):
        found.append(((*at, "listenerPath"), "listenerMetadata needs a listenerPath"))


_SECTIONS = (
    ("resources", check_resource_limits),
    ("intelRdt", _check_intel_rdt),
    ("memoryPolicy", _check_memory_policy),
    ("seccomp", _check_seccomp),
    ("personality", _check_personality),
)
