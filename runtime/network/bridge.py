"""`--network bridge`: the bridge of a state root, and the pair of devices that ties a container to it.

The only importer of pyroute2 beside `devices`.  The container's end lies in a namespace that nothing but a descriptor holds until init
is in it: whoever dies on the way, the kernel removes the devices with the namespace.  Cold.
"""

import ipaddress
from errno import EEXIST, ENODEV

from pyroute2 import IPRoute  # type: ignore[import-untyped]
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

from runtime.errors import NetworkError
from runtime.network.leases import Leases
from runtime.network.masquerade import enable_masquerade
from runtime.network.subnets import Subnet, bridge_name, choose_subnet, clashing, gateway
from runtime.syscalls.netns import Inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INSIDE_NAME = "eth0"
_IPV4 = 2


def connect_container(root: str, container_id: str, netns_fd: int, warn: "Callable[[str], None]") -> None:
    """Give the container that is about to be created an address, and its namespace (borrowed) a device with it.

    Raises: NetworkError; then nothing of it is left, but for the bridge.
    """
    try:
        with Leases(root) as leases, IPRoute() as host:
            bridge = bridge_name(root)
            subnet = _ensure_bridge(host, leases, bridge)
            # under the lock: two that start at once must not both find the rules missing
            enable_masquerade(bridge, subnet, warn)
            address = leases.take(container_id, subnet)
            try:
                _plug(host, bridge, address, netns_fd)
                with Inside(netns_fd), IPRoute() as inside:
                    _configure(inside, address, subnet)
            except BaseException:
                leases.give_back(container_id)
                raise
    except (NetlinkError, OSError) as error:
        raise NetworkError(f"--network bridge: {error}") from None


def release(root: str, container_id: str) -> None:
    """Take an address back that no container was made for.  Raises: NetworkError."""
    with Leases(root) as leases:
        leases.give_back(container_id)


def _routes(host: IPRoute, without: int | None) -> list[Subnet]:
    """Where the host sends packets, but by one device."""
    found = []
    for route in host.get_routes(family=_IPV4):
        destination, device = route.get_attr("RTA_DST"), route.get_attr("RTA_OIF")
        if destination and (without is None or device != without):
            found.append(ipaddress.IPv4Network((destination, route["dst_len"]), strict=False))
    return found


def _ensure_bridge(host: IPRoute, leases: Leases, name: str) -> Subnet:
    """The bridge is there, up, and has its address."""
    index = next(iter(host.link_lookup(ifname=name)), None)
    routes = _routes(host, index)
    subnet = leases.subnet()
    if subnet is None:
        subnet = choose_subnet(routes)
        leases.save_subnet(subnet)
    clash = clashing(subnet, routes)
    if clash is not None:
        raise NetworkError(f"--network bridge: the network {subnet} of {name} clashes with the host's route to {clash}")
    if index is None:
        host.link("add", ifname=name, kind="bridge")
        index = host.link_lookup(ifname=name)[0]
    try:
        host.addr("add", index=index, address=str(gateway(subnet)), prefixlen=subnet.prefixlen)
    except NetlinkError as error:
        if error.code != EEXIST:
            raise
    host.link("set", index=index, state="up")
    return subnet


def _remove_stale(host: IPRoute, name: str) -> None:
    """The device of a container that is gone, whose namespace the kernel has not cleared away yet or somebody still holds."""
    for index in host.link_lookup(ifname=name):
        try:
            host.link("del", index=index)
        except NetlinkError as error:
            if error.code != ENODEV:
                raise


def _plug(host: IPRoute, bridge: str, address: ipaddress.IPv4Address, netns_fd: int) -> None:
    """A pair of devices: one end on the bridge, named after the address, which is nobody else's; the other in the namespace."""
    name = f"pv{int(address):08x}"
    _remove_stale(host, name)
    host.link("add", ifname=name, kind="veth", peer={"ifname": INSIDE_NAME, "net_ns_fd": netns_fd})
    index = host.link_lookup(ifname=name)[0]
    try:
        host.link("set", index=index, master=host.link_lookup(ifname=bridge)[0], state="up")
    except BaseException:
        host.link("del", index=index)
        raise


def _configure(inside: IPRoute, address: ipaddress.IPv4Address, subnet: Subnet) -> None:
    """The address, the way out."""
    device = inside.link_lookup(ifname=INSIDE_NAME)[0]
    inside.addr("add", index=device, address=str(address), prefixlen=subnet.prefixlen)
    inside.link("set", index=device, state="up")
    inside.route("add", dst="default", gateway=str(gateway(subnet)))
