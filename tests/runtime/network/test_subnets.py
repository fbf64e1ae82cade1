"""Which network a state root gets."""

from __future__ import annotations

import ipaddress

import pytest

from runtime.errors import NetworkError
from runtime.network.masquerade import rules
from runtime.network.subnets import RANGE, bridge_name, choose_subnet, clashing, free_addresses, gateway

Network = ipaddress.IPv4Network


def test_the_first_part_that_no_route_leads_into() -> None:
    """Neither a part of it, nor what it is a part of; the default route leads everywhere and does not count."""
    assert str(choose_subnet([])) == "10.87.0.0/20"
    assert str(choose_subnet([Network("10.87.15.255/32"), Network("0.0.0.0/0")])) == "10.87.16.0/20"
    assert str(choose_subnet([Network("10.87.0.0/18"), Network("192.168.0.0/16")])) == "10.87.64.0/20"
    with pytest.raises(NetworkError, match=r"routes into every part of 10\.87\.0\.0/16"):
        choose_subnet([Network("10.0.0.0/8")])


def test_a_clash_is_named() -> None:
    """The route, as the host has it."""
    assert clashing(Network("10.87.0.0/20"), [Network("10.0.0.0/8")]) == Network("10.0.0.0/8")
    assert clashing(Network("10.87.0.0/20"), [Network("0.0.0.0/0"), Network("10.88.0.0/16")]) is None


def test_addresses_are_given_out_from_the_lowest() -> None:
    """Neither the network's own, nor the bridge's, nor the broadcast's, nor one that is taken."""
    subnet = Network("10.87.0.0/29")
    found = [str(address) for address in free_addresses(subnet, ["10.87.0.3"])]
    assert found == ["10.87.0.2", "10.87.0.4", "10.87.0.5", "10.87.0.6"]
    assert str(gateway(subnet)) == "10.87.0.1"


def test_every_root_has_a_bridge_of_its_own() -> None:
    """A name that fits a device, the same each time."""
    assert bridge_name("/run/postern") == bridge_name("/run/postern/") == "postern0"
    names = {bridge_name(f"/tmp/root{number}") for number in range(50)}
    assert len(names) == 50
    assert all(len(name) <= 15 for name in names)
    assert bridge_name("/tmp/root1") in names


def test_masquerading_is_for_what_leaves_the_bridge() -> None:
    """One table of our own, replaced as a whole."""
    text = rules("postern0", RANGE)
    assert text.startswith("table ip postern0\ndelete table ip postern0\ntable ip postern0 {")
    assert 'ip saddr 10.87.0.0/16 oifname != "postern0" masquerade' in text
