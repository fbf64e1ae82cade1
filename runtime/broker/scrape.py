"""Whoever reads the metrics: one request, one answer, and the connection is closed."""

import socket

from runtime.broker.control import accept
from runtime.broker.metrics import render, response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.broker.service import Service

_MOST = 8
_LONGEST_REQUEST = 8192


class Scrapes:
    """Open connections, each with what it has sent so far."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        """None."""
        self._open: dict[int, tuple[socket.socket, bytes]] = {}

    def accept(self, service: "Service", listening: socket.socket) -> None:
        """A connection of somebody who may read; of too many the oldest is closed."""
        connection = accept(listening, 0)
        if connection is None:
            return
        if len(self._open) >= _MOST:
            self._close(service, next(iter(self._open)))
        fd = connection.fileno()
        self._open[fd] = (connection, b"")
        service.watch(fd, lambda: self._read(service, fd))

    def _close(self, service: "Service", fd: int) -> None:
        service.forget(fd)
        self._open.pop(fd)[0].close()

    def _read(self, service: "Service", fd: int) -> None:
        connection, request = self._open[fd]
        try:
            part = connection.recv(_LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        request += part
        if b"\r\n\r\n" in request or b"\n\n" in request:
            self._answer(service, connection, request)
        elif part and len(request) < _LONGEST_REQUEST:
            self._open[fd] = (connection, request)
            return
        self._close(service, fd)

    @staticmethod
    def _answer(service: "Service", connection: socket.socket, request: bytes) -> None:
        connection.settimeout(0.5)  # the text is small; who reads none of it for so long gets part of it
        try:
            connection.sendall(response(request, exposition(service)))
        except OSError:
            return


def exposition(service: "Service") -> str:
    """The metrics of a service as text."""
    containers: dict[tuple[str, str], dict[str, int]] = {}
    for one in service.registry:
        if one.index < 0:
            continue
        label = (one.container_id, one.policy)
        found = service.core.stats(one.index)
        containers[label] = added(containers[label], found) if label in containers else found
    together = service.core.stats(-1)
    gauges = {
        "listeners": ("gauge", "Seccomp listeners that are served.", len(service.registry)),
        "calls_inflight": ("gauge", "Calls that wait for an answer.", together["inflight"]),
        "questions_waiting": ("gauge", "Questions that no handler has answered yet.", len(service.questions)),
        "events_lost_total": (
            "counter",
            "Events of all containers that found no room in the ring.",
            together["lost_events"],
        ),
        "records_lost_total": ("counter", "Records that could not be written.", service.log.lost),
    }
    if service.audit is not None:
        text = "Denials of the kernel whose container could not be told."
        gauges["kernel_records_unattributed_total"] = ("counter", text, service.audit.unattributed)
    return render(containers, gauges, service.core.histogram())


def added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """The sum of two listeners' counters."""
    return {name: value + other[name] for name, value in one.items()}
