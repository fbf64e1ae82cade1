"""network.egress, ingress and bind of a policy's layers -> BPF maps and programs of the container's cgroup.  Pure, hot.

The maps say for the longest prefix of an address which classes of ports may be reached there, and from there; the programs judge
socket, bind, connect, sendmsg (all that can name a peer) and the packets that reach sockets of the cgroup.  What these hooks do
not see - other kinds of sockets, packets that no socket sends - must be made impossible: `socket_limits`, `withheld_capabilities`.
docs/network.md tells what is covered.  `runtime.plan.network_policy` makes operations of the result.
"""

from _struct import pack

from runtime.abi.bpf import (
    BPF_ATTACH_TYPES,
    BPF_F_NO_PREALLOC,
    BPF_F_RDONLY_PROG,
    BPF_MAP_TYPE_LPM_TRIE,
    BPF_PROG_TYPES,
)
from runtime.abi.sockets import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    IPPROTO_IP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    NETLINK_ROUTE,
    SOCK_DGRAM,
    SOCK_STREAM,
)
from runtime.errors import PolicyError
from runtime.policy import network_programs as programs
from runtime.policy.peers import BITS, Direction, needed, sorted_prefixes
from runtime.policy.port_classes import CLASSES_MAX, Ranges, cut_ports, mask_of, merge_classes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Layers = Sequence[Mapping[str, Any]]
    Values = dict[tuple[int, int], tuple[int, int]]

# (type, key size, value size, flags, pairs)
Map = tuple[int, int, int, int, bytes]
# (name, program type, attach type, instructions, the maps in the order in which the instructions name them)
Program = tuple[str, int, int, bytes, tuple[int, ...]]
Network = tuple[tuple[Map, ...], tuple[Program, ...]]
# (domain, types, protocols); None: any
SocketLimit = tuple[int | None, tuple[int, ...] | None, tuple[int, ...] | None]

_INET = (AF_INET, AF_INET6)
_TYPES = (SOCK_STREAM, SOCK_DGRAM)
_PROTOCOLS = (IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP)
_JUDGED = ("egress", "ingress", "bind")
# what is left when the policy names no domains: nothing else that reaches a network
_DOMAINS = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
PROGRAM_NAME = "postern_network"  # how a running container's programs are found again, one at each hook


def _sections(layers: "Layers") -> "list[Mapping[str, Any]]":
    return [layer["network"] for layer in layers if layer.get("network") is not None]


def _judged(layers: "Layers") -> bool:
    """Whether a layer restricts whom sockets talk to."""
    return any(section.get(name) is not None for section in _sections(layers) for name in _JUDGED)


def _narrow(wanted: "tuple[int, ...] | None", given: "Sequence[int] | None") -> tuple[int, ...] | None:
    if given is None or wanted is None:
        return wanted if given is None else tuple(sorted(set(given)))
    return tuple([number for number in wanted if number in given])


def _domains(layers: "Layers") -> tuple[int, ...] | None:
    domains: tuple[int, ...] | None = _DOMAINS if _judged(layers) else None
    for section in _sections(layers):
        domains = _narrow(domains, section.get("domains"))
    return domains


def socket_limits(layers: "Layers") -> tuple[SocketLimit, ...] | None:
    """The sockets that socket(2) may make, for the filter: (domain, types, protocols), None for any; None: no limit at all.

    A type is compared without SOCK_CLOEXEC and SOCK_NONBLOCK.  Where peers are judged only TCP and UDP are left of the
    internet's domains (no hook judges raw, ping, SCTP, DCCP, UDP-Lite and Multipath TCP sockets), and of all others what
    reaches no network: unix sockets, and netlink's routing table.
    """
    sections = _sections(layers)
    types: tuple[int, ...] | None = None
    protocols: tuple[int, ...] | None = None
    for section in sections:
        types = _narrow(types, section.get("types"))
        protocols = _narrow(protocols, section.get("protocols"))
    judged, domains = _judged(layers), _domains(layers)
    if domains is None:
        return None if types is None and protocols is None else ((None, types, protocols),)
    limits: list[SocketLimit] = []
    for domain in domains:
        inet = judged and domain in _INET
        own_types = _narrow(types, _TYPES) if inet else types
        own_protocols = _narrow(protocols, _PROTOCOLS) if inet else protocols
        if judged and domain == AF_NETLINK:
            own_protocols = _narrow(protocols, (NETLINK_ROUTE,))
        limits.append((domain, own_types, own_protocols))
    return tuple(limits)


def withheld_capabilities(layers: "Layers") -> tuple[str, ...]:
    """Capabilities with which packets could be sent that no socket of the cgroup sends."""
    return ("CAP_NET_ADMIN", "CAP_NET_RAW") if _judged(layers) else ()


def lower_network(layers: "Layers", own_netns: bool) -> tuple[Network | None, dict[str, Ranges]]:
    """Maps and programs for the container's cgroup; None when there is nothing to judge, or no socket that could be judged.

    With them the ports that are left: for egress (at some address), ingress and bind, where they are restricted.
    `own_netns`: the container has a network namespace apart from the host's, so that loopback is its own: it is allowed
    unless a rule denies it.  Raises: PolicyError naming the rules that need too many classes of ports.
    """
    families = tuple([family for family in _domains(layers) or _INET if family in _INET])
    if not _judged(layers) or not families:
        return None, {}
    directions = {name: _direction(layers, name, own_netns) for name in ("egress", "ingress")}
    ranges: dict[str, Ranges] = {}
    maps = _maps(layers, directions, ranges) if any(directions.values()) else ()
    binds = _given(layers, "bind")
    if binds:
        ranges["bind"] = _bind_ranges(binds)
    return (maps, tuple(_programs(families, ranges, maps))), ranges


