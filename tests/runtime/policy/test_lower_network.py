"""Network rules lowered to programs, which an interpreter runs against the rules read one by one."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.abi import bpf
from runtime.errors import PolicyError
from runtime.policy.lower_network import Network, lower_network, socket_limits, withheld_capabilities
from tests.runtime.policy.ebpf_machine import Machine, entries

TCP, UDP = 6, 17
_PROTOCOL = {TCP: "tcp", UDP: "udp"}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def rule(
    action: str, cidr: str, *ports: tuple[int, int], protocols: tuple[str, ...] = ("tcp", "udp")
) -> dict[str, Any]:
    """One rule as a layer has it; without ports: all."""
    return {
        "action": action,
        "cidr": cidr,
        "ports": [list(pair) for pair in ports] or [[0, 65535]],
        "protocols": list(protocols),
        "rule": 0,
    }


def layer(**network: Any) -> dict[str, Any]:
    """A layer with a network section."""
    section = {"domains": None, "types": None, "protocols": None, "egress": None, "ingress": None, "bind": None}
    return {"rules": [{"text": "network: rule", "where": "p.yaml:3"}], "network": {**section, **network}}


def program(network: Network, hook: str) -> bytes:
    """The instructions for one hook."""
    (found,) = [code for _name, _kind, attach, code, _maps in network[1] if attach == bpf.BPF_ATTACH_TYPES[hook]]
    return found


def tables(network: Network) -> list[dict[tuple[int, bytes], bytes]]:
    """What the maps hold."""
    return [entries(pairs, key, value) for _type, key, value, _flags, pairs in network[0]]


def word(data: bytes) -> int:
    """Four bytes as the program loads them."""
    return int.from_bytes(data, "little")


def connects(network: Network, address: str, port: int, protocol: int = TCP, kind: str = "CONNECT") -> bool:
    """What the hooks of connect or sendmsg say to an address and port."""
    peer = ipaddress.ip_address(address)
    prefix = "INET" if kind == "CONNECT" else "UDP"
    context = {
        bpf.ADDR_USER_PORT: int.from_bytes(port.to_bytes(2, "big"), "little"),
        bpf.ADDR_PROTOCOL: protocol,
        bpf.ADDR_USER_IP4: word(peer.packed[:4]),
        **{bpf.ADDR_USER_IP6 + 4 * i: word(peer.packed[4 * i : 4 * i + 4]) for i in range(4) if peer.version == 6},
    }
    return Machine(context, tables(network)).run(program(network, f"{prefix}{peer.version}_{kind}")) == 1


def binds(network: Network, port: int, protocol: int = TCP, version: int = 4) -> bool:
    """What the hook of bind says."""
    context = {
        bpf.ADDR_USER_PORT: int.from_bytes(port.to_bytes(2, "big"), "little"),
        bpf.ADDR_PROTOCOL: protocol,
    }
    return Machine(context).run(program(network, f"INET{version}_BIND")) == 1


def packet(source: str, source_port: int, next_header: int = UDP, options: bytes = b"") -> bytes:
    """An IP header (with options) and the first half of a transport header."""
    address = ipaddress.ip_address(source)
    if address.version == 4:
        head = bytes([0x45 + len(options) // 4]) + bytes(11) + address.packed + bytes(4) + options
    else:
        head = b"\x60" + bytes(5) + bytes([next_header, 64]) + address.packed + bytes(16)
    return head + source_port.to_bytes(2, "big") + bytes(6)


def arrives(network: Network, source: str, source_port: int, local_port: int, protocol: int = TCP, **more: Any) -> bool:
    """What the hook of arriving packets says; a TCP socket listens, a UDP socket is not connected, unless `more` says so."""
    version = ipaddress.ip_address(source).version
    socket = {
        bpf.SOCK_PROTOCOL: protocol,
        bpf.SOCK_SRC_PORT: local_port,
        bpf.SOCK_STATE: more.pop("state", bpf.BPF_TCP_LISTEN),
        bpf.SOCK_DST_PORT: more.pop("peer_port", 0),
    }
    context = {bpf.SKB_PROTOCOL: 0x0008 if version == 4 else 0xDD86}
    data = packet(source, source_port, **more)
    return Machine(context, tables(network), socket, data).run(program(network, "INET_INGRESS")) == 1


# ---- the rules, read one by one ------------------------------------------------------------------------------------


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
    network = lower_network([layer(egress=rules) for rules in layers], own)
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
    )
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
    network = lower_network([layer(bind=rules) for rules in bind], True)
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


# ---- single decisions ----------------------------------------------------------------------------------------------


def lowered(own: bool = True, **network: Any) -> Network:
    """One layer lowered."""
    found = lower_network([layer(**network)], own)
    assert found is not None
    return found


def test_loopback_is_the_containers_own() -> None:
    """Allowed without a rule where the container has a network of its own, never where it is the host's, and a rule denies it."""
    assert connects(lowered(egress=[]), "127.0.0.1", 5432)
    assert connects(lowered(egress=[]), "::1", 5432)
    assert arrives(lowered(ingress=[]), "127.0.0.1", 40000, 5432)
    assert not connects(lowered(own=False, egress=[]), "127.0.0.1", 5432)
    denied = lowered(egress=[rule("deny", "127.0.0.0/8", (22, 22)), rule("deny", "::1")])
    assert not connects(denied, "127.0.0.1", 22)
    assert connects(denied, "127.0.0.1", 23)
    assert not connects(denied, "::1", 23)


