"""What Landlock repeats of the network's rules: by ABI, by mode, and only where the policy brings Landlock in."""

from typing import Any

import pytest

from runtime.abi.landlock import ACCESS_FS, ACCESS_NET, SCOPE
from runtime.policy.lower_landlock import PORTS_MAX, Landlock, denies_more
from tests.runtime.plan.drafting import config
from tests.runtime.policy.layering import layer, lowered, network, row_of

BIND, CONNECT, ABSTRACT = ACCESS_NET["BIND_TCP"], ACCESS_NET["CONNECT_TCP"], SCOPE["ABSTRACT_UNIX_SOCKET"]
EXECUTE, REFER = ACCESS_FS["EXECUTE"], ACCESS_FS["REFER"]
WANTED = layer(requirements={"landlock": "optional"})
HOST = config(linux={"namespaces": [{"type": "pid"}, {"type": "mount"}]})  # and the host's network
OWN = config(linux={"namespaces": [{"type": kind} for kind in ("pid", "mount", "network", "cgroup")]})


def port_rule(*ports: tuple[int, int], protocols: tuple[str, ...] = ("tcp", "udp"), **peer: str) -> dict[str, Any]:
    """One rule about ports; with `allow` or `deny` one about a peer."""
    shape = {"ports": [list(pair) for pair in ports] or [[0, 65535]], "protocols": list(protocols), "rule": 1}
    return {
        **shape,
        **{key: value for action, cidr in peer.items() for key, value in (("action", action), ("cidr", cidr))},
    }


def ruleset(*layers: dict[str, Any], made: dict[str, Any] | None = None, **host: Any) -> Landlock | None:
    """The ruleset of layers, with one that asks for Landlock."""
    return lowered(*layers, WANTED, made=made or HOST, **host).landlock


def test_ports_that_may_be_bound() -> None:
    """TCP alone, what all layers allow, and always port 0, by which the kernel chooses."""
    one = network(
        bind=[port_rule((443, 443)), port_rule((80, 81), (53, 53), protocols=("udp",)), port_rule((8000, 8002))]
    )
    assert ruleset(one) == (0, BIND, 0, (), ((BIND, 0), (BIND, 443), (BIND, 8000), (BIND, 8001), (BIND, 8002)))
    other = network(bind=[port_rule((1, 8000), protocols=("tcp",))])
    assert ruleset(one, other) == (0, BIND, 0, (), ((BIND, 0), (BIND, 443), (BIND, 8000)))
    assert ruleset(network(bind=[])) == (0, BIND, 0, (), ((BIND, 0),))


def test_ports_that_may_be_connected_to() -> None:
    """Those that some address may be reached at: of addresses Landlock knows nothing."""
    rules = [port_rule((443, 443), allow="10.0.0.0/8"), port_rule((80, 80), (53, 53), allow="::/0", protocols=("tcp",))]
    expected = ((CONNECT, 53), (CONNECT, 80), (CONNECT, 443))
    assert ruleset(network(egress=rules)) == (0, CONNECT, 0, (), expected)
    one_denied = [*rules, port_rule((443, 443), deny="10.1.0.0/16"), port_rule((80, 80), deny="::/0")]
    assert ruleset(network(egress=one_denied)) == (0, CONNECT, 0, (), ((CONNECT, 53), (CONNECT, 443)))
    assert ruleset(network(egress=[*rules, port_rule(allow="192.0.2.1")])) is None


def test_a_port_for_both() -> None:
    """Is one rule."""
    both = network(bind=[port_rule((443, 443))], egress=[port_rule((443, 443), allow="10.0.0.0/8")])
    assert ruleset(both) == (0, BIND | CONNECT, 0, (), ((BIND, 0), (BIND | CONNECT, 443)))


def test_loopback_of_the_containers_own_is_not_taken_away() -> None:
    """It is allowed on every port, and so is every port; unless a rule denies loopback."""
    rules = [port_rule((443, 443), allow="10.0.0.0/8")]
    assert ruleset(network(egress=rules), made=OWN) is None
    rules += [port_rule(deny="127.0.0.0/8"), port_rule(deny="::1/128")]
    assert ruleset(network(egress=rules), made=OWN) == (0, CONNECT, 0, (), ((CONNECT, 443),))


def test_without_internet_sockets_no_port_is_left() -> None:
    """For none that is passed in either."""
    assert ruleset(network(domains=[1])) == (0, BIND | CONNECT, 0, (), ())
    assert ruleset(network(domains=[1, 2]), network(domains=[1, 10])) == (0, BIND | CONNECT, 0, (), ())


