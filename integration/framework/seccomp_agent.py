"""A seccomp agent: receives the listener a runtime sends, reads notifications and answers them."""

from __future__ import annotations

import fcntl
import json
import struct
from typing import Any, NamedTuple

from integration.framework.sockets import FdReceiver

NOTIF_RECV = 0xC0502100
NOTIF_SEND = 0xC0182101
RESPONSE_CONTINUE = 1


class Notification(NamedTuple):
    """One system call that waits for a verdict."""

    cookie: int
    pid: int
    number: int
    args: tuple[int, ...]


class SeccompAgent(FdReceiver):
    """Listens at listenerPath."""

    def container(self) -> tuple[dict[str, Any], int]:
        """The ContainerProcessState of one connection and the listener's fd."""
        message, fds = self.receive()
        process_state: dict[str, Any] = json.loads(message)
        assert len(fds) == 1, f"{len(fds)} descriptors came with {process_state}"
        return process_state, fds[0]


def next_call(listener_fd: int) -> Notification:
    """Wait for one notification."""
    buffer = bytearray(80)
    fcntl.ioctl(listener_fd, NOTIF_RECV, buffer)
    cookie, pid, _flags, number, _arch, _ip, *args = struct.unpack("QIIiIQ6Q", buffer)
    return Notification(cookie, pid, number, tuple(args))


def answer(listener_fd: int, call: Notification, *, errno: int = 0, value: int = 0, proceed: bool = False) -> None:
    """Send the verdict: an errno, a return value, or let the kernel go on."""
    flags = RESPONSE_CONTINUE if proceed else 0
    fcntl.ioctl(listener_fd, NOTIF_SEND, bytearray(struct.pack("QqiI", call.cookie, value, -errno, flags)))
