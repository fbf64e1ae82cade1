"""The programs of a cgroup against real traffic: every call that can name a peer, and what arrives."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from integration.framework.hierarchy import CGROUP_MOUNT
from integration.network.arena import TCP, TCP6, UDP, UDP6, Arena, layer, rule

MSG_FASTOPEN = 0x20000000


@pytest.fixture(scope="module")
def shared(cgroup_parent: str) -> Iterator[Arena]:
    """One arena for all tests of this file; rules are exchanged between them."""
    arena = Arena(CGROUP_MOUNT / cgroup_parent.lstrip("/") / "arena")
    for kind, address in ((TCP, "0.0.0.0"), (TCP6, "::")):
        for port in (443, 80):
            if kind is TCP6:
                name = arena.outside.socket(kind)
                arena.outside.call(name, "setsockopt", socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                arena.outside.call(name, "bind", [address, port])
                arena.outside.call(name, "listen", 64)
            else:
                arena.outside.bound(kind, address, port)
    yield arena
    arena.close()


@pytest.fixture
def arena(shared: Arena) -> Iterator[Arena]:
    """The arena without rules, before and after."""
    yield shared
    shared.restrict()


HTTPS = rule("allow", "10.0.0.0/8", [(443, 443)], ("tcp",))


def test_connect_is_judged_by_address_and_port(arena: Arena) -> None:
    """EPERM for another port, another network, and an exception within the allowed one; nothing changes for others."""
    arena.restrict(layer(egress=[HTTPS, rule("deny", "10.2.0.0/16")]))
    assert arena.inside.connects(TCP, "10.0.0.1", 443) == ""
    assert arena.inside.connects(TCP, "10.1.0.1", 443) == ""
    assert arena.inside.connects(TCP, "10.2.0.1", 443) == "EPERM"
    assert arena.inside.connects(TCP, "10.0.0.1", 80) == "EPERM"
    assert arena.inside.connects(TCP, "198.51.100.1", 443) == "EPERM"
    assert arena.inside.connects(TCP6, "fd00::1", 443) == "EPERM"
    assert arena.outside.connects(TCP, "10.0.0.1", 80) == ""


@pytest.mark.parametrize("count", [15, 16, 17, 1000])
def test_every_entry_of_a_long_list_is_there(arena: Arena, count: int) -> None:
    """Few entries are put into the map one by one, many by one call: first, last and those between hold, what is beside them does not."""
    rules = [rule("allow", f"10.{n // 250}.{n % 250}.1/32") for n in range(count)]
    rules += [rule("allow", f"fd00::{n + 1:x}:0/112") for n in range(count)]
    arena.restrict(layer(egress=rules))
    four, six = arena.inside.socket(UDP), arena.inside.socket(UDP6)
    allowed = ("", "ENETUNREACH", "EHOSTUNREACH")  # judged before a route is looked for
    for n in {0, 1, count // 2, count - 2, count - 1}:
        assert arena.inside.error(four, "connect", [f"10.{n // 250}.{n % 250}.1", 53]) in allowed
        assert arena.inside.error(four, "connect", [f"10.{n // 250}.{n % 250}.2", 53]) == "EPERM"
        assert arena.inside.error(six, "connect", [f"fd00::{n + 1:x}:9", 53]) in allowed
    assert arena.inside.error(four, "connect", [f"10.{count // 250}.{count % 250}.1", 53]) == "EPERM"
    assert arena.inside.error(six, "connect", [f"fd00::{count + 1:x}:9", 53]) == "EPERM"


def test_mapped_addresses_are_ipv4(arena: Arena) -> None:
    """An IPv6 socket does not lead round a rule about IPv4, nor does one about IPv6 allow it."""
    arena.restrict(layer(egress=[HTTPS, rule("allow", "::/0")]))
    assert arena.inside.connects(TCP6, "::ffff:10.0.0.1", 443) == ""
    assert arena.inside.connects(TCP6, "::ffff:10.0.0.1", 80) == "EPERM"
    assert arena.inside.connects(TCP6, "fd00::1", 80) == ""
    name = arena.inside.socket(UDP6)
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["::ffff:10.0.0.1", 443]) == "EPERM"
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["fd00::1", 443]) == ""


def test_fast_open_is_a_connect(arena: Arena) -> None:
    """Data with the first packet, by sendto(MSG_FASTOPEN) and sendmsg, is judged before anything is sent."""
    arena.restrict(layer(egress=[HTTPS]))
    for address, port, expected in (("10.0.0.1", 443, ""), ("10.0.0.1", 80, "EPERM"), ("10.9.9.9", 80, "EPERM")):
        name = arena.inside.socket(TCP)
        arena.inside.call(name, "setblocking", True)
        assert arena.inside.error(name, "sendto", {"bytes": "early"}, MSG_FASTOPEN, [address, port]) == expected
        assert (arena.inside.error(name, "getpeername") == "") == (expected == "")
    name = arena.inside.socket(TCP6)
    assert arena.inside.error(name, "sendto", {"bytes": "early"}, MSG_FASTOPEN, ["fd00::1", 443]) == "EPERM"


def test_datagrams_by_every_call(arena: Arena) -> None:
    """sendto and sendmsg name a peer each time, connect once; a connected socket may name another one, which is judged too."""
    peer = arena.outside.bound(UDP, "10.0.0.1", 53)
    arena.restrict(layer(egress=[rule("allow", "10.0.0.1/32", [(53, 53)], ("udp",))]))
    name = arena.inside.socket(UDP)
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["10.0.0.1", 53]) == ""
    assert arena.outside.call(peer, "recv", 10) == "x"
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["10.0.0.1", 54]) == "EPERM"
    assert arena.inside.error(name, "sendmsg", ["10.1.0.1", 53]) == "EPERM"
    assert arena.inside.error(name, "connect", ["10.1.0.1", 53]) == "EPERM"
    assert arena.inside.error(name, "connect", ["10.0.0.1", 53]) == ""
    assert arena.inside.error(name, "send", {"bytes": "x"}) == ""
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["10.1.0.1", 53]) == "EPERM"
    assert arena.inside.error(name, "disconnect") == ""
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["10.1.0.1", 53]) == "EPERM"
    assert arena.inside.connects(TCP, "10.0.0.1", 53) == "EPERM"  # the rule is UDP's


def test_a_disconnected_stream_is_judged_again(arena: Arena) -> None:
    """connect(AF_UNSPEC) reaches nobody; the next connect is like the first."""
    arena.restrict(layer(egress=[HTTPS]))
    name = arena.inside.socket(TCP)
    assert arena.inside.error(name, "connect", ["10.0.0.1", 443]) == ""
    assert arena.inside.error(name, "disconnect") == ""
    assert arena.inside.error(name, "connect", ["10.0.0.1", 80]) == "EPERM"
    assert arena.inside.error(name, "connect", ["10.1.0.1", 443]) == ""


def test_no_address_is_judged_as_loopback(arena: Arena) -> None:
    """connect(0.0.0.0) and connect(::) reach this very host."""
    everywhere = [rule("allow", "0.0.0.0/0"), rule("allow", "::/0")]
    loopback = [rule("deny", "127.0.0.0/8"), rule("deny", "::1/128")]
    arena.restrict(layer(egress=[*everywhere, *loopback]))
    assert arena.inside.connects(TCP, "10.0.0.1", 80) == ""
    for kind, address in ((TCP, "0.0.0.0"), (TCP, "127.0.0.1"), (TCP6, "::"), (TCP6, "::1"), (TCP6, "::ffff:0.0.0.0")):
        assert arena.inside.connects(kind, address, 80) == "EPERM", address
    arena.restrict(layer(egress=[]))
    for kind, address in ((TCP, "0.0.0.0"), (TCP, "127.0.0.1"), (TCP6, "::1")):
        assert arena.inside.connects(kind, address, 80) == "", address
    assert arena.inside.connects(TCP, "10.0.0.1", 80) == "EPERM"
    arena.restrict(layer(egress=[]), own_netns=False)
    assert arena.inside.connects(TCP, "127.0.0.1", 80) == "EPERM"


def test_other_kinds_of_sockets_cannot_be_made(arena: Arena) -> None:
    """Raw, ping, SCTP, UDP-Lite, Multipath TCP: the kernel has no hook for what they send."""
    arena.restrict(layer(egress=[rule("allow", "0.0.0.0/0")]))
    for kind in ((2, 3, 1), (2, 3, 255), (10, 3, 58), (2, 2, 1), (2, 2, 136), (2, 1, 132), (2, 1, 262)):
        error = arena.inside.error("other", "socket", *kind)
        assert error in ("EPERM", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EACCES"), (kind, error)
        if kind in ((2, 3, 1), (10, 3, 58), (2, 3, 255)):
            assert error == "EPERM"
            assert arena.outside.error("other", "socket", *kind) == ""
    arena.outside.call("other", "close")
    assert arena.inside.error("unix", "socket", 1, 1, 0) == ""


def test_source_routes_do_not_leave(arena: Arena) -> None:
    """A packet that is addressed to the first stop of a route, which nobody judged."""
    arena.restrict(layer(egress=[rule("allow", "10.0.0.1/32")]))
    name = arena.inside.socket(UDP)
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["10.0.0.1", 5000]) == ""
    loose = bytes([131, 7, 4]) + socket.inet_aton("10.1.0.1") + b"\0"
    arena.inside.call(name, "setsockopt", socket.IPPROTO_IP, socket.IP_OPTIONS, {"bytes": loose.decode("latin-1")})
    assert arena.inside.error(name, "sendto", {"bytes": "x"}, ["10.0.0.1", 5000]) == "EPERM"


def test_bind_is_judged_by_port(arena: Arena) -> None:
    """The kernel's own choice is nobody's business; IPv6 and both protocols are judged alike."""
    arena.restrict(layer(bind=[{"ports": [[8000, 8100]], "protocols": ["tcp"], "rule": 0}]))
    for kind, address, port, expected in (
        (TCP, "10.0.0.1", 8000, ""),
        (TCP, "0.0.0.0", 8100, ""),
        (TCP, "0.0.0.0", 8101, "EPERM"),
        (TCP6, "::", 8050, ""),
        (TCP6, "::", 25, "EPERM"),
        (UDP, "0.0.0.0", 8050, "EPERM"),
        (UDP, "0.0.0.0", 0, ""),
        (TCP6, "::", 0, ""),
    ):
        name = arena.inside.socket(kind)
        assert arena.inside.error(name, "bind", [address, port]) == expected, (kind, address, port)
        arena.inside.call(name, "close")


def test_a_listener_is_reached_by_whom_the_rules_name(arena: Arena) -> None:
    """Others get no answer at all; what the container itself began goes on."""
    arena.restrict(
        layer(
            ingress=[
                rule("allow", "10.1.0.0/16", [(8000, 8000)], ("tcp",)),
                rule("allow", "fd00:2::/32", [(8000, 8000)]),
            ]
        )
    )
    for kind, local, friend, other in (
        (TCP, "10.0.0.1", "10.1.0.1", "10.2.0.1"),
        (TCP6, "fd00::1", "fd00:2::1", "fd00::1"),
    ):
        listener = arena.inside.bound(kind, local, 8000)
        wrong = arena.inside.bound(kind, local, 8001)
        for source, port, expected in ((friend, 8000, ""), (other, 8000, "timeout"), (friend, 8001, "timeout")):
            name = arena.outside.socket(kind)
            arena.outside.call(name, "bind", [source, 0])
            assert arena.outside.error(name, "connect", [local, port]) == expected, (source, port)
            if expected == "":
                arena.inside.call(listener, "accept", "accepted")
                arena.outside.call(name, "send", {"bytes": "question"})
                assert arena.inside.call("accepted", "recv", 10) == "question"
            arena.outside.call(name, "close")
        for name in (listener, wrong):
            arena.inside.call(name, "close")
    assert arena.inside.connects(TCP, "10.2.0.1", 443) == ""


def test_datagrams_that_arrive(arena: Arena) -> None:
    """By the rules about who may reach us, or as an answer of somebody whom we may send to; a connected socket hears its peer."""
    arena.restrict(
        layer(
            ingress=[rule("allow", "10.1.0.1/32", [(5000, 5000)])],
            egress=[rule("allow", "10.2.0.1/32", [(53, 53)]), rule("allow", "fd00:2::1/128", [(53, 53)])],
        )
    )
    server = arena.inside.bound(UDP, "10.0.0.1", 5000)
    other = arena.inside.bound(UDP, "10.0.0.1", 5001)
    for source, port, name, expected in (
        ("10.1.0.1", 0, server, True),
        ("10.2.0.1", 0, server, False),
        ("10.1.0.1", 0, other, False),
        ("10.2.0.1", 53, other, True),  # it looks like an answer
        ("10.2.0.1", 54, other, False),
    ):
        sender = arena.outside.bound(UDP, source, port)
        to = ["10.0.0.1", 5000 if name == server else 5001]
        arena.outside.call(sender, "sendto", {"bytes": "x"}, to)
        assert (arena.inside.error(name, "recv", 10) == "") == expected, (source, port)
        arena.outside.call(sender, "close")
    other6 = arena.inside.bound(UDP6, "fd00::1", 5001)
    for port, expected in ((53, True), (54, False)):
        sender = arena.outside.bound(UDP6, "fd00:2::1", port)
        arena.outside.call(sender, "sendto", {"bytes": "x"}, ["fd00::1", 5001])
        assert (arena.inside.error(other6, "recv", 10) == "") == expected, port
        arena.outside.call(sender, "close")


def test_rules_change_while_it_runs(arena: Arena) -> None:
    """The next call is judged by the new ones; a connection that stands goes on."""
    arena.restrict(layer(egress=[HTTPS]))
    name = arena.inside.socket(TCP)
    arena.inside.call(name, "connect", ["10.0.0.1", 443])
    arena.restrict(layer(egress=[]))
    assert arena.inside.connects(TCP, "10.0.0.1", 443) == "EPERM"
    assert arena.inside.error(name, "send", {"bytes": "x"}) == ""
    arena.restrict(layer(egress=[HTTPS]), layer(egress=[rule("allow", "10.1.0.0/16")]))
    assert arena.inside.connects(TCP, "10.0.0.1", 443) == "EPERM"
    assert arena.inside.connects(TCP, "10.1.0.1", 443) == ""
    arena.restrict()
    assert arena.inside.connects(TCP, "10.0.0.1", 80) == ""
