"""Network rules lowered to programs: single decisions, and what is attached."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.abi import bpf
from runtime.errors import PolicyError
from runtime.policy.lower_network import lower_network, socket_limits, withheld_capabilities
from tests.runtime.policy.ebpf_machine import Machine
from tests.runtime.policy.traffic import (
    TCP,
    UDP,
    arrives,
    binds,
    connects,
    layer,
    lowered,
    packet,
    program,
    rule,
    tables,
)


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
        egress=everything, ingress=everything, bind=[{"ports": [[2, 65535]], "protocols": ["tcp", "udp"]}]
    )
    assert not connects(network, "10.0.0.1", 0, 1)
    assert not connects(network, "fd00::1", 0, 58)
    assert not binds(network, 5, 132)
    assert not arrives(network, "10.0.0.1", 0, 0, 1)


@pytest.mark.parametrize(
    ("ports", "protocols", "judged"),
    [
        ([[0, 65535]], ["tcp", "udp"], False),
        ([[1, 100], [101, 65535]], ["tcp", "udp"], False),
        ([[0, 65535]], ["tcp"], True),
        ([[1, 100], [102, 65535]], ["tcp", "udp"], True),
        ([[0, 65534]], ["tcp", "udp"], True),
    ],
)
def test_no_program_judges_binds_that_may_all_be(ports: list[list[int]], protocols: list[str], *, judged: bool) -> None:
    """It would cost each start, and no socket is made there but of TCP and UDP."""
    network = lowered(bind=[{"ports": ports, "protocols": protocols}])
    attached = {attach for _name, _kind, attach, _code, _maps in network[1]}
    hooks = {bpf.BPF_ATTACH_TYPES[f"INET{version}_BIND"] for version in (4, 6)}
    assert (attached & hooks == hooks) == judged
    assert bool(attached & hooks) == judged


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
    assert lower_network([{"rules": [], "network": None}], True)[0] is None
    assert lower_network([layer(domains=[1, 2])], True)[0] is None
    assert lower_network([layer(domains=[1], egress=[], ingress=[], bind=[])], True)[0] is None


def test_packets_with_a_source_route_stay() -> None:
    """A packet that goes by another address first does not leave; every other one does."""
    code = program(lowered(egress=[]), "INET_EGRESS")
    ipv4, ipv6 = {bpf.SKB_PROTOCOL: 0x0008}, {bpf.SKB_PROTOCOL: 0xDD86}
    assert Machine(ipv6, packet=packet("2001:db8::1", 5, next_header=43)).run(code) == 0
    assert Machine(ipv6, packet=packet("2001:db8::1", 5)).run(code) == 1
    assert Machine(ipv4, packet=packet("192.0.2.1", 5)).run(code) == 1
    assert Machine(ipv4, packet=packet("192.0.2.1", 5, options=bytes(8))).run(code) == 0


def test_hooks_that_are_attached() -> None:
    """Only those that something is to be judged at; IPv6's fall away with its sockets, IPv4's do not."""
    hooks = {number: name for name, number in bpf.BPF_ATTACH_TYPES.items()}

    def names(**network: Any) -> set[str]:
        return {hooks[attach] for _name, _kind, attach, _code, _maps in lowered(**network)[1]}

    peers = {"INET4_CONNECT", "INET6_CONNECT", "UDP4_SENDMSG", "UDP6_SENDMSG"}
    assert names(egress=[]) == {"INET_SOCK_CREATE", "INET_EGRESS", *peers}
    assert names(ingress=[]) == {"INET_SOCK_CREATE", "INET_INGRESS"}
    assert names(bind=[]) == {"INET_SOCK_CREATE", "INET4_BIND", "INET6_BIND"}
    assert names(egress=[], domains=[1, 2]) == {"INET_SOCK_CREATE", "INET_EGRESS", "INET4_CONNECT", "UDP4_SENDMSG"}
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
