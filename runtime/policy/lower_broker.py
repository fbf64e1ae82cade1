"""What is left to the broker: the calls that are trapped, and the table by which it answers them.

Trapped are the calls that a policy lists under `broker`, opens where patterns need a decision on the path, and calls on unix sockets
where their paths are limited.  Whatever registers tell apart is told apart in the filter, so that most calls never leave the kernel.
The dict is encoded by `runtime.broker.table`.  Pure.
"""

from runtime.abi.capabilities import CAPABILITY_BITS
from runtime.policy.broker_rights import RIGHTS
from runtime.policy.enforcement import BROKER, needs_broker
from runtime.policy.lower_denials import hand_on
from runtime.policy.lower_syscalls import NAMING
from runtime.policy.sections import ALLOW, ENOSYS, EROFS, ERRNO, KILL, NOTIFY, masked, passing, rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.policy.enforcement import Findings
    from runtime.policy.lower_files import Files
    from runtime.policy.sections import Section

_HANDLERS = {
    **dict.fromkeys(("open", "openat", "openat2", "creat"), "open"),
    **dict.fromkeys(("sendto", "sendmsg", "sendmmsg"), "send"),
    **dict.fromkeys(("execve", "execveat"), "exec"),
    **dict.fromkeys(("mknod", "mknodat"), "mknod"),
    **{name: name for name in ("connect", "bind", "mount")},
}
_ACTING = frozenset(("open", "connect", "bind", "send", "mknod"))
# flags of open(2) without which a file cannot be changed
_WRITING = (1, 2, 0o100, 0o1000)
_O_PATH = 0o10000000
# nobody calls it (the kernel only imitates it): where nothing else is trapped it brings the listener to the broker, for the time limit
ANCHOR = "remap_file_pages"
_OPENING = ("open", "openat", "openat2", "creat")
_LEVELS = ("none", "denials", "decisions", "all")
_SEND_ADDRESS = 4


