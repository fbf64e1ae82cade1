"""A denial into what would allow it: which lines of which layers withhold it, and what can be done about each.  Pure.

Layers only take away: what one of them withholds no other one can give, so each layer that withholds is named.
"""

from runtime.broker.needs import NAMING
from runtime.commands.suggesting import PEERS, refusing_peer, target_of, wanted, withholding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.commands.suggesting import Denial, Resolve

    Layer = Mapping[str, Any]

_WILD = frozenset("*?[]{}")
_BY_PATH = frozenset(("open", "exec", "record"))
_NAMELESS = "nothing: it is a name that no rule can say"
_WHOLE = "nothing short of /, which would open everything: use a directory below it"
_TAKE = "an allow elsewhere cannot help: layers only take away"


def _line(layer: "Layer", key: str) -> str:
    """Where a key of a layer stands."""
    keys = (key, key.partition(".")[0]) if key.startswith("network.") else (key,)
    found = [str(rule["where"]) for start in keys for rule in layer["rules"] if str(rule["text"]).startswith(start)]
    where = found[0] if found else str(layer["source"])
    return where if str(layer["source"]).startswith("/") else f"{where} (built in: in a copy of it)"


def _numbers(entry: "Mapping[str, Any]") -> tuple[int, ...]:
    return (*(int(value, 16) for value in entry.get("args") or ()), 0, 0, 0)


def advice(denial: "Denial", layers: "Sequence[Layer]", resolve: "Resolve" = str) -> list[str]:
    """What would have to change, a line for each layer that withholds; never a rule that opens everything."""
    entry, target = denial.first, target_of(denial.first)
    lines: list[str] = []
    if entry.get("handler") in _BY_PATH and target[:1] == "/":
        lines = _of_path(entry, resolve(target), layers)
    elif target.startswith("unix:"):
        lines = _of_unix(str(entry.get("syscall")), target, layers)
    elif entry.get("syscall") in PEERS and target:
        lines = _of_peer(entry, target, layers)
    if not lines:
        lines = [line for layer in layers for line in _of_registers(entry, layer)]
    rule = entry.get("rule")
    return list(dict.fromkeys(lines)) or [f"no single line: it would go round {rule or 'other rules of the policy'}"]


def _of_path(entry: "Mapping[str, Any]", path: str, layers: "Sequence[Layer]") -> list[str]:
    access, lines = wanted(entry), []
    makes = access == "write" and not entry.get("existed") and entry.get("handler") == "record"
    names = access == "write" and str(entry.get("syscall")) in NAMING
    place = (path.rpartition("/")[0] or "/") if makes or names or _creates(entry) else path
    for layer in layers:
        for key in withholding(access, path, layer):
            where = _line(layer, key)
            if key == "filesystem.hide":
                lines.append(f"take it out of {key} of {where}")
            elif not place.isprintable() or not _WILD.isdisjoint(place):
                lines.append(_NAMELESS)
            elif place == "/":
                lines.append(_WHOLE)
            else:
                lines.append(f"{key}: [{place}] in {where}")
    return lines


def _creates(entry: "Mapping[str, Any]") -> bool:
    """Whether an open was to make its file."""
    at = {"open": 1, "openat": 2}.get(str(entry.get("syscall")))
    return at is not None and not entry.get("existed") and _numbers(entry)[at] & 0o100 != 0


def _of_unix(call: str, target: str, layers: "Sequence[Layer]") -> list[str]:
    name, key, lines = target.removeprefix("unix:"), "bind" if call == "bind" else "connect", []
    for layer in layers:
        part = (layer.get("network") or {}).get("unix")
        if part is None:
            continue
        where = _line(layer, "network.unix")
        if name[:1] != "@" and (not name.isprintable() or not _WILD.isdisjoint(name)):
            lines.append(_NAMELESS)
        elif name[:1] != "@":
            lines.append(f"network.unix.{key}: [{name}] in {where}")
        elif not part["abstract"]:
            lines.append(f"network.unix.abstract: true in {where}")
    return lines


def _of_peer(entry: "Mapping[str, Any]", target: str, layers: "Sequence[Layer]") -> list[str]:
    host, _, port = target.rpartition(":")
    lines = []
    judged = {**entry, "verdict": "continue"}
    for layer in layers:
        key = refusing_peer(judged, layer)
        denying = [rule for rule in (layer.get("network") or {}).get("egress") or () if rule["action"] == "deny"]
        if key == "network.bind":
            lines.append(f"network.bind: [{port}] in {_line(layer, key)}")
        elif key:
            more = " (and no deny that covers it)" if denying else ""
            rule = f'[{{allow: "{host.strip("[]")}", ports: {port}}}]'
            lines.append(f"network.egress: {rule} in {_line(layer, key)}{more}")
    return lines


def _of_registers(entry: "Mapping[str, Any]", layer: "Layer") -> list[str]:
    """What a layer says of a call itself and of its registers."""
    call, args, decoded = str(entry.get("syscall")), _numbers(entry), entry.get("decoded") or {}
    lines = []
    part = layer.get("syscalls")
    if part is not None:
        lines += _of_calls(call, part, layer)
    for key, at, shown in (("ioctl", 1, "request"), ("prctl", 0, "option")):
        if call == key and layer.get(key) is not None and args[at] & 0xFFFFFFFF not in layer[key]["allow"]:
            lines.append(f"{key}: [{decoded.get(shown)}] in {_line(layer, key)}")
    flags = str(decoded.get("flags", ""))
    if call in ("clone", "unshare", "setns") and layer.get("clone_flags") is not None and flags.startswith("CLONE_NEW"):
        lines.append(f"clone_flags: [{', '.join(flags.split('|'))}] in {_line(layer, 'clone_flags')}")
    network = layer.get("network") or {}
    if call in ("socket", "socketpair") and network:
        for key, at, shown in (("domains", 0, "domain"), ("types", 1, "type")):
            mask = 0xF if key == "types" else 0xFFFFFFFF
            if network.get(key) is not None and args[at] & mask not in network[key]:
                lines.append(f"network.{key}: [{decoded.get(shown)}] in {_line(layer, 'network')}")
    return lines


def _of_calls(call: str, part: "Mapping[str, Any]", layer: "Layer") -> list[str]:
    lines, is_listed = [], False
    for rule in part["rules"]:
        if call not in rule["names"]:
            continue
        if rule["action"] in ("deny", "kill"):
            said = layer["rules"][rule["rule"]]
            builtin = "" if str(layer["source"]).startswith("/") else " (built in: in a copy of it)"
            lines.append(f"take {call} out of {said['where']}: {said['text']}{builtin}; {_TAKE}")
        else:
            is_listed = True
    if part["default"]["action"] in ("deny", "kill") and not is_listed and not lines:
        lines.append(
            f"syscalls.allow: [{call}] in {_line(layer, 'syscalls.default')}, whose default denies it; {_TAKE}"
        )
    return lines


def unseen(layers: "Sequence[Layer]") -> str:
    """What may have been denied without our hearing of it."""
    found = ["what a missing capability or a file's own mode refuses"]
    if any((layer.get("filesystem") or {}).get("execute") is not None for layer in layers):
        found.append("libraries that cannot be mapped from where nothing may be executed")
    networks = [layer.get("network") or {} for layer in layers]
    if any(part.get("egress") is not None or part.get("bind") is not None for part in networks):
        found.append("loopback, and rules that hold for one protocol alone")
    if any(part.get("ingress") is not None for part in networks):
        found.append("packets dropped on arrival")
    return ", ".join(found)
