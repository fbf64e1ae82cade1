"""Network rules lowered to programs, which an interpreter runs against the rules read one by one."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.policy.lower_network import lower_network
from tests.runtime.policy.traffic import TCP, UDP, arrives, binds, connects, layer, rule

_PROTOCOL = {TCP: "tcp", UDP: "udp"}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def holds(entry: dict[str, Any], address: Address, port: int, protocol: int) -> bool:
    """Whether a rule speaks of this."""
    block = ipaddress.ip_network(entry["cidr"])
    inside = block.version == address.version and address in block
    return (
        inside
        and _PROTOCOL[protocol] in entry["protocols"]
        and any(low <= port <= high for low, high in entry["ports"])
    )


def allowed(layers: list[list[dict[str, Any]]], address: Address, port: int, protocol: int, loopback: bool) -> bool:
    """Every layer allows it, and denies it nowhere."""
    for rules in layers:
        found = [entry["action"] for entry in rules if holds(entry, address, port, protocol)]
        if loopback and address.is_loopback:
            found.append("allow")
        if "allow" not in found or "deny" in found:
            return False
    return True


_CIDRS = st.sampled_from(
    [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "10.1.2.3/32",
        "127.0.0.0/8",
        "127.0.0.1/32",
        "::/0",
        "fd00::/8",
        "fd00:1::/32",
        "fd00:1::5/128",
        "::1/128",
    ]
)
_POINTS = (0, 1, 79, 80, 81, 443, 8080, 65534, 65535)
_RANGES = st.tuples(st.sampled_from(_POINTS), st.sampled_from(_POINTS)).map(lambda pair: (min(pair), max(pair)))
_RULES = st.lists(
    st.builds(
        lambda action, cidr, ports, protocols: rule(action, cidr, *ports, protocols=tuple(protocols)),
        st.sampled_from(["allow", "allow", "deny"]),
        _CIDRS,
        st.lists(_RANGES, max_size=2),
        st.lists(st.sampled_from(["tcp", "udp"]), min_size=1, max_size=2, unique=True),
    ),
    max_size=6,
)
_LAYERS = st.lists(_RULES, min_size=1, max_size=3)
_ADDRESSES = st.sampled_from(
    [
        "10.1.2.3",
        "10.1.2.4",
        "10.1.9.9",
        "10.9.9.9",
        "11.0.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "255.255.255.255",
        "fd00:1::5",
        "fd00:1::6",
        "fd00:2::1",
        "fe80::1",
        "::1",
        "::2",
    ]
)


@given(_LAYERS, _ADDRESSES, st.sampled_from(_POINTS), st.sampled_from([TCP, UDP]), st.booleans())
def test_egress_answers_as_the_rules(
    layers: list[list[dict[str, Any]]], address: str, port: int, protocol: int, own: bool
) -> None:
    """For addresses inside, beside and below every rule, on both sides of every port's edge; mapped addresses as IPv4."""
    network = lower_network([layer(egress=rules) for rules in layers], own)[0]
    assert network is not None
    expected = allowed(layers, ipaddress.ip_address(address), port, protocol, own)
    assert connects(network, address, port, protocol) == expected
    if "." in address:
        assert connects(network, f"::ffff:{address}", port, protocol) == expected
    if protocol == UDP:
        assert connects(network, address, port, protocol, "SENDMSG") == expected


@given(_LAYERS, _LAYERS, _ADDRESSES, st.sampled_from(_POINTS), st.sampled_from(_POINTS), st.sampled_from([TCP, UDP]))
def test_ingress_answers_as_the_rules(
    layers: list[list[dict[str, Any]]],
    outward: list[list[dict[str, Any]]],
    address: str,
    port: int,
    source_port: int,
    protocol: int,
) -> None:
    """A listening socket's packets by the rules alone; datagrams also when they may be answers of somebody sent to."""
    network = lower_network(
        [*[layer(ingress=rules) for rules in layers], *[layer(egress=rules) for rules in outward]], True
    )[0]
    assert network is not None
    source = ipaddress.ip_address(address)
    expected = allowed(layers, source, port, protocol, True)
    if protocol == UDP:
        expected = expected or allowed(outward, source, source_port, UDP, True)
    assert arrives(network, address, source_port, port, protocol) == expected


@given(_LAYERS, st.sampled_from(_POINTS), st.sampled_from([TCP, UDP]))
def test_bind_answers_as_the_rules(layers: list[list[dict[str, Any]]], port: int, protocol: int) -> None:
    """The ports that each layer names; the kernel's choice always."""
    bind = [[{key: entry[key] for key in ("ports", "protocols", "rule")} for entry in rules] for rules in layers]
    network = lower_network([layer(bind=rules) for rules in bind], True)[0]
    assert network is not None
    named = all(
        any(
            _PROTOCOL[protocol] in entry["protocols"] and any(low <= port <= high for low, high in entry["ports"])
            for entry in rules
        )
        for rules in bind
    )
    assert binds(network, port, protocol) == (named or port == 0)
    assert binds(network, port, protocol, version=6) == (named or port == 0)
