"""A process that makes the system calls that a test asks for, one JSON line each: `talker.py CGROUP_PROCS|-`.

Run by the system's interpreter in the test's own network namespace, in or outside the cgroup under test.
"""

from __future__ import annotations

import ctypes
import errno
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TIMEOUT_S = 1.0
SOCKETS: dict[str, socket.socket] = {}


def readable(value: Any) -> Any:
    """What JSON can hold of a call's result."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [readable(part) for part in value]
    return value


def arguments(values: list[Any]) -> Iterator[Any]:
    """Lists are socket addresses, {"bytes": text} is data."""
    for value in values:
        if isinstance(value, list):
            yield tuple(value)
        elif isinstance(value, dict):
            yield value["bytes"].encode("latin-1")
        else:
            yield value


def carry_out(name: str, method: str, values: list[Any]) -> Any:
    """One call; `accept` gives the new socket the name that follows."""
    if method in OWN:
        return OWN[method](name, *values)
    if method == "accept":
        accepted, peer = SOCKETS[name].accept()
        accepted.settimeout(TIMEOUT_S)
        SOCKETS[values[0]] = accepted
        return readable(peer)
    if method == "sendmsg":
        return SOCKETS[name].sendmsg([b"message"], [], 0, tuple(values[0]))
    return readable(getattr(SOCKETS[name], method)(*arguments(values)))


def make(name: str, *kind: int) -> None:
    """A new socket under this name."""
    close(name)
    SOCKETS[name] = socket.socket(*kind)
    SOCKETS[name].settimeout(TIMEOUT_S)


def disconnect(name: str) -> None:
    """connect(AF_UNSPEC), which the socket module does not offer."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(SOCKETS[name].fileno(), ctypes.create_string_buffer(16), 16):
        raise OSError(ctypes.get_errno(), "connect")


def close(name: str) -> None:
    """Close a socket, if there is one of this name."""
    if name in SOCKETS:
        SOCKETS.pop(name).close()


OWN = {"socket": make, "close": close, "disconnect": disconnect}


def main() -> None:
    """Join the cgroup, then answer each line."""
    if sys.argv[1] != "-":
        Path(sys.argv[1]).write_text("0")
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, method, *values = json.loads(line)
        try:
            answer = {"ok": carry_out(name, method, values)}
        except TimeoutError:
            answer = {"error": "timeout"}
        except OSError as error:
            answer = {"error": errno.errorcode.get(error.errno or 0, str(error))}
        print(json.dumps(answer), flush=True)


main()
