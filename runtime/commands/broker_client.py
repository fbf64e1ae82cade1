"""Talking to a broker's control socket: one request, one answer."""

import socket

from oci_schemas.json_text import dumps, loads
from runtime.errors import BrokerError
from runtime.launch.broker import DIRECTORY
from runtime.launch.report import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMIT_SECONDS = 10.0
_READ_SIZE = 1 << 16


def connect_broker(root: str) -> socket.socket:
    """A connection to the control socket.  Raises: BrokerError where no broker runs."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.settimeout(_LIMIT_SECONDS)
    try:
        connection.connect(f"{root}/{DIRECTORY}/control")
    except OSError as error:
        connection.close()
        raise BrokerError(f"no broker runs below {root}: {reason(error)}") from error
    return connection


def ask_broker(root: str, request: "dict[str, Any]", fds: tuple[int, ...] = ()) -> "dict[str, Any]":
    """Send a request with descriptors and return the answer.  Raises: BrokerError, also with the broker's refusal."""
    line = dumps(request) + b"\n"
    with connect_broker(root) as connection:
        try:
            if fds:
                socket.send_fds(connection, [line], list(fds))
            else:
                connection.sendall(line)
            data = b""
            while not data.endswith(b"\n"):
                part = connection.recv(_READ_SIZE)
                if not part:
                    raise BrokerError("the broker hung up")
                data += part
        except OSError as error:
            raise BrokerError(f"the broker does not answer: {reason(error)}") from error
    answer: dict[str, Any] = loads(data)
    if "error" in answer:
        raise BrokerError(f"the broker refuses: {answer['error']}")
    return answer