def test_no_address_is_ourselves() -> None:
    """connect(0.0.0.0) reaches 127.0.0.1, connect(::) may reach either loopback: they are judged as what they reach."""
    host = lowered(own=False, egress=[rule("allow", "0.0.0.0/0", (80, 80)), rule("deny", "127.0.0.0/8")])
    assert connects(host, "10.0.0.1", 80)
    assert not connects(host, "0.0.0.0", 80)
    assert connects(lowered(egress=[]), "0.0.0.0", 80)
    assert connects(lowered(egress=[]), "::", 80)
    assert not connects(lowered(egress=[rule("deny", "::1")]), "::", 80)
    assert not connects(lowered(egress=[rule("deny", "127.0.0.0/8")]), "::", 80)
    assert not connects(lowered(egress=[rule("deny", "0.0.0.0/32")]), "0.0.0.0", 80)


def test_only_tcp_and_udp_sockets() -> None:
    """Nobody judges what the others send."""
    code = program(lowered(egress=[rule("allow", "0.0.0.0/0")]), "INET_SOCK_CREATE")

    def made(family: int, kind: int, protocol: int) -> bool:
        context = {bpf.SOCK_FAMILY: family, bpf.SOCK_TYPE: kind, bpf.SOCK_PROTOCOL: protocol}
        return Machine(context).run(code) == 1

    assert made(2, 1, TCP)
    assert made(10, 1, TCP)
    assert made(2, 2, UDP)
    assert made(10, 2, UDP)
    # raw, ping, UDP-Lite, SCTP (both kinds), Multipath TCP, DCCP, and TCP or UDP under a wrong type
    for family, kind, protocol in (
        (2, 3, 1),
        (2, 3, TCP),
        (2, 3, 255),
        (2, 2, 1),
        (10, 2, 58),
        (2, 2, 136),
        (2, 1, 132),
        (2, 5, 132),
        (2, 1, 262),
        (2, 6, 33),
        (2, 2, TCP),
        (2, 1, UDP),
    ):
        assert not made(family, kind, protocol), (family, kind, protocol)


def test_other_protocols_are_refused_by_each_program() -> None:
    """Should such a socket be there all the same."""
    everything = [rule("allow", "0.0.0.0/0"), rule("allow", "::/0")]
    network = lowered(
        egress=everything, ingress=everything, bind=[{"ports": [[0, 65535]], "protocols": ["tcp", "udp"]}]
    )
    assert not connects(network, "10.0.0.1", 0, 1)
    assert not connects(network, "fd00::1", 0, 58)
    assert not binds(network, 5, 132)
    assert not arrives(network, "10.0.0.1", 0, 0, 1)


def test_established_sockets_are_left_alone() -> None:
    """A TCP socket that does not listen, a UDP socket with a peer: connect has judged them."""
    network = lowered(ingress=[])
    assert not arrives(network, "10.0.0.1", 443, 50000)
    assert arrives(network, "10.0.0.1", 443, 50000, state=1)
    assert not arrives(network, "10.0.0.1", 53, 50000, UDP)
    assert arrives(network, "10.0.0.1", 53, 50000, UDP, peer_port=53)


def test_answers_to_datagrams() -> None:
    """Behind IP options too; behind IPv6 extension headers the port is not looked for; without egress rules nobody answers."""
    network = lowered(ingress=[], egress=[rule("allow", "10.0.0.1", (53, 53)), rule("allow", "fd00::1", (53, 53))])
    assert arrives(network, "10.0.0.1", 53, 50000, UDP)
    assert arrives(network, "10.0.0.1", 53, 50000, UDP, options=bytes(8))
    assert not arrives(network, "10.0.0.1", 54, 50000, UDP, options=bytes(8))
    assert not arrives(network, "10.0.0.1", 54, 50000, UDP)
    assert arrives(network, "fd00::1", 53, 50000, UDP)
    assert not arrives(network, "fd00::1", 53, 50000, UDP, next_header=60)
    assert not arrives(network, "10.0.0.1", 53, 50000, TCP)
    assert not arrives(lowered(ingress=[]), "10.0.0.1", 53, 50000, UDP)