@pytest.mark.parametrize(
    ("abi", "net", "scoped"),
    [(0, 0, 0), (1, 0, 0), (3, 0, 0), (4, BIND, 0), (5, BIND, 0), (6, BIND, ABSTRACT), (7, BIND, ABSTRACT)],
)
def test_what_each_abi_has(abi: int, net: int, scoped: int) -> None:
    """A kernel is asked for nothing that it does not know, and the rules hold without it."""
    unix = {"connect": [], "bind": [], "abstract": False}
    found = ruleset(network(bind=[port_rule((9, 9))], unix=unix), landlock=abi)
    assert (found or (0, 0, 0))[1:3] == (net, scoped)
    assert found is None or found[4] == ((BIND, 0), (BIND, 9))


@pytest.mark.parametrize(
    ("part", "scoped"),
    [
        ({"unix": None}, False),
        ({"unix": {"connect": [], "bind": [], "abstract": True}}, False),
        ({"unix": {"connect": [], "bind": [], "abstract": False}}, True),
        ({"domains": [2, 10]}, True),
    ],
)
def test_abstract_names(part: dict[str, Any], scoped: bool) -> None:
    """Out of reach where the policy lets none be used."""
    found = ruleset(network(**part))
    assert (found is not None and found[2] == ABSTRACT) is scoped


def test_too_many_ports() -> None:
    """Are left to the programs of the cgroup."""
    for last, allowed in ((PORTS_MAX - 1, True), (PORTS_MAX, False)):
        assert (ruleset(network(bind=[port_rule((1, last))])) is not None) is allowed


def test_only_where_the_policy_brings_landlock() -> None:
    """For its files, or because it asks: a domain keeps what exec starts from looking into the container's processes."""
    one = network(bind=[port_rule((9, 9))])
    assert lowered(one, made=HOST).landlock is None
    own = config()
    assert lowered(one, layer(exec=[["/usr/bin", 3]]), made=own).landlock == (
        EXECUTE | REFER,
        BIND,
        0,
        ((EXECUTE, "/usr/bin"), (REFER, "/")),
        ((BIND, 0), (BIND, 9)),
    )


@pytest.mark.parametrize("mode", ["audit", "ask"])
def test_modes_that_let_pass(mode: str) -> None:
    """What is asked or only noted is not denied by the kernel."""
    manner = {"mode": mode, "timeout_ms": 5000, "max_inflight": 64, "on_failure": "deny", "handler": "unix:/h"}
    found = lowered(
        {**network(bind=[], egress=[], domains=[1, 2]), "broker": manner}, {**WANTED, "broker": manner}, made=HOST
    )
    assert found.landlock is None


def test_explained() -> None:
    """Each rule's row has the second layer beside the first."""
    found = lowered(network(bind=[port_rule((9, 9))], egress=[]), network(domains=[1, 2]), WANTED, made=HOST)
    notes = [note for mechanism, note in row_of(found, "rule 0") if mechanism == "landlock"]
    assert notes == [
        "second layer, for sockets passed in too: TCP bind to 2 ports",
        "second layer, for sockets passed in too: TCP connect to no port",
    ]


@pytest.mark.parametrize(
    ("held", "wanted", "denies"),
    [
        (None, None, False),
        (None, (0, BIND, 0, (), ()), False),
        ((0, BIND, 0, (), ()), None, True),
        ((0, 0, ABSTRACT, (), ()), None, True),
        ((0, BIND, 0, (), ((BIND, 9),)), (0, BIND, ABSTRACT, (), ()), False),
        ((0, BIND, 0, (), ((BIND, 9),)), (0, BIND, 0, (), ((BIND, 8),)), True),
        ((0, BIND, 0, (), ((BIND, 9),)), (0, BIND | CONNECT, 0, (), ((BIND | CONNECT, 9), (CONNECT, 8))), False),
        (None, (1, 0, 0, ((1, "/"),), ()), True),
        ((1, 0, 0, ((1, "/"),), ()), (1, BIND, 0, ((1, "/"),), ()), False),
        ((1, 0, 0, ((1, "/"),), ()), (1, 0, 0, ((1, "/a"),), ()), True),
    ],
)
def test_what_may_stay_in_force(held: Landlock | None, wanted: Landlock | None, denies: bool) -> None:
    """Another policy for a running container: the ruleset must not deny what it allows, and files are Landlock's alone."""
    assert denies_more(held, wanted) is denies
