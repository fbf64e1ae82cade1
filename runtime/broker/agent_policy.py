"""A policy as the table of an agent: behind another runtime the broker is all there is, so it enforces what it can see.

Which calls come to it is decided by the seccomp section of that runtime's config.json.  Of those: opens are judged by the file rules,
sockets by the network's, mknod and mount are refused as ever, and every other call by `syscalls`.  What a kernel mechanism would have to
hold (mounts, Landlock, the cgroup's programs, capabilities) is not there.  Pure.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_EPERM, _EACCES = 1, 13
_HANDLERS = {
    **dict.fromkeys(("open", "openat", "openat2", "creat"), "open"),
    **dict.fromkeys(("sendto", "sendmsg", "sendmmsg"), "send"),
    **dict.fromkeys(("execve", "execveat"), "exec"),
    **dict.fromkeys(("mknod", "mknodat"), "mknod"),
    **{name: name for name in ("connect", "bind", "mount")},
}
_LEVELS = ("none", "denials", "decisions", "all")


def _numbered(patterns: "Sequence[Sequence[Any]]", offset: int) -> "list[list[Any]]":
    return [[pattern, rule + offset] for pattern, rule in patterns]


def _files(layers: "Sequence[Mapping[str, Any]]", offsets: list[int]) -> "dict[str, Any]":
    found: dict[str, Any] = {"read": None, "write": None, "hide": None}
    for layer, offset in zip(layers, offsets, strict=True):
        files = layer.get("filesystem") or {}
        for key in ("read", "write", "hide"):
            patterns = files.get(key)
            if patterns is None or (key == "hide" and not patterns):
                continue
            more = [*(files.get("write") or ()), *(files.get("execute") or ())] if key == "read" else []
            found[key] = [*(found[key] or ()), _numbered([*patterns, *more], offset)]
    return found


def _sockets(layers: "Sequence[Mapping[str, Any]]", offsets: list[int]) -> "dict[str, Any]":
    found: dict[str, Any] = dict.fromkeys(("egress", "bind", "unix_connect", "unix_bind"))
    found["unix_abstract"] = True
    for layer, offset in zip(layers, offsets, strict=True):
        network = layer.get("network")
        if network is None:
            continue
        for key in ("egress", "bind"):
            if network.get(key) is not None:
                rules = [{**entry, "rule": entry["rule"] + offset} for entry in network[key]]
                found[key] = [*(found[key] or ()), rules]
        unix = network.get("unix")
        if unix is not None:
            for key in ("connect", "bind"):
                found[f"unix_{key}"] = [*(found[f"unix_{key}"] or ()), _numbered(unix[key], offset)]
            found["unix_abstract"] = found["unix_abstract"] and unix["abstract"]
    return found


def _verdict(layers: "Sequence[Mapping[str, Any]]", offsets: list[int], name: str) -> "dict[str, Any]":
    """What `syscalls` of all layers say of a call: a condition on arguments that could withhold it does, since none can be looked at."""
    for layer, offset in zip(layers, offsets, strict=True):
        part = layer.get("syscalls")
        if part is None:
            continue
        named = [entry for entry in part["rules"] if name in entry["names"]]
        denying = [entry for entry in named if entry["action"] in ("deny", "kill")]
        passing = [entry for entry in named if entry["action"] in ("allow", "log", "broker") and not entry.get("args")]
        if denying:
            return {"handler": "deny", "errno": denying[0].get("errno") or _EPERM, "rule": denying[0]["rule"] + offset}
        if not passing and part["default"]["action"] in ("deny", "kill"):
            return {"handler": "deny", "errno": part["default"].get("errno") or _EPERM, "rule": part["rule"] + offset}
    return {"handler": "continue", "errno": _EPERM, "rule": None}


def agent_table(layers: "Sequence[Mapping[str, Any]]", names: "Sequence[str]") -> "dict[str, Any]":
    """What `runtime.broker.table` encodes.  `names`: every system call of the machine."""
    offsets, total = [], 0
    for layer in layers:
        offsets.append(total)
        total += len(layer["rules"])
    calls = {}
    for name in names:
        call = _verdict(layers, offsets, name)
        if call["handler"] == "continue" and name in _HANDLERS:
            call = {"handler": _HANDLERS[name], "errno": _EACCES, "rule": None}
        calls[name] = call
    parts = [layer.get("broker") or {} for layer in layers]
    modes = {part.get("mode") or "enforce" for part in parts}
    handlers = [part["handler"] for part in parts if part.get("handler")]
    limits = [layer["limits"]["wall_time_ms"] for layer in layers if (layer.get("limits") or {}).get("wall_time_ms")]
    return {
        "mode": "enforce" if "enforce" in modes else "ask" if "ask" in modes else "audit",
        "timeout_ms": min([part.get("timeout_ms") or 5000 for part in parts]),
        "max_inflight": min([part.get("max_inflight") or 64 for part in parts]),
        "on_failure": "kill" if any(part.get("on_failure") == "kill" for part in parts) else "deny",
        "handler": handlers[0] if handlers else None,
        "audit": _LEVELS[max(_LEVELS.index(layer.get("audit") or "none") for layer in layers)],
        "name": "+".join(dict.fromkeys(str(layer["name"]) for layer in layers)),
        "calls": calls,
        **_files(layers, offsets),
        **_sockets(layers, offsets),
        "rules": [f"{entry['where']}: {entry['text']}" for layer in layers for entry in layer["rules"]],
        "wall_time_ms": min(limits) if limits else None,
    }
