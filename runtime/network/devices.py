"""linux.netDevices: devices of the host moved into a container's network namespace, with their addresses.

MTU, hardware address and the like stay with a device; the kernel takes its addresses away and sets it down, so both are done again
inside.  What comes later is the business of whoever owns the namespace: when it ends, the kernel gives physical devices back and removes
the others.  Cold.
Source: config-linux.md#network-devices.
"""

from pyroute2 import IPRoute  # type: ignore[import-untyped]
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

from runtime.errors import NetworkError
from runtime.record import record
from runtime.syscalls.netns import Inside, open_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PERMANENT, _GLOBAL, _UP = 0x80, 0, 1
_KEPT_FLAGS = 0x02 | 0x100 | 0x200  # IFA_F_NODAD, IFA_F_MANAGETEMPADDR, IFA_F_NOPREFIXROUTE


@record
class Device:
    """A device of the host: `addresses` are the permanent, global ones, as `IPRoute.addr` takes them."""

    name: str
    index: int
    is_up: bool
    addresses: "list[dict[str, Any]]"


def move_devices(wanted: "Mapping[str, Mapping[str, Any] | None]", netns_fd: int) -> None:
    """Move each device (by its name on the host) into a namespace (borrowed), set up, under the name that the config gives it.

    Raises: NetworkError; then those that were moved are back.
    """
    names = {name: (entry or {}).get("name") or name for name, entry in wanted.items()}
    moved: list[tuple[Device, str]] = []
    try:
        with IPRoute() as host:
            devices = _find(host, names)
            _check_names(names, netns_fd)
            try:
                for device in devices:
                    moved.append((device, ""))
                    moved[-1] = (device, _move(host, device, names[device.name], netns_fd))
            except BaseException:
                _move_back(moved, netns_fd)
                raise
    except (NetlinkError, OSError) as error:
        what = f'"{moved[-1][0].name}" ' if moved else ""
        raise NetworkError(f"linux.netDevices: unable to move {what}into the container: {error}") from None


def _find(host: IPRoute, names: "Mapping[str, str]") -> list[Device]:
    found, missing = [], []
    for name in names:
        index = next(iter(host.link_lookup(ifname=name)), None)
        if index is None:
            missing.append(f'"{name}"')
            continue
        link = host.get_links(index)[0]
        found.append(Device(name, index, bool(link["flags"] & _UP), _addresses(host, index)))
    if missing:
        raise NetworkError(f"linux.netDevices: this host has no network device {', '.join(missing)}")
    return found


def _addresses(host: IPRoute, index: int) -> "list[dict[str, Any]]":
    kept = []
    for entry in host.get_addr(index=index):
        flags = entry.get_attr("IFA_FLAGS") or entry["flags"]
        if not flags & _PERMANENT or entry["scope"] != _GLOBAL:
            continue
        fields = {"family": entry["family"], "prefixlen": entry["prefixlen"], "flags": flags & _KEPT_FLAGS}
        for name in ("address", "local", "broadcast"):
            value = entry.get_attr(f"IFA_{name.upper()}")
            if value is not None:
                fields[name] = value
        kept.append(fields)
    return kept


def _names(inside: IPRoute) -> set[str]:
    return {link.get_attr("IFLA_IFNAME") for link in inside.get_links()}


def _check_names(names: "Mapping[str, str]", netns_fd: int) -> None:
    """Refuse a name that is taken; one with %d is completed by the kernel."""
    with Inside(netns_fd), IPRoute() as inside:
        taken = _names(inside)
    for name, wanted in names.items():
        if wanted in taken:
            raise NetworkError(
                f'linux.netDevices: "{name}" cannot be called "{wanted}": the container has such a device'
            )
        if "%" not in wanted:
            taken.add(wanted)


def _move(host: IPRoute, device: Device, wanted: str, netns_fd: int) -> str:
    """The device's name inside."""
    with Inside(netns_fd), IPRoute() as inside:
        before = _names(inside)
    host.link("set", index=device.index, net_ns_fd=netns_fd, ifname=wanted)
    with Inside(netns_fd), IPRoute() as inside:
        (name,) = _names(inside) - before
        _configure(inside, name, device, True)
    return str(name)


def _configure(inside: IPRoute, name: str, device: Device, up: bool) -> None:
    index = inside.link_lookup(ifname=name)[0]
    for fields in device.addresses:
        inside.addr("replace", index=index, **fields)
    if up:
        inside.link("set", index=index, state="up")


def _move_back(moved: list[tuple[Device, str]], netns_fd: int) -> None:
    """As they were; one that resists stays where it is, and the error that led here is the one that is told."""
    with open_own() as own:
        for device, name in moved:
            if not name:
                continue
            try:
                with Inside(netns_fd), IPRoute() as inside:
                    index = inside.link_lookup(ifname=name)[0]
                    inside.link("set", index=index, net_ns_fd=int(own), ifname=device.name)
                with IPRoute() as host:
                    _configure(host, device.name, device, device.is_up)
            except (NetlinkError, OSError):
                continue