def has_internet(layers: "Layers") -> bool:
    """Whether the layers together leave sockets of IPv4 or IPv6."""
    domains = _domains(layers)
    return domains is None or any(family in domains for family in _INET)


def _given(layers: "Layers", name: str) -> "list[Sequence[Mapping[str, Any]]]":
    return [section[name] for section in _sections(layers) if section.get(name) is not None]


def _direction(layers: "Layers", name: str, own_netns: bool) -> Direction | None:
    given = _given(layers, name)
    return Direction(given, own_netns) if given else None


def _maps(layers: "Layers", directions: "Mapping[str, Direction | None]", ranges: dict[str, Ranges]) -> tuple[Map, ...]:
    """One map for each version of addresses; `ranges` gets the classes of ports that their masks are made of."""
    there = [direction for direction in directions.values() if direction is not None]
    prefixes = {version: sorted_prefixes(there, version) for version in BITS}
    for direction in there:
        for version, names in prefixes.items():
            direction.resolve(version, names)
    renamed: dict[str, dict[int, int]] = {}
    for name, known in directions.items():
        if known is not None:
            if name == "egress":
                known.resolve_unspecified()
            ranges[name], renamed[name] = known.classes()
            _check_classes(layers, name, ranges[name])
    maps = []
    for version, names in prefixes.items():
        table = {
            prefix: tuple(
                [
                    0 if known is None else renamed[name][known.verdicts[version][prefix]]
                    for name, known in directions.items()
                ]
            )
            for prefix in names
        }
        maps.append(_map(version, needed(table, names, version)))
    return tuple(maps)


def _map(version: int, entries: "Sequence[tuple[tuple[int, int], tuple[int, ...]]]") -> Map:
    size = BITS[version] // 8
    pairs = [
        pack(f"<I{size}sQQ", length, address.to_bytes(size, "big"), *value) for (address, length), value in entries
    ]
    flags = BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG
    return BPF_MAP_TYPE_LPM_TRIE, programs.KEY_SIZES[version], programs.VALUE_SIZE, flags, b"".join(pairs)


def _check_classes(layers: "Layers", name: str, ranges: Ranges) -> None:
    count = len({number for intervals in ranges.values() for _low, _high, number in intervals})
    if count <= CLASSES_MAX:
        return
    lines = []
    for layer in layers:
        for rule in (layer.get("network") or {}).get(name) or ():
            source = layer["rules"][rule["rule"]]
            line = f"{source['where']}: {source['text']}"
            if rule.get("ports") and line not in lines:
                lines.append(line)
    text = f"network.{name}: ports in {count} combinations, of which {CLASSES_MAX} can be told apart; by these rules"
    raise PolicyError([text, *lines])


def _bind_ranges(binds: "Sequence[Sequence[Mapping[str, Any]]]") -> Ranges:
    """The ports that every layer lets sockets be bound to."""
    cut = cut_ports(rule for rules in binds for rule in rules)
    allowed = -1
    for rules in binds:
        mask = 0
        for rule in rules:
            mask |= mask_of(rule, cut)
        allowed &= mask
    return merge_classes(cut, [allowed])[0]


def _are_all_ports(ranges: Ranges) -> bool:
    """Whether every port is in the ranges of both protocols; 0 is none."""
    for intervals in ranges.values():
        free = 1
        for low, high, _number in intervals:
            if low > free:
                return False
            free = max(free, high + 1)
        if free <= 0xFFFF:
            return False
    return bool(ranges)


def _programs(families: tuple[int, ...], ranges: "Mapping[str, Ranges]", maps: tuple[Map, ...]) -> "list[Program]":
    found: dict[str, tuple[bytes, tuple[int, ...]]] = {"INET_SOCK_CREATE": (programs.socket_program(families), ())}
    # a socket of IPv6 also speaks to IPv4's addresses, by the hooks of IPv4
    versions = (4, 6) if AF_INET6 in families else (4,)
    places = tuple(range(len(maps)))
    # a program that would let everything pass is not worth its load
    binds = "bind" in ranges and not _are_all_ports(ranges["bind"])
    for version in versions:
        if binds:
            found[f"INET{version}_BIND"] = (programs.bind_program(ranges["bind"]), ())
        if "egress" in ranges:
            program = programs.peer_program(version, ranges["egress"])
            found[f"INET{version}_CONNECT"] = found[f"UDP{version}_SENDMSG"] = (program, places)
    if "egress" in ranges:
        found["INET_EGRESS"] = (programs.route_program(), ())
    if "ingress" in ranges:
        found["INET_INGRESS"] = (programs.ingress_program(ranges["ingress"], ranges.get("egress")), places)
    kinds = {"INET_SOCK_CREATE": "CGROUP_SOCK", "INET_INGRESS": "CGROUP_SKB", "INET_EGRESS": "CGROUP_SKB"}
    return [
        (PROGRAM_NAME, BPF_PROG_TYPES[kinds.get(hook, "CGROUP_SOCK_ADDR")], BPF_ATTACH_TYPES[hook], program, used)
        for hook, (program, used) in found.items()
    ]
