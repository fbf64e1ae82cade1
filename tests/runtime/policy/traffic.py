"""What the hooks of lowered network rules say, asked through the interpreter."""

from __future__ import annotations

import ipaddress
from typing import Any

from runtime.abi import bpf
from runtime.policy.lower_network import Network, lower_network
from tests.runtime.policy.ebpf_machine import Machine, entries

TCP, UDP = 6, 17


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
    """What the hook of bind says; without a program it lets everything pass."""
    if bpf.BPF_ATTACH_TYPES[f"INET{version}_BIND"] not in [attach for _name, _kind, attach, _code, _maps in network[1]]:
        return True
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


def lowered(own: bool = True, **network: Any) -> Network:
    """One layer lowered."""
    found = lower_network([layer(**network)], own)[0]
    assert found is not None
    return found
