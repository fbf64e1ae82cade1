"""A broker's core of the test's own, and programs behind a filter that asks it: no container, no runtime."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import CDLL, get_errno
from typing import Any

from integration.framework import probe
from runtime.broker.native import Core, Event
from runtime.broker.table import encode_table
from runtime.seccomp.arches import find_arch, syscall_numbers

NUMBERS = syscall_numbers(find_arch(os.uname().machine))  # type: ignore[arg-type]  # the suite runs on known machines
OPENS = ("open", "openat", "openat2", "creat")
NOTED = ("setgroups", "execve", "execveat", "chroot")  # what a policy with file rules has noted
SYS_PIDFD_GETFD = 438
LIBC = CDLL(None, use_errno=True)


def table(calls: Mapping[str, str], **fields: Any) -> dict[str, Any]:
    """A broker dict with everything that a test does not care about; `calls`: name -> handler."""
    entries = {name: {"handler": handler, "rule": None} for name, handler in calls.items()}
    limits = {"mode": "enforce", "timeout_ms": 2000, "max_inflight": 64, "on_failure": "deny", "audit": "denials"}
    sections: dict[str, Any] = dict.fromkeys(("read", "write", "hide", "unix_connect", "unix_bind", "egress", "bind"))
    seen = [name for name in NOTED if name in calls]
    return {
        "name": "test",
        "rules": [],
        "wall_time_ms": None,
        **limits,
        **sections,
        "calls": entries,
        "seen": seen,
        **fields,
    }


def paths(*patterns: str) -> list[list[list[Any]]]:
    """One layer of patterns without rules."""
    return [[[pattern, None] for pattern in patterns]]


def memory_file(content: bytes) -> int:
    """An owned memfd with this content."""
    fd = os.memfd_create("table")
    os.write(fd, content)
    return fd


class Gated:
    """A process that waits behind its filter until it is released."""

    def __init__(self, names: list[str], *arguments: str, **options: Any) -> None:
        numbers = ",".join(str(NUMBERS[name]) for name in names if name in NUMBERS)
        command = [str(probe.built("gate")), numbers, *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, bufsize=0, **{**pipes, **options})
        assert self.process.stdout is not None
        listener = int(self.process.stdout.readline())
        assert listener >= 0, os.strerror(-listener)
        pidfd = os.pidfd_open(self.process.pid)
        self.listener: int = LIBC.syscall(SYS_PIDFD_GETFD, pidfd, listener, 0)
        os.close(pidfd)
        assert self.listener >= 0, os.strerror(get_errno())

    def release(self) -> None:
        """Let it act."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    def finish(self, timeout: float = 60) -> tuple[int, str]:
        """(exit code, what it printed)."""
        try:
            out, error = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, (out + error).decode(errors="replace")


class Broker:
    """A core with its journal, and the containers that the test gives it."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.keys = iter(range(1, 1 << 30))

    def add(self, gated: Gated, broker: Mapping[str, Any]) -> int:
        """Serve a process's listener; returns the index."""
        fd = memory_file(encode_table(broker))
        try:
            return self.core.add(next(self.keys), gated.listener, fd, (gated.process.pid, 0, 0))
        finally:
            os.close(fd)

    def run(self, broker: Mapping[str, Any], *arguments: str, timeout: float = 60, **options: Any) -> tuple[int, str]:
        """(exit code, output) of `gate` behind the calls that the table names."""
        gated = Gated(list(broker["calls"]), *arguments, **options)
        index = self.add(gated, broker)
        gated.release()
        try:
            return gated.finish(timeout)
        finally:
            while self.core.stats(index)["inflight"]:  # the last event is written after its answer
                time.sleep(0.001)
            self.core.remove(index)

    def events(self) -> list[Event]:
        """Everything that happened so far."""
        found: list[Event] = []
        while batch := self.core.events():
            found += batch
        return found


@contextmanager
def serving(threads: int = 2) -> Iterator[Broker]:
    """A broker for the length of a block."""
    journal = os.memfd_create("journal")
    try:
        with Core(journal, threads) as core:
            yield Broker(core)
    finally:
        os.close(journal)
