"""A denial into what would allow it: which lines of which layers withhold it, and what can be done about each.  Pure.

Layers only take away: what one of them withholds no other one can give, so each layer that withholds is named.
"""

from runtime.broker.arguments import domain_name, type_name
from runtime.broker.needs import MAKING, NAMING
from runtime.commands.suggesting import PEERS, by_broker, is_unjudged, refusing_peer, target_of, wanted, withholding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.commands.suggesting import Denial, Resolve

    Layer = Mapping[str, Any]

_WILD = frozenset("*?[]{}")
_BY_PATH = frozenset(("open", "exec", "record", "change"))
_NAMELESS = "nothing: it is a name that no rule can say"
_WHOLE = "nothing short of /, which would open everything: use a directory below it"
_INTERNET = frozenset((2, 10))
_RAW = frozenset((3, 10))  # SOCK_RAW, SOCK_PACKET
_TIME = "limits.wall_time"
_OF_RAW = "no single line: raw sockets go round every rule about peers and ports"
_OF_KIND = "no single line: the broker does not open it, whatever the rules say"
_TAKE = "an allow elsewhere cannot help: layers only take away"


def _line(layer: "Layer", key: str) -> str:
    """Where a key of a layer stands."""
    keys = (key, key.partition(".")[0]) if key.startswith("network.") else (key,)
    found = [str(rule["where"]) for start in keys for rule in layer["rules"] if str(rule["text"]).startswith(start)]
    where = found[0] if found else str((layer.get("places") or {}).get(key) or layer["source"])
    return where if str(layer["source"]).startswith("/") else f"{where} (built in: in a copy of it)"


def _numbers(entry: "Mapping[str, Any]") -> tuple[int, ...]:
    return (*(int(value, 16) for value in entry.get("args") or ()), 0, 0, 0)


def advice(denial: "Denial", layers: "Sequence[Layer]", resolve: "Resolve" = str) -> list[str]:
    """What would have to change, a line for each layer that withholds; never a rule that opens everything."""
    entry, target = denial.first, target_of(denial.first)
    lines: list[str] = []
    if not entry.get("syscall"):
        lines = _of_time(entry, layers)
    elif entry.get("handler") in _BY_PATH and target[:1] == "/":
        lines = _of_path(entry, resolve(target), layers)
    elif target.startswith("unix:"):
        lines = _of_unix(str(entry.get("syscall")), target, layers)
    elif entry.get("syscall") in PEERS and target:
        lines = _of_peer(entry, target, layers)
    if not lines and entry.get("syscall"):
        lines = [line for layer in layers for line in _of_registers(entry, layer)]
    if _OF_RAW in lines:
        return [_OF_RAW]
    if not lines and is_unjudged(entry):
        return [_OF_KIND]
    rule = entry.get("rule")
    return list(dict.fromkeys(lines)) or [f"no single line: it would go round {rule or 'other rules of the policy'}"]


def _of_path(entry: "Mapping[str, Any]", path: str, layers: "Sequence[Layer]") -> list[str]:
    access, lines = wanted(entry), []
    makes = not entry.get("existed") and entry.get("handler") == "record"
    names = str(entry.get("syscall")) in NAMING or (str(entry.get("syscall")) in MAKING and not entry.get("existed"))
    in_directory = access == "write" and (makes or names or _creates(entry))
    place = (path.rpartition("/")[0] or "/") if in_directory else path
    for layer in layers:
        # what mode audit has noted of a name was judged by the directory that it stands in
        judged = place if entry.get("handler") == "change" else path
        keys = withholding(access, judged, layer, exactly=by_broker(entry))
        if not keys and str(entry.get("target")).startswith("read and write "):
            keys = withholding("read", path, layer, exactly=True)
        for key in keys:
            if is_unjudged(entry) and key != "filesystem.hide":
                continue  # the rule would not be enough
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
    if call in ("socket", "socketpair"):
        lines += _of_socket(args[0] & 0xFFFFFFFF, args[1] & 0xF, layer)
    return lines


def _of_socket(domain: int, kind: int, layer: "Layer") -> list[str]:
    """Whole lists, since what is not said there has a default which is no more when something is; none that `policy check` refuses."""
    network = layer.get("network") or {}
    domains, kinds, where = network.get("domains"), network.get("types"), _line(layer, "network")
    domains = None if domains is None else [*domains, *({domain}.difference(domains))]
    kinds = None if kinds is None else [*kinds, *({kind}.difference(kinds))]
    if not _INTERNET.isdisjoint(domains or ()) and not _RAW.isdisjoint((kind, *(kinds or ()))):
        return [_OF_RAW]
    lines = []
    if domains is not None and domain not in network["domains"]:
        lines.append(f"network.domains: [{', '.join(map(domain_name, domains))}] in {where}")
    if kinds is not None and kind not in network["types"]:
        lines.append(f"network.types: [{', '.join(map(type_name, kinds))}] in {where}")
    return lines


def _of_time(entry: "Mapping[str, Any]", layers: "Sequence[Layer]") -> list[str]:
    """The layers whose time was up: the smallest limit holds."""
    words = str(entry.get("rule") or "").split(" ")
    if words[0] != f"{_TIME}:" or not words[1].isdigit():
        return []
    limits = [(int((layer.get("limits") or {}).get("wall_time_ms") or 0), layer) for layer in layers]
    return [
        f"{_TIME}: longer than {limit / 1000:g}s in {_line(layer, _TIME)}"
        for limit, layer in limits
        if 0 < limit <= int(words[1])
    ]


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


def _says_what_runs(layer: "Layer") -> bool:
    return (layer.get("filesystem") or {}).get("execute") is not None or layer.get("exec") is not None


def unseen(layers: "Sequence[Layer]") -> str:
    """What may have been denied without our hearing of it."""
    found = ["what a missing capability or a file's own mode refuses"]
    modes = {(layer.get("broker") or {}).get("mode") for layer in layers}
    if modes == {"audit"} and any(_says_what_runs(layer) for layer in layers):
        found.append("under audit, programs that could not be started")
    elif any((layer.get("filesystem") or {}).get("execute") is not None for layer in layers):
        found.append("libraries that cannot be mapped from where nothing may be executed")
    networks = [layer.get("network") or {} for layer in layers]
    if any(part.get("egress") is not None or part.get("bind") is not None for part in networks):
        found.append("loopback, and rules that hold for one protocol alone")
    if any(part.get("ingress") is not None for part in networks):
        found.append("packets dropped on arrival")
    return ", ".join(found)
