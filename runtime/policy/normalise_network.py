"""The network section of a policy: names to numbers, addresses to networks, and what follows from what was left out.

A section that was left out allows unix sockets alone.  Cold.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from oci_schemas.wording import quoted
from runtime.policy.judge import Judge
from runtime.policy.lines import Place
from runtime.policy.names import DOMAINS, PROTOCOLS, TYPES, number_of
from runtime.policy.normalise_paths import normalise_unix
from runtime.policy.schema import Bind, Network, Peer
from runtime.policy.sizes import parse_ports

Layer = dict[str, Any]

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_STREAM, _DATAGRAM, _RAW, _SEQPACKET, _PACKET = 1, 2, 3, 5, 10
_TCP, _UDP = 6, 17
_MEDIATED = (_TCP, _UDP)  # what rules about peers and ports can be enforced on
_WORDS = {"any": ("0.0.0.0/0", "::/0"), "loopback": ("127.0.0.0/8", "::1/128")}
_ALL_PORTS = [[0, 65535]]
_ALL_TRANSPORTS = ["tcp", "udp"]


def normalise_network(judge: Judge, section: Network | str) -> Layer | None:
    """The layer's `network`: None where it is left alone."""
    if section == "unrestricted":
        return None
    rule = judge.rule(("network",), "none" if isinstance(section, str) else "")
    if isinstance(section, str):
        return _nothing(rule)
    named = any((section.egress, section.ingress, section.bind))
    default = [_AF_UNIX, _AF_INET, _AF_INET6] if named else [_AF_UNIX]
    domains = _numbers(judge, ("network", "domains"), section.domains, (DOMAINS, default))
    types = _numbers(judge, ("network", "types"), section.types, (TYPES, [_STREAM, _DATAGRAM, _SEQPACKET]))
    protocols = _numbers(judge, ("network", "protocols"), section.protocols, (PROTOCOLS, [_TCP, _UDP]))
    _check_reach(judge, domains, types)
    return {
        "domains": domains,
        "types": types,
        "protocols": protocols,
        "egress": _peers(judge, ("network", "egress"), section.egress),
        "ingress": _peers(judge, ("network", "ingress"), section.ingress),
        "bind": [
            rule for at, entry in enumerate(section.bind) for rule in _bind(judge, ("network", "bind", at), entry)
        ],
        "unix": normalise_unix(judge, section.unix),
        "rule": rule,
    }


def _nothing(rule: int) -> Layer:
    return {
        "domains": [_AF_UNIX],
        "types": None,
        "protocols": [],
        "egress": [],
        "ingress": [],
        "bind": [],
        "unix": None,
        "rule": rule,
    }


def _check_reach(judge: Judge, domains: list[int], types: list[int]) -> None:
    """Refuse sockets that rules about peers cannot hold back."""
    if {_AF_INET, _AF_INET6} & set(domains) and {_RAW, _PACKET} & set(types):
        judge.complain(
            ("network", "types"),
            "raw sockets go round every rule about peers and ports: with AF_INET or AF_INET6 write `network: unrestricted`",
        )


def _numbers(
    judge: Judge, place: Place, words: list[str] | None, known: tuple[Mapping[str, int], list[int]]
) -> list[int]:
    names, default = known
    if words is None:
        return list(default)
    found = [judge.attempt((*place, at), number_of, word, names, "name") for at, word in enumerate(words)]
    return sorted({number for number in found if number is not None})


def _peers(judge: Judge, place: Place, entries: list[Peer]) -> list[Layer]:
    return [rule for at, entry in enumerate(entries) for rule in _peer(judge, (*place, at), entry)]


def _peer(judge: Judge, place: Place, entry: Peer) -> list[Layer]:
    if (entry.allow is None) == (entry.deny is None):
        if not judge.is_touched(place):
            judge.complain(place, "needs exactly one of allow and deny")
        return []
    action = "deny" if entry.allow is None else "allow"
    words = entry.allow or entry.deny or []
    shape = _shape(judge, place, entry)
    texts = [network for word in words for network in judge.attempt(place, parse_network, word) or ()]
    rule = judge.rule(place, _text(action, words, entry))
    return [{"action": action, "cidr": text, **shape, "rule": rule} for text in texts]


def _bind(judge: Judge, place: Place, entry: Bind) -> list[Layer]:
    return [{**_shape(judge, place, entry), "rule": judge.rule(place, _text("", [], entry))}]


def _shape(judge: Judge, place: Place, entry: Peer | Bind) -> Layer:
    ports = _ALL_PORTS
    if entry.ports is not None:
        ports = [found for word in entry.ports if (found := judge.attempt(place, parse_ports, word)) is not None]
    return {"ports": [list(pair) for pair in ports], "protocols": list(entry.protocols or _ALL_TRANSPORTS)}


def _text(action: str, words: list[str], entry: Peer | Bind) -> str:
    parts = [action, ", ".join(words)]
    if entry.ports is not None:
        parts.append(f"ports {', '.join(entry.ports)}")
    if entry.protocols is not None:
        parts.append(f"by {' and '.join(entry.protocols)}")
    return " ".join(part for part in parts if part)


def parse_network(word: str) -> tuple[str, ...]:
    """Networks as the kernel compares them: a word stands for two, an address for itself.  Raises: ValueError."""
    if word in _WORDS:
        return _WORDS[word]
    length = word.partition("/")[2]
    try:
        if length and not (length.isascii() and length.isdigit() and str(int(length)) == length):
            raise ValueError(word)  # noqa: TRY301 - masks are read in more than one way
        found = ipaddress.ip_network(word)
    except ValueError:
        raise ValueError(_complaint(word)) from None
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped and found.prefixlen >= 96:
        inner = f"{found.network_address.ipv4_mapped}/{found.prefixlen - 96}"
        raise ValueError(f"{quoted(word)} is an IPv4 network in disguise, write {inner}: it covers both forms")
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.scope_id:
        raise ValueError(f"{quoted(word)}: addresses are compared without a scope")
    return (str(found),)


def _complaint(word: str) -> str:
    try:
        meant = ipaddress.ip_network(word, strict=False)
    except ValueError:
        return f'{quoted(word)} is no address or network such as "10.0.0.0/8", any or loopback; names of hosts are not looked up'
    plain = str(meant.prefixlen) == word.partition("/")[2]
    return f"{quoted(word)} has {'bits beyond its prefix' if plain else 'no plain number for a length'}, did you mean {quoted(str(meant))}?"
