"""A keeper that is started by the worker of a dead one: it takes what that worker has, and the worker with it."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.broker import keeper_wire
from runtime.broker.keeper_wire import ADD, HELLO, SERVE, Message, receive, send
from tests.runtime.native.test_keeper import Notes, encoded


class Orphan(Notes):
    """A worker whose keeper has died, and the new keeper that it starts.  The process that the worker is stands in for it."""

    def __init__(self, program: list[str], root: Path, stack: ExitStack) -> None:
        super().__init__(root)
        (root / "@broker").mkdir(mode=0o700)
        lock = os.open(root / "@broker/lock", os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.process = stack.enter_context(subprocess.Popen(["sleep", "100"]))
        stack.callback(self.process.kill)
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(self.channel)
        self.pidfd = os.pidfd_open(self.process.pid)
        stack.callback(os.close, self.pidfd)
        self.sockets = []
        for name in ("control", "metrics"):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(str(root / "@broker" / name))
            listening.listen()
            self.sockets.append(listening)
        with theirs:
            self.keeper = self._spawn([*program, *self.words, "--adopt"], theirs.fileno(), lock)
        self.ended = False

    @staticmethod
    def _spawn(argv: list[str], channel: int, lock: int) -> int:
        free = max(channel, lock) + 1
        actions = [
            (os.POSIX_SPAWN_DUP2, channel, free),
            (os.POSIX_SPAWN_DUP2, lock, free + 1),
            (os.POSIX_SPAWN_DUP2, free, 3),
            (os.POSIX_SPAWN_DUP2, free + 1, 4),
        ]
        return os.posix_spawn(argv[0], argv, dict(os.environ), file_actions=actions)

    def hello(self, registrations: int) -> None:
        """The first of what is handed over."""
        journal = os.memfd_create("journal")
        fds = (journal, self.sockets[0].fileno(), self.sockets[1].fileno(), self.pidfd)
        send(self.channel, Message(HELLO, registrations=registrations, fds=fds))
        os.close(journal)

    def give(self, key: int) -> None:
        """One registration."""
        read, write = os.pipe()
        message = Message(ADD, key=key, pid=os.getpid(), container_id=f"c{key}", metadata="policy=x", fds=(read,))
        send(self.channel, message)
        os.close(read)
        os.close(write)

    def register(self, name: str) -> None:
        """A container that comes later."""
        read, write = os.pipe()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.root / "@broker/socket"))
            state = {"id": name, "status": "creating"}
            socket.send_fds(connection, [encoded(state=state)], [read])
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(4) == bytes(4)
        os.close(read)
        os.close(write)

    def listens(self) -> None:
        """Until the keeper does."""
        self.wait((self.root / "@broker/socket").exists)

    def end(self) -> int:
        """The keeper's exit code, by itself or because an administrator ends it."""
        self.ended = True
        return os.waitstatus_to_exitcode(os.waitpid(self.keeper, 0)[1])

    def close(self) -> None:
        """Leave nothing behind."""
        if not self.ended:
            os.kill(self.keeper, signal.SIGTERM)
            assert self.end() == 0


@pytest.fixture
def orphan(program: list[str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Orphan]:
    """Nothing is handed over yet."""
    request.getfixturevalue("real_kernel")
    with ExitStack() as stack:
        made = Orphan(program, tmp_path, stack)
        stack.callback(made.close)
        yield made


def test_the_worker_goes_on(orphan: Orphan) -> None:
    """It is not told to serve, a standby is started, and what comes later comes to it."""
    orphan.hello(2)
    orphan.give(7)
    orphan.give(8)
    orphan.listens()
    orphan.await_notes(HELLO, 1)
    orphan.register("later")
    message = receive(orphan.channel)
    assert message is not None
    assert (message.kind, message.container_id) == (ADD, "later")
    for fd in message.fds:
        os.close(fd)
    assert not orphan.notes(SERVE)


def test_an_adopted_worker_that_ends_is_followed(orphan: Orphan) -> None:
    """It is no child of the keeper; the standby gets everything all the same, and only when the process is gone."""
    orphan.hello(2)
    orphan.give(7)
    orphan.give(8)
    orphan.listens()
    orphan.await_notes(HELLO, 1)
    orphan.channel.close()
    assert orphan.process.wait(10) == -signal.SIGKILL
    assert {note["key"] for note in orphan.await_notes(keeper_wire.ADD, 2)} == {7, 8}


def test_a_worker_that_dies_while_it_hands_over(orphan: Orphan) -> None:
    """What came is all there is: the keeper goes on with it and a worker of its own."""
    orphan.hello(2)
    orphan.give(7)
    orphan.process.kill()
    orphan.channel.close()
    orphan.listens()
    assert [note["key"] for note in orphan.await_notes(keeper_wire.ADD, 1)] == [7]


def test_a_worker_that_gives_up_keeps_what_it_has(orphan: Orphan) -> None:
    """Two keepers must never have workers on one journal: the new one ends."""
    orphan.hello(2)
    orphan.give(7)
    orphan.channel.close()
    assert orphan.end() == 1
    assert not (orphan.root / "@broker/socket").exists()
    assert not orphan.notes()


def test_without_a_hello_there_is_nothing_to_keep(orphan: Orphan) -> None:
    """Registrations alone, or descriptors too few, do not make a keeper."""
    orphan.give(7)
    send(orphan.channel, Message(HELLO, registrations=0, fds=(0,)))
    orphan.channel.close()
    assert orphan.end() == 1
