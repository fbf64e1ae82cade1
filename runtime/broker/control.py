"""The control socket: requests and answers as lines of JSON, from root and from the user whose broker this is.

docs/broker-service.md says what can be asked; the worker gives the operations, this module the talking.
"""

import posix
import socket
from errno import EPERM
from struct import Struct

from oci_schemas.json_text import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Operation = Callable[["Client", dict[str, Any]], dict[str, Any] | None]

LONGEST_LINE = 1 << 16
MOST_UNSENT = 1 << 20
MOST_CLIENTS = 64
_PEERCRED = Struct("iII")
_READ_SIZE = 1 << 16


class Refused(Exception):
    """A request that is answered with an error; the connection stays."""


def peer_uid(connection: socket.socket) -> int:
    """Who connected."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    uid: int = _PEERCRED.unpack(data)[1]
    return uid


def accept(listening: socket.socket, present: int) -> socket.socket | None:
    """The next connection of somebody who may control us; None: nobody, not allowed, or too many are there."""
    try:
        connection, _ = listening.accept()
    except OSError:
        return None
    if peer_uid(connection) not in (0, posix.geteuid()) or present >= MOST_CLIENTS:
        connection.close()
        return None
    connection.setblocking(False)
    return connection


def connect_handler(path: str) -> socket.socket:
    """A connection to the handler that listens at `path`, who must be root or us.  Raises: OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        connection.connect(path)
        if peer_uid(connection) not in (0, posix.geteuid()):
            raise PermissionError(EPERM, "the handler is neither root's nor ours")
    except OSError:
        connection.close()
        raise
    return connection


class Client:
    """One connection.  `containers` and `policies` limit what it is asked about, when `asks` is set.

    `path`: the socket of a handler that we connected to, who may only answer; empty for who connected to us.
    """

    __slots__ = ("_in", "_out", "asks", "connection", "containers", "fds", "path", "policies", "uid")

    def __init__(self, connection: socket.socket, path: str = "") -> None:
        """The connection is ours from now on."""
        self.path = path
        self.connection = connection
        self.uid = peer_uid(connection)
        self._in = b""
        self._out = b""
        self.fds: list[int] = []
        self.asks = False
        self.containers: tuple[str, ...] = ()
        self.policies: tuple[str, ...] = ()

    @property
    def has_unsent(self) -> bool:
        """Whether it is to be told when the socket takes more."""
        return bool(self._out)

    def close(self) -> None:
        """Hang up, and close what it passed and nobody took."""
        self.connection.close()
        for fd in self.fds:
            posix.close(fd)
        self.fds = []

    def take_fd(self) -> int:
        """The first descriptor that it passed; the caller's from now on.  Raises: Refused."""
        if not self.fds:
            raise Refused("no descriptor was passed with the request")
        return self.fds.pop(0)

    def may_hear(self, container_id: str, policy: str) -> bool:
        """Whether it answers questions about this container."""
        if not self.asks:
            return False
        if self.containers and container_id not in self.containers:
            return False
        return not self.policies or policy in self.policies

    def say(self, message: "dict[str, Any]") -> bool:
        """Send a line, later where the socket is full; False: it has not read for too long, or is gone."""
        self._out += dumps(message) + b"\n"
        return self.flush() and len(self._out) <= MOST_UNSENT

    def flush(self) -> bool:
        """Send what waits; False: it is gone."""
        try:
            while self._out:
                self._out = self._out[self.connection.send(self._out, socket.MSG_NOSIGNAL) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def serve(self, operations: "dict[str, Operation]") -> bool:
        """Read what came and answer it; False: hang up."""
        try:
            data, fds, _flags, _address = socket.recv_fds(self.connection, _READ_SIZE, 4, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.fds += fds
        self._in += data
        *lines, self._in = self._in.split(b"\n")
        if not data or len(self.fds) > 4:
            return False
        if len(self._in) > LONGEST_LINE or any(len(line) > LONGEST_LINE for line in lines):
            self.say({"error": "the line is too long"})
            return False
        return all(self._answer(line, operations) for line in lines if line.strip())

    def _answer(self, line: bytes, operations: "dict[str, Operation]") -> bool:
        try:
            request = loads(line)
            if not isinstance(request, dict):
                raise Refused("a request is an object")  # noqa: TRY301 - told like every other refusal
            name = "answer" if "answer" in request else request.get("op")
            operation = operations.get(name) if isinstance(name, str) else None
            if operation is None:
                raise Refused(f"unknown op: one of {', '.join(sorted(operations))}")  # noqa: TRY301
            answer = operation(self, request)
        except Refused as refused:
            answer = {"error": str(refused)}
        except (ValueError, RecursionError):
            answer = {"error": "not JSON"}
        return answer is None or self.say(answer)
