"""Unix sockets that receive what a runtime sends: console masters, pidfds, seccomp listeners, notify messages."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

TIMEOUT_S = 20.0


class FdReceiver:
    """A listening socket; each `receive` takes one connection and gives its message and the fds that came with it."""

    def __init__(self, path: Path) -> None:
        """Bind at once, so that the runtime may connect before anybody receives."""
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._listener.settimeout(TIMEOUT_S)
        self._fds: list[int] = []

    def receive(self) -> tuple[bytes, list[int]]:
        """The bytes of the first message and its fds, which this object closes at the end."""
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(TIMEOUT_S)
            message, fds, _, _ = socket.recv_fds(connection, 65536, 8)
            self._fds += fds
            more = connection.recv(65536) if message[:1] == b"{" else b""
        return message + more, fds

    def nothing_came(self) -> bool:
        """Whether nobody has connected."""
        self._listener.setblocking(False)
        try:
            self._listener.accept()
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        """Close the listener and every received fd."""
        self._listener.close()
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
