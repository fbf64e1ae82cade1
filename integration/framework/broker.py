"""The broker of a state root, from outside: its processes, its sockets, its log."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0
# a rule that only the broker can decide: no kernel mechanism knows patterns
MEDIATED = 'name: mediated\nfilesystem: {read: [/bin, /probe, /dev, /proc, /tmp, "/etc/h*"]}\naudit: decisions\n'


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    """The first true value of `holds`, asked for some seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := holds()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)
    return value


def _processes(root: Path) -> list[tuple[int, list[bytes]]]:
    found = []
    for entry in os.scandir("/proc"):
        try:
            words = Path(entry.path, "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if os.fsencode(root) in words and b"broker" in words:
            found.append((int(entry.name), words))
    return found


class Broker:
    """What operators see of the broker below one state root."""

    def __init__(self, root: Path) -> None:
        """Nothing is started: containers do that."""
        self.root = root
        self.directory = root / "@broker"

    def keepers(self) -> list[int]:
        """Pids of the keepers; one, or none."""
        return [pid for pid, words in _processes(self.root) if b"--worker" not in words]

    def workers(self) -> list[int]:
        """Pids of all workers, the waiting one too."""
        return [pid for pid, words in _processes(self.root) if b"--worker" in words]

    def serving(self) -> int:
        """The pid of the worker that serves."""
        pid: int = self.ask({"op": "status"})["pid"]
        return pid

    def ask(self, request: dict[str, Any], fds: tuple[int, ...] = ()) -> dict[str, Any]:
        """One request at the control socket, and the answer; waits for a broker that is changing hands."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with self.connect() as connection:
                    line = json.dumps(request).encode() + b"\n"
                    if fds:
                        socket.send_fds(connection, [line], list(fds))
                    else:
                        connection.sendall(line)
                    return read_line(connection)
            except (ConnectionError, FileNotFoundError):
                assert time.monotonic() < deadline, f"no broker answers below {self.root}"
                time.sleep(0.02)

    def connect(self) -> socket.socket:
        """A connection to the control socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        try:
            connection.connect(str(self.directory / "control"))
        except OSError:
            connection.close()
            raise
        return connection

    def metrics(self) -> str:
        """What a scrape gives, without the head."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self.directory / "metrics"))
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _, body = answer.decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.0 200 OK"), head
        return body

    def served(self, container_id: str) -> list[dict[str, Any]]:
        """The rows of a container in the broker's status."""
        return [row for row in self.ask({"op": "status"})["containers"] if row["id"] == container_id]

    def records(self, container_id: str) -> list[dict[str, Any]]:
        """The container's log, complete: when the broker no longer serves it."""
        wait_until(lambda: not self.served(container_id), f"{container_id} is gone from the broker")
        path = self.directory / "log" / f"{container_id}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def end(self) -> None:
        """Stop the broker as an administrator does; no keeper and no worker stays."""
        for pid in self.keepers():
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while left := [pid for pid, _ in _processes(self.root) if _is_alive(pid)]:
            assert time.monotonic() < deadline, f"broker processes stay: {left}"
            for pid in left:
                _reap(pid)
            time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def read_line(connection: socket.socket) -> dict[str, Any]:
    """The next line of JSON."""
    data = b""
    while not data.endswith(b"\n"):
        part = connection.recv(1)
        if not part:
            raise ConnectionError("the broker hung up")
        data += part
    line: dict[str, Any] = json.loads(data)
    return line
