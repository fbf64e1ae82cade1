"""syscalls, ioctl, prctl and clone_flags as seccomp sections, and what would go round them or other rules.

A section has one verdict for a call, and which of several conditional rules gives it is a matter of libseccomp's order.  So a layer
becomes several sections, one for each action, which the compiler intersects: the strictest rule that holds wins.  All name the native
architecture alone: calls through any other entry point (i386, x32) end the thread.
Arguments that the kernel reads as 32 bits are compared as such.  Pure.
"""

from runtime.abi.namespaces import CLONE_NEWNS, CLONE_NEWTIME, CLONE_NEWUSER, NAMESPACES
from runtime.policy.confinement import opens_limits
from runtime.policy.enforcement import BROKER, SECCOMP
from runtime.policy.lower_sockets import is_judged, judged_sockets, lower_sockets
from runtime.policy.sections import (
    ALLOW,
    EACCES,
    ENOSYS,
    EPERM,
    ERRNO,
    KILL,
    LOG,
    NOTIFY,
    WORD,
    guard,
    masked,
    passing,
    rule,
    unless,
    word,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.policy.enforcement import Findings, Layer
    from runtime.policy.lower_files import Files
    from runtime.policy.sections import Section

_ACTIONS = {"allow": ALLOW, "deny": ERRNO, "broker": NOTIFY, "log": LOG, "kill": KILL}
_MFD_NOEXEC_SEAL = 0x8
_EVERY_NAMESPACE = sum(NAMESPACES.values())
IO_URING = ("io_uring_setup", "io_uring_enter", "io_uring_register")
# whatever could change the mounts that rules for files stand on, or open files without being asked
MOUNTING = (
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "open_tree",
    "open_tree_attr",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "open_by_handle_at",
    "fanotify_init",  # its events come with the files that they are about, opened
    "acct",
    "swapon",
)
_MOUNTING_CGROUPS = ("mount", "fsopen", "fsmount", "fspick", "mount_setattr", "open_tree_attr")
# for rules that look at names: whoever may rename a file may choose its rule
RENAMING = ("rename", "renameat", "renameat2", "link", "linkat")
# these and what changes files by name, where the broker judges opens for writing alone
NAMING = (
    *RENAMING,
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "truncate",
    "truncate64",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "utimensat",
    "utimensat_time64",
    "futimesat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "setxattrat",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "removexattrat",
    "file_setattr",
)
_FILE_FLAGS = (0x40086602, 0x40046602, 0x401C5820)  # FS_IOC_SETFLAGS, its 32-bit twin, FS_IOC_FSSETXATTR


def lower_syscalls(findings: "Findings", files: "Files") -> "list[Section]":
    """The sections of all layers; brokered calls are SCMP_ACT_NOTIFY, and in audit and ask mode so is what would be denied."""
    sections: list[Section] = []
    restricted = files.restricted
    for layer in findings.layers:
        before = len(sections)
        sections += _listed(findings, layer)
        sections += _selected(findings, layer)
        sections += _clone_flags(findings, layer)
        sections += lower_sockets(findings, layer)
        restricted = restricted or len(sections) > before or layer.get("network") is not None
    sections += judged_sockets(findings)
    sections += _guards(findings, files, restricted)
    if any(_holds_cgroup(layer) for layer in findings.layers):
        # CLONE_INTO_CGROUP asks for no mount that is writable: what a read-only one shows is enough to leave
        sections.append(guard([rule(("clone3",), ERRNO, ENOSYS)]))
    if opens_limits(findings):
        # by a mount of its own, which a user namespace gives the right to
        sections.append(guard([rule(_MOUNTING_CGROUPS, ERRNO, EPERM)]))
    if any(is_judged(layer) for layer in findings.layers):
        # whoever may use it could take the programs away that judge the peers
        sections.append(passing([rule(("bpf",), ERRNO, EPERM)]))
    return sections or [passing([])]


def _holds_cgroup(layer: "Layer") -> bool:
    """Whether something of a layer holds for the container's cgroup, and so for nobody who leaves it."""
    limited = bool(layer.get("resources") or (layer.get("limits") or {}).get("wall_time_ms"))
    return limited or is_judged(layer)


def _listed(findings: "Findings", layer: "Layer") -> "list[Section]":
    """`syscalls`: a section with the default through which every rule's call passes, and one for each action but allow."""
    part = layer.get("syscalls")
    if part is None:
        return []
    default = part["default"]
    errno = default.get("errno") or EPERM
    if part.get("rule") is not None:
        findings.enforced(layer, part["rule"], SECCOMP, "every call that no rule names")
    by_action: dict[str, list[dict[str, Any]]] = {}
    for entry in part["rules"]:
        by_action.setdefault(entry["action"], []).append(entry)
        findings.enforced(layer, entry["rule"], BROKER if entry["action"] == "broker" else SECCOMP)
        if entry["action"] in ("deny", "kill"):
            findings.denied(layer, entry["rule"], entry["names"])
    sections: list[Section] = []
    if default["action"] != "allow":
        through = [rule(names, ALLOW, None, args) for names, args in _merged(part["rules"])]
        by = None if part.get("rule") is None else findings.number(layer, part["rule"])
        base: Section = {"defaultAction": _ACTIONS[default["action"]], "syscalls": through, "by": by}
        if default["action"] == "deny":
            base["defaultErrnoRet"] = errno
        sections.append(base)
    for action in ("log", "broker", "deny", "kill"):
        sections += _strictest(by_action.get(action) or [], _ACTIONS[action], errno)
    return sections


def _merged(rules: "Sequence[Mapping[str, Any]]") -> "list[tuple[list[str], list[dict[str, Any]]]]":
    """Names and conditions of rules: what passes without a condition once, and in no conditional rule."""
    free: dict[str, None] = {}
    for entry in rules:
        if not entry.get("args"):
            free.update(dict.fromkeys(entry["names"]))
    merged: list[tuple[list[str], list[dict[str, Any]]]] = [(list(free), [])] if free else []
    for entry in rules:
        if entry.get("args"):
            names = [name for name in entry["names"] if name not in free]
            if names:
                merged.append((names, _conditions(entry["args"])))
    return merged


def _conditions(args: "Sequence[Mapping[str, Any]]") -> "list[dict[str, Any]]":
    """A rule's conditions as OCI arguments."""
    return [
        {"index": arg["index"], "op": arg["op"], "value": arg["value"], "valueTwo": arg.get("value_two") or 0}
        for arg in args
    ]


def _strictest(rules: "Sequence[Mapping[str, Any]]", action: str, errno: int) -> "list[Section]":
    """One section for rules of one action, unless two rules for one call have different errnos: then one for each errno."""
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for entry in rules:
        groups.setdefault((entry.get("errno") or errno) if action == ERRNO else 0, []).append(entry)
    return [
        passing([rule(names, action, number, args) for names, args in _merged(group)])
        for number, group in groups.items()
    ]


def _selected(findings: "Findings", layer: "Layer") -> "list[Section]":
    """`ioctl` and `prctl`: allow-lists of one argument."""
    sections = []
    for name, index in (("ioctl", 1), ("prctl", 0)):
        part = layer.get(name)
        if part is not None:
            allowed = [word(index, value & WORD) for value in dict.fromkeys(part["allow"])]
            sections.append(unless((name,), allowed, EPERM))
            findings.enforced(layer, part["rule"], SECCOMP, f"argument {index} of {name}")
            findings.denied(layer, part["rule"], (name,))
    return sections


def _clone_flags(findings: "Findings", layer: "Layer") -> "list[Section]":
    """`clone_flags`: namespaces that may be made (clone, unshare) or joined (setns); clone3 keeps its flags in memory."""
    part = layer.get("clone_flags")
    if part is None:
        return []
    denied = _EVERY_NAMESPACE & ~part["allow"]
    findings.enforced(layer, part["rule"], SECCOMP, "clone3 is not there (ENOSYS): C libraries fall back to clone")
    findings.denied(layer, part["rule"], ("clone", "unshare", "setns"))
    return [*_making(findings, denied), *_joining(denied)] if denied else [_no_clone3()]


def _no_clone3() -> "Section":
    return guard([rule(("clone3",), ERRNO, ENOSYS)])


def _making(findings: "Findings", denied: int) -> "list[Section]":
    """clone(2) and unshare(2) without these flags."""
    clone = 1 if findings.facts.machine[:4] == "s390" else 0
    return [
        _no_clone3(),
        # the low byte of clone's flags is a signal's number, so it makes no time namespace
        unless(("clone",), [masked(clone, denied & ~CLONE_NEWTIME, 0)], EPERM),
        unless(("unshare",), [masked(0, denied, 0)], EPERM),
    ]


def _joining(denied: int) -> "list[Section]":
    """setns(2) into none of these types; 0 stands for whatever type the descriptor is."""
    return [unless(("setns",), [masked(1, denied, 0)], EPERM), passing([rule(("setns",), ERRNO, EPERM, (word(1, 0),))])]


def _guards(findings: "Findings", files: "Files", restricted: bool) -> "list[Section]":
    """What would go round the rules, whatever they are."""
    if not restricted:
        return []
    sections = [guard([rule(IO_URING, ERRNO, ENOSYS)])]
    if files.restricted:
        sections.append(passing([rule(MOUNTING, ERRNO, EPERM)]))
        sections += _joining(CLONE_NEWNS)  # another mount namespace is another tree
    if files.restricted and files.by_name:
        # the broker goes by names, which mean something else in another mount namespace; a user namespace gives the right to make one
        sections += _making(findings, CLONE_NEWNS | CLONE_NEWUSER)
    if files.no_exec:
        # as the kernel answers with vm.memfd_noexec=2
        sections.append(unless(("memfd_create",), [masked(1, _MFD_NOEXEC_SEAL, _MFD_NOEXEC_SEAL)], EACCES))
    if files.rigid == "names":
        sections.append(passing([rule(RENAMING, ERRNO, EPERM)]))
    elif files.rigid:
        rules = [rule(NAMING, ERRNO, EPERM)]
        rules += [rule(("ioctl",), ERRNO, EPERM, (word(1, request),)) for request in _FILE_FLAGS]
        sections.append(passing(rules))
    return sections