def test_redundant_prefixes_are_left_out() -> None:
    """A block inside a block that says the same costs the kernel nothing."""
    network = lowered(
        own=False,
        egress=[rule("allow", "10.0.0.0/8"), *[rule("allow", f"10.{n}.0.0/16") for n in range(200)]],
    )
    assert [bits for bits, _address in tables(network)[0]] == [8]
    assert tables(network)[1] == {}


def test_sixty_four_classes_and_no_more() -> None:
    """Ports that no rule tells apart are one class; beyond what a mask holds, the rules are named."""
    many = [rule("allow", f"10.0.0.{n}", (n, n), protocols=("tcp",)) for n in range(1, 65)]
    network = lowered(own=False, egress=many)
    assert all(connects(network, f"10.0.0.{n}", n) for n in range(1, 65))
    assert not any(connects(network, f"10.0.0.{n}", n + 1) for n in range(1, 65))
    with pytest.raises(PolicyError, match=r"network\.egress: ports in 65 combinations.*p\.yaml:3: network: rule"):
        lowered(own=False, egress=[*many, rule("allow", "10.0.1.0", (500, 500), protocols=("tcp",))])
    # as many ports as there are, all treated alike
    assert connects(
        lowered(own=False, egress=[rule("allow", "10.0.0.0/8", *[(2 * n, 2 * n) for n in range(900)])]), "10.1.1.1", 800
    )


def test_nothing_to_judge() -> None:
    """No network section, one that restricts only kinds of sockets, and one without any internet socket: the filter does it."""
    assert lower_network([{"rules": [], "network": None}], True) is None
    assert lower_network([layer(domains=[1, 2])], True) is None
    assert lower_network([layer(domains=[1], egress=[], ingress=[], bind=[])], True) is None


def test_packets_with_a_routing_header_stay() -> None:
    """A packet of IPv6 that goes by another address first does not leave; every other one does."""
    code = program(lowered(egress=[]), "INET_EGRESS")
    ipv6 = {bpf.SKB_PROTOCOL: 0xDD86}
    assert Machine(ipv6, packet=packet("2001:db8::1", 5, next_header=43)).run(code) == 0
    assert Machine(ipv6, packet=packet("2001:db8::1", 5)).run(code) == 1
    assert Machine({bpf.SKB_PROTOCOL: 0x0008}, packet=packet("192.0.2.1", 5)).run(code) == 1


def test_hooks_that_are_attached() -> None:
    """Only those that something is to be judged at; IPv6's fall away with its sockets, IPv4's do not."""
    hooks = {number: name for name, number in bpf.BPF_ATTACH_TYPES.items()}

    def names(**network: Any) -> set[str]:
        return {hooks[attach] for _name, _kind, attach, _code, _maps in lowered(**network)[1]}

    peers = {"INET4_CONNECT", "INET6_CONNECT", "UDP4_SENDMSG", "UDP6_SENDMSG"}
    assert names(egress=[]) == {"INET_SOCK_CREATE", "INET_EGRESS", *peers}
    assert names(ingress=[]) == {"INET_SOCK_CREATE", "INET_INGRESS"}
    assert names(bind=[]) == {"INET_SOCK_CREATE", "INET4_BIND", "INET6_BIND"}
    assert names(egress=[], domains=[1, 2]) == {"INET_SOCK_CREATE", "INET4_CONNECT", "UDP4_SENDMSG"}
    assert names(egress=[], domains=[10]) == {"INET_SOCK_CREATE", "INET_EGRESS", *peers}


def test_limits_of_sockets() -> None:
    """What the filter must refuse for the programs to see everything."""
    assert socket_limits([{"rules": [], "network": None}]) is None
    assert socket_limits([layer()]) is None
    assert socket_limits([layer(types=[1], protocols=[0])]) == ((None, (1,), (0,)),)
    inet = ((2, (1, 2), (0, 6, 17)), (10, (1, 2), (0, 6, 17)))
    assert socket_limits([layer(egress=[])]) == ((1, None, None), *inet, (16, None, (0,)))
    assert socket_limits([layer(egress=[], domains=[1, 2, 17, 40])]) == ((1, None, None), inet[0])
    assert socket_limits([layer(domains=[1, 17]), layer(domains=[17, 2])]) == ((17, None, None),)
    assert socket_limits([layer(egress=[]), layer(types=[1])]) == (
        (1, (1,), None),
        (2, (1,), (0, 6, 17)),
        (10, (1,), (0, 6, 17)),
        (16, (1,), (0,)),
    )


def test_withheld_capabilities() -> None:
    """With them packets leave that no socket sent."""
    assert withheld_capabilities([layer(ingress=[])]) == ("CAP_NET_ADMIN", "CAP_NET_RAW")
    assert withheld_capabilities([layer(domains=[2])]) == ()