def lower_broker(findings: "Findings", files: "Files", sections: "list[Section]") -> "dict[str, Any] | None":
    """The broker's dict, None when it has nothing to decide; `sections` grows by what is trapped for it."""
    calls: dict[str, dict[str, Any]] = {}
    _listed(findings, calls)
    trapped = _opens(files, calls)
    unix = _unix(findings, calls, trapped)
    peers = _peers(findings, calls, trapped)
    _watched_files(findings, files, calls, trapped)
    _changes(findings, files, calls, trapped)
    seen = _seen(findings, files, unix)
    for name in seen:
        calls.setdefault(name, {"handler": "continue", "errno": 1, "rule": None})
        trapped.append(rule((name,), NOTIFY))
    wall_time = _wall_time(findings)
    if wall_time is not None and not calls:
        calls[ANCHOR] = {"handler": "deny", "errno": ENOSYS, "rule": 0}
        trapped.append(rule((ANCHOR,), NOTIFY))
        _let_pass(sections, ANCHOR)
    if findings.mode == "audit":  # nobody asks what a call names that is denied before
        for name in [name for name in calls if any(_denies(section, name) for section in sections)]:
            del calls[name]
    default = hand_on(findings, calls, sections)
    if not calls and default is None:
        return None
    why = needs_broker(findings) or _needs_rights(findings, calls)
    if why:
        for layer in findings.layers:
            findings.impossible(layer, "broker", why)
    section = passing(trapped)
    section["flags"] = ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    if findings.facts.kernel >= (5, 19):
        section["flags"].append("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
    sections.append(section)
    rules = [f"{entry['where']}: {entry['text']}" for layer in findings.layers for entry in layer["rules"]]
    table: dict[str, Any] = {
        **_manner(findings),
        "calls": calls,
        "default": default,
        "read": None,
        "write": None,
        "hide": None,
        **files.table,
        "by_kernel": findings.mode == "audit" and not files.by_name,
        **unix,
        **peers,
        "seen": seen,
        "rules": rules or [""],
        "wall_time_ms": wall_time,
    }
    return table


def _seen(findings: "Findings", files: "Files", unix: "Mapping[str, Any]") -> tuple[str, ...]:
    """Calls that are only noted, so that the broker need not ask each time for what they alone change."""
    if not files.table and unix["unix_connect"] is None:
        return ()
    # mounts and other mount namespaces are denied by the filter itself there; the other modes may hand such denials on
    closed = files.restricted and findings.mode == "enforce"
    groups = ("setgroups", "execve", "execveat")
    return (*groups, "chroot") if closed else groups


def _needs_rights(findings: "Findings", calls: "Mapping[str, Mapping[str, Any]]") -> str | None:
    """Why a broker of ours could not act as the callers; None when it can, or when it only decides."""
    facts = findings.facts
    if findings.mode == "audit" or not any(call["handler"] in _ACTING for call in calls.values()):
        return None
    missing = [name for name in RIGHTS if not facts.capabilities & CAPABILITY_BITS[name]]
    if facts.euid != 0 or missing:
        lacking = f" with {', '.join(missing)}" if facts.euid == 0 else ""
        return f"carrying calls out as their callers takes root{lacking}, at least in a user namespace around engine and containers"
    if not facts.may_set_groups:
        return "carrying calls out as their callers takes setgroups(2), which this user namespace denies: map ranges of ids"
    return None


def _manner(findings: "Findings") -> "dict[str, Any]":
    """How the broker decides, the strictest of all layers."""
    parts = [layer.get("broker") or {} for layer in findings.layers]
    levels = [_LEVELS.index(layer.get("audit") or "none") for layer in findings.layers]
    handlers = [part["handler"] for part in parts if part.get("handler")]
    return {
        "mode": findings.mode,
        "timeout_ms": min([part.get("timeout_ms") or 5000 for part in parts]),
        "max_inflight": min([part.get("max_inflight") or 64 for part in parts]),
        "on_failure": "kill" if any(part.get("on_failure") == "kill" for part in parts) else "deny",
        "handler": handlers[0] if handlers else None,
        "audit": _LEVELS[max(*levels, 2 if findings.observe else 0)],
        "name": "+".join(dict.fromkeys([layer["name"] for layer in findings.layers])),
    }


def _listed(findings: "Findings", calls: "dict[str, dict[str, Any]]") -> None:
    """Calls under `syscalls.broker`: done by a handler of their own, or let through once they are noted."""
    for layer in findings.layers:
        part = layer.get("syscalls") or {"rules": ()}
        for entry in part["rules"]:
            if entry["action"] != "broker":
                continue
            for name in entry["names"]:
                number = findings.number(layer, entry["rule"])
                calls.setdefault(
                    name, {"handler": _HANDLERS.get(name, "continue"), "errno": entry.get("errno") or 1, "rule": number}
                )


def _opens(files: "Files", calls: "dict[str, dict[str, Any]]") -> "list[dict[str, Any]]":
    if not files.table:
        return []
    for name in _OPENING:
        calls[name] = {"handler": "open", "errno": 13, "rule": None}
    if "read" in files.table or "hide" in files.table:
        # O_PATH gives no more than chdir(2) does: what is opened through it is judged by its own name
        return [
            rule(("openat2", "creat"), NOTIFY),
            rule(("open",), NOTIFY, None, (masked(1, _O_PATH, 0),)),
            rule(("openat",), NOTIFY, None, (masked(2, _O_PATH, 0),)),
        ]
    trapped = [rule(("openat2", "creat"), NOTIFY)]
    for bit in _WRITING:
        trapped.append(rule(("open",), NOTIFY, None, (masked(1, bit, bit),)))
        trapped.append(rule(("openat",), NOTIFY, None, (masked(2, bit, bit),)))
    return trapped


def _unix(
    findings: "Findings", calls: "dict[str, dict[str, Any]]", trapped: "list[dict[str, Any]]"
) -> "dict[str, Any]":
    """`network.unix`: paths that may be connected to, sent to and bound, for each layer that limits them."""
    found: dict[str, Any] = {"unix_connect": None, "unix_bind": None, "unix_abstract": True}
    for layer in findings.layers:
        network = layer.get("network") or {}
        part = network.get("unix")
        if part is None or (network.get("domains") is not None and 1 not in network["domains"]):
            continue
        for key in ("connect", "bind"):
            patterns = [[pattern, findings.number(layer, number)] for pattern, number in part[key]]
            found[f"unix_{key}"] = [*(found[f"unix_{key}"] or ()), patterns]
            for _, number in part[key]:
                findings.enforced(layer, number, BROKER, f"{key} on unix sockets")
        found["unix_abstract"] = found["unix_abstract"] and part["abstract"]
        for name in ("connect", "bind", "sendto", "sendmsg", "sendmmsg"):
            calls.setdefault(
                name, {"handler": _HANDLERS[name], "errno": 13, "rule": findings.number(layer, network["rule"])}
            )
    if found["unix_connect"] is not None:
        trapped.append(rule(("connect", "bind", "sendmsg", "sendmmsg"), NOTIFY))
        # without an address it goes where connect(2) led
        no_address = {"index": _SEND_ADDRESS, "op": "SCMP_CMP_NE", "value": 0, "valueTwo": 0}
        trapped.append(rule(("sendto",), NOTIFY, None, (no_address,)))
    return found


def _peers(
    findings: "Findings", calls: "dict[str, dict[str, Any]]", trapped: "list[dict[str, Any]]"
) -> "dict[str, Any]":
    """audit and ask: peers and ports, which otherwise programs of the cgroup judge."""
    found: dict[str, Any] = {"egress": None, "bind": None}
    if findings.mode == "enforce":
        return found
    for layer in findings.layers:
        network = layer.get("network") or {}
        domains = network.get("domains")
        if not network or (domains is not None and not {2, 10} & set(domains)):
            continue
        for key, names in (("egress", ("connect", "sendto", "sendmsg", "sendmmsg")), ("bind", ("bind",))):
            if network.get(key) is None:
                continue
            rules = [{**entry, "rule": findings.number(layer, entry["rule"])} for entry in network[key]]
            found[key] = [*(found[key] or ()), rules]
            for name in names:
                calls.setdefault(
                    name, {"handler": _HANDLERS[name], "errno": 13, "rule": findings.number(layer, network["rule"])}
                )
            trapped.append(rule(names, NOTIFY))
    return found


def _watched_files(
    findings: "Findings", files: "Files", calls: "dict[str, dict[str, Any]]", trapped: "list[dict[str, Any]]"
) -> None:
    """`observe`: calls that mounts, Landlock or the cgroup's programs may deny are noted on the way with what they name."""
    if findings.observe and (files.points or files.landlock[0]):
        _observe((*_OPENING, *NAMING, "execve", "execveat"), calls, trapped)
    networks = [layer.get("network") or {} for layer in findings.layers]
    if findings.observe and any(part.get("egress") is not None or part.get("bind") is not None for part in networks):
        _observe(("connect", "bind", "sendto", "sendmsg", "sendmmsg"), calls, trapped)


def _changes(
    findings: "Findings", files: "Files", calls: "dict[str, dict[str, Any]]", trapped: "list[dict[str, Any]]"
) -> None:
    """audit: what changes files without opening them, which otherwise read-only mounts stand in the way of."""
    if findings.mode != "audit" or "write" not in files.table:
        return
    names = [name for name in NAMING if name not in calls]
    calls.update({name: {"handler": "change", "errno": EROFS, "rule": None} for name in names})
    if names:
        trapped.append(rule(names, NOTIFY))


def _denies(section: "Section", name: str) -> bool:
    """Whether a section that may be handed on denies a call, whatever its arguments are."""
    found = [entry for entry in section["syscalls"] if name in entry["names"]]
    if section.get("guard"):
        return False
    if not found:
        return section["defaultAction"] in (ERRNO, KILL) and "otherwise" not in section
    return any(entry["action"] in (ERRNO, KILL) and not entry.get("args") for entry in found)


def _observe(names: "Sequence[str]", calls: "dict[str, dict[str, Any]]", trapped: "list[dict[str, Any]]") -> None:
    left = [name for name in names if name not in calls]
    calls.update({name: {"handler": "record", "errno": 13, "rule": None} for name in left})
    if left:
        trapped.append(rule(left, NOTIFY))


def _wall_time(findings: "Findings") -> int | None:
    limits = []
    for layer in findings.layers:
        value = (layer.get("limits") or {}).get("wall_time_ms")
        if value:
            limits.append(value)
            findings.enforced(layer, f"limits.wall_time: {value} ms", BROKER, "the cgroup is killed")
    return min(limits) if limits else None


def _let_pass(sections: "list[Section]", name: str) -> None:
    """Take a call out of every denial: the broker denies it."""
    for section in sections:
        section["syscalls"] = [
            entry
            if entry["action"] in (ALLOW, NOTIFY)
            else {**entry, "names": [other for other in entry["names"] if other != name]}
            for entry in section["syscalls"]
            if entry["action"] in (ALLOW, NOTIFY) or [*entry["names"]] != [name]
        ]
        if section["defaultAction"] != ALLOW and "otherwise" not in section:
            section["syscalls"].append(rule((name,), ALLOW))
