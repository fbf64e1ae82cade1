"""The world outside for the attacks: a network namespace of its own with two addresses, and a server that notes what arrives.

    unshare --net python -m integration.security.attack_server UNIX_SOCKET JOURNAL

Prints `ready` once it listens; each message that arrives becomes a line `ADDRESS PORT TEXT` of the journal.  Nothing here
leads anywhere: the addresses are on the loopback device, and there is no other.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys

FORBIDDEN, PERMITTED = ("192.0.2.1", "2001:db8:bad::1"), ("198.51.100.1", "2001:db8:1::1")
METADATA = "169.254.169.254"
PORT, OTHER_PORT = 7001, 7002
MPTCP = 262
PACKET_OUTGOING = 4


def set_up_loopback() -> None:
    """lo up, with both addresses of both kinds."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (*FORBIDDEN, *PERMITTED, METADATA):
        length = "128" if ":" in address else "32"
        words = ["nodad"] if ":" in address else []
        subprocess.run(["ip", "address", "add", f"{address}/{length}", "dev", "lo", *words], check=True)
    with open("/proc/sys/net/ipv4/tcp_fastopen", "w") as switch:
        switch.write("1543")  # client and server, no cookie asked for: the first packet may carry data


def listeners(unix_path: str) -> list[tuple[socket.socket, str]]:
    """Every socket that listens, with the words that name it in the journal."""
    found: list[tuple[socket.socket, str]] = []
    for address in (*FORBIDDEN, *PERMITTED, METADATA, "127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for port in (PORT, OTHER_PORT):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                # an MPTCP listener serves plain TCP too
                protocol = MPTCP if kind == socket.SOCK_STREAM and _has_mptcp() else 0
                listening = socket.socket(family, kind, protocol)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    listening.setsockopt(socket.IPPROTO_TCP, 23, 16)  # TCP_FASTOPEN
                found.append((listening, f"{address} {port}"))
    found += [(special, f"{FORBIDDEN[0]} {PORT}") for special in _special()]
    for place in (unix_path, "\0attack-server"):
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(place)
        found.append((listening, "unix 0"))
    os.chmod(unix_path, 0o666)
    return found


def _special() -> list[socket.socket]:
    """UDP-Lite and SCTP, as far as the kernel has them."""
    found = []
    for kind, protocol in ((socket.SOCK_DGRAM, socket.IPPROTO_UDPLITE), (socket.SOCK_STREAM, socket.IPPROTO_SCTP)):
        try:
            listening = socket.socket(socket.AF_INET, kind, protocol)
            listening.bind((FORBIDDEN[0], PORT))
        except OSError:
            continue
        found.append(listening)
    return found


def _has_mptcp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP).close()
    except OSError:
        return False
    return True


class Wire:
    """The loopback device itself: what is sent to a forbidden address, whether or not somebody there takes it."""

    def __init__(self) -> None:
        """Listens to every packet of IPv4 and IPv6 that arrives."""
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self._forbidden = tuple(
            socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in FORBIDDEN
        )

    def read(self) -> bytes:
        """The next packet if it goes to a forbidden address, else nothing."""
        packet, (_, _, kind, *_) = self.socket.recvfrom(65536)
        start, length = {PACKET_OUTGOING: (0, 0)}.get(kind, (16, 4) if packet[0] >> 4 == 4 else (24, 16))
        return packet if packet[start : start + length] in self._forbidden else b""


def serve(unix_path: str, journal_path: str) -> None:
    """For ever."""
    selector = selectors.DefaultSelector()
    for listening, name in listeners(unix_path):
        if listening.type == socket.SOCK_STREAM:
            listening.listen(64)
        listening.setblocking(False)
        selector.register(listening, selectors.EVENT_READ, name)
    wire = Wire()
    selector.register(wire.socket, selectors.EVENT_READ, wire)
    with open(journal_path, "a", buffering=1) as journal:
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                ready = key.fileobj
                if key.data is wire:
                    packet = wire.read()
                    if packet:
                        journal.write(f"wire {packet.hex()}\n")
                    continue
                assert isinstance(ready, socket.socket)
                if ready.type == socket.SOCK_STREAM and not key.data.startswith("of "):
                    connection, _ = ready.accept()
                    selector.register(connection, selectors.EVENT_READ, f"of {key.data}")
                    journal.write(f"{key.data} connected\n")
                    continue
                try:
                    text = ready.recv(4096).decode(errors="replace")
                except OSError:
                    text = ""
                if text:
                    journal.write(f"{key.data.removeprefix('of ')} {text}\n")
                elif ready.type == socket.SOCK_STREAM:
                    selector.unregister(ready)
                    ready.close()


if __name__ == "__main__":
    set_up_loopback()
    serve(sys.argv[1], sys.argv[2])
