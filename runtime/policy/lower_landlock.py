"""Landlock's ruleset: the rights on files, and what of the network it repeats as a second layer.

Programs of the cgroup judge the sockets that were made in it.  Landlock judges whoever calls, so its rules about TCP ports also hold for
sockets that were passed in from outside, and stay when a program is gone.  They know no addresses: of `egress` only the ports
that some address may be reached at are allowed.  Every domain of Landlock hides its processes from those that exec starts,
which are in one of their own, so one is made only where the policy asks for Landlock or needs it for its files.  Pure.
"""

from runtime.abi.landlock import ACCESS_NET, SCOPE, rights_of
from runtime.abi.sockets import AF_UNIX, IPPROTO_TCP
from runtime.policy.enforcement import LANDLOCK
from runtime.policy.lower_network import has_internet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.policy.enforcement import Findings
    from runtime.policy.port_classes import Ranges

# handled rights on files, on ports, scopes; (access, path); (access, port)
Landlock = tuple[int, int, int, tuple[tuple[int, str], ...], tuple[tuple[int, int], ...]]

PORTS_MAX = 256  # each is a rule of its own, and a system call at start
_BIND, _CONNECT, _ABSTRACT = ACCESS_NET["BIND_TCP"], ACCESS_NET["CONNECT_TCP"], SCOPE["ABSTRACT_UNIX_SOCKET"]
_SECTIONS = {"bind": _BIND, "egress": _CONNECT}


def lower_landlock(
    findings: "Findings", files: "tuple[int, tuple[tuple[int, str], ...]]", ranges: "Mapping[str, Ranges]"
) -> Landlock | None:
    """The ruleset of all layers, None without one; `ranges` are the ports that the network's rules leave.

    `files` are handled rights and (access, path), as `lower_files` gives them.
    """
    fs, paths = files
    net, scoped = 0, 0
    ports: dict[int, int] = {}
    if findings.mode == "enforce" and (fs or _asked(findings)):
        _abi, abi_net, abi_scoped = rights_of(findings.facts.landlock)
        for name, access in _SECTIONS.items():
            allowed = _allowed(findings, name, ranges) if access & abi_net else None
            if allowed is not None:
                net |= access
                ports.update({port: ports.get(port, 0) | access for port in allowed})
                _explain_ports(findings, name, allowed)
        if abi_scoped & _ABSTRACT and _explain_abstract(findings):
            scoped = _ABSTRACT
    if not (fs or net or scoped):
        return None
    return fs, net, scoped, paths, tuple([(access, port) for port, access in sorted(ports.items())])


def _asked(findings: "Findings") -> bool:
    """Whether a layer wants Landlock, required or where it is there."""
    return any("landlock" in (layer.get("requirements") or {}) for layer in findings.layers)


def _allowed(findings: "Findings", name: str, ranges: "Mapping[str, Ranges]") -> list[int] | None:
    """The TCP ports that a direction leaves; None for all, and for more than rules are worth."""
    if not has_internet(findings.layers):
        return []
    if name not in ranges or (name == "egress" and not findings.config):
        return None  # whose loopback it is depends on the container
    spans = [(low, high) for low, high, _class in ranges[name][IPPROTO_TCP]]
    if name == "bind":
        spans.append((0, 0))  # one of the kernel's choice is always allowed
    if sum(high - low + 1 for low, high in spans) > PORTS_MAX:
        return None
    return sorted({port for low, high in spans for port in range(low, high + 1)})


def _explain_ports(findings: "Findings", name: str, allowed: list[int]) -> None:
    verb = "bind" if name == "bind" else "connect"
    note = f"second layer, for sockets passed in too: TCP {verb} to "
    note += f"{len(allowed)} ports" if len(allowed) > 1 else f"port {allowed[0]}" if allowed else "no port"
    for layer in findings.layers:
        network = layer.get("network")
        if network and (network.get(name) is not None or not has_internet([layer])):
            findings.enforced(layer, network["rule"], LANDLOCK, note)


def _explain_abstract(findings: "Findings") -> bool:
    """Whether some layer lets no abstract name be used; outside of the container there may be some that answer."""
    found = False
    for layer in findings.layers:
        network: Mapping[str, Any] = layer.get("network") or {}
        domains, unix = network.get("domains"), network.get("unix")
        without = domains is not None and AF_UNIX not in domains
        if without or (unix is not None and not unix["abstract"]):
            found = True
            findings.enforced(
                layer, network["rule"], LANDLOCK, "second layer: abstract sockets of processes outside are out of reach"
            )
    return found


def denies_more(held: Landlock | None, wanted: Landlock | None) -> bool:
    """Whether processes under one ruleset lack what another would let them do, or differ in files.

    On ports and scopes a ruleset is never alone, so one that is more open may stay in force for a policy that is tighter.
    """
    fs, net, scoped, paths, ports = held or (0, 0, 0, (), ())
    new_fs, new_net, new_scoped, new_paths, new_ports = wanted or (0, 0, 0, (), ())
    if (fs, paths) != (new_fs, new_paths) or scoped & ~new_scoped or net & ~new_net:
        return True
    given = {port: access for access, port in ports}
    return any(access & net & ~given.get(port, 0) for access, port in new_ports)
