"""Which private network a state root's containers get.  Cold; asks nothing of the host itself."""

import ipaddress
from collections.abc import Iterable, Iterator
from zlib import crc32

from runtime.errors import NetworkError

Subnet = ipaddress.IPv4Network
DEFAULT_ROOT = "/run/postern"
DEFAULT_BRIDGE = "postern0"
RANGE = ipaddress.IPv4Network("10.87.0.0/16")
LENGTH = 20  # of each root's: 4093 containers


def bridge_name(root: str) -> str:
    """The bridge of a state root: one of its own, so that no address is given out by two."""
    return DEFAULT_BRIDGE if root.rstrip("/") == DEFAULT_ROOT else f"postern-{crc32(root.encode()):06x}"[:15]


def clashing(subnet: Subnet, routes: Iterable[Subnet]) -> Subnet | None:
    """The route, other than the default one, that leads into the subnet too."""
    return next((route for route in routes if route.prefixlen and route.overlaps(subnet)), None)


def choose_subnet(routes: Iterable[Subnet]) -> Subnet:
    """The first part of RANGE into which no route of the host leads.  Raises: NetworkError."""
    taken = list(routes)
    for subnet in RANGE.subnets(new_prefix=LENGTH):
        if clashing(subnet, taken) is None:
            return subnet
    raise NetworkError(f"--network bridge: the host has routes into every part of {RANGE}")


def gateway(subnet: Subnet) -> ipaddress.IPv4Address:
    """The bridge's own address, the first."""
    return subnet[1]


def free_addresses(subnet: Subnet, taken: Iterable[str]) -> Iterator[ipaddress.IPv4Address]:
    """Addresses for containers, lowest first."""
    known = {ipaddress.IPv4Address(text) for text in taken}
    return (address for address in subnet.hosts() if address != gateway(subnet) and address not in known)
