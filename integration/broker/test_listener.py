"""A container's listener on its way to the broker: who may take it, and what happens when the broker dies meanwhile."""

from __future__ import annotations

import array
import fcntl
import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.framework.broker import MEDIATED, Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.seccomp_agent import answer, next_call

pytestmark = only("postern", reason="the broker is postern's")

NOBODY = 65534
CREATES, EVERY_CAPABILITY = 30, (1 << 63) - 1


def policy(container: Container) -> tuple[str, str]:
    """The flags that bring the broker in."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(MEDIATED)
    return ("--policy", str(path))


def listening_as(uid: int, path: Path) -> socket.socket:
    """A socket that listens in the name of a user: the kernel remembers who called listen(2)."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.settimeout(20)
    os.seteuid(uid)
    try:
        made.listen()
    finally:
        os.seteuid(0)
    return made


class Stranger:
    """Holds the keepers' lock, listens where a keeper does, and says it has every right."""

    def __init__(self, broker: Broker, uid: int = 0) -> None:
        """Nothing answers until `take` is called."""
        broker.end()
        broker.directory.mkdir(mode=0o700, exist_ok=True)
        self.path = broker.directory / "socket"
        self.lock = os.open(broker.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.describe(1)
        self.path.unlink(missing_ok=True)
        self.listening = listening_as(uid, self.path)

    def describe(self, line_of_keepers: int) -> None:
        """What a keeper writes into the lock; the last line tells one line of keepers from another."""
        spaces = [os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("user", "pid")]
        text = "\n".join(map(str, ("", EVERY_CAPABILITY, *spaces, line_of_keepers)))
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, text.encode(), 0)

    def take(self, reply: int | None, before: Callable[[], None] = lambda: None) -> int:
        """Take a listener and answer; None: hang up, as one that is killed.  `before` comes before that.

        The descriptor is the caller's; -1: none came.
        """
        connection, _ = self.listening.accept()
        fds = array.array("i")
        with connection:
            connection.settimeout(20)
            while True:
                data, ancillary, _, _ = connection.recvmsg(65536, 64)
                for _level, _kind, rights in ancillary:
                    fds.frombytes(rights)
                if not data:
                    break
            before()
            if reply is not None and fds:
                connection.sendall(reply.to_bytes(4, "little", signed=True))
        return fds[0] if fds else -1

    def close(self) -> None:
        """As if it had died."""
        self.listening.close()
        self.path.unlink(missing_ok=True)
        os.close(self.lock)


@contextmanager
def stranger(broker: Broker, uid: int = 0) -> Iterator[Stranger]:
    """One for the length of a block."""
    made = Stranger(broker, uid)
    try:
        yield made
    finally:
        made.close()


def let_through(listener: int) -> None:
    """Let every call of a container pass, until nobody can make one any more."""
    try:
        while True:
            answer(listener, next_call(listener), proceed=True)
    except OSError:
        os.close(listener)


def test_nobody_else_gets_the_listener(container: Container, broker: Broker) -> None:
    """A listener decides what its container may do: one that listens as another user is not given it."""
    container.bundle.args("/bin/true")
    came: list[int] = []
    with stranger(broker, NOBODY) as other:
        thread = threading.Thread(target=lambda: came.append(other.take(0)))
        thread.start()
        refused = container.create(*policy(container), check=False)
        thread.join()
    assert refused.rc == 1
    assert "unable to send the seccomp listener to" in refused.err
    assert f"user {NOBODY} listens there, who is not the broker's" in refused.err
    assert came == [-1]
    assert len(refused.err.strip().splitlines()) == 1
    assert container.status() == "missing"


def test_a_keeper_that_dies_before_it_answers(container: Container, broker: Broker) -> None:
    """The one that took over from it is asked again, and gets the same listener."""
    container.bundle.args("/bin/true")
    came: list[int] = []

    def keepers(other: Stranger) -> None:
        came.extend((other.take(None), other.take(0)))
        let_through(came[1])

    with stranger(broker) as other:
        thread = threading.Thread(target=keepers, args=(other,))
        thread.start()
        container.create(*policy(container)).ok()
        os.close(came[0])
        container.delete("--force").ok()
        thread.join()
    assert min(came) >= 0


def test_two_brokers_with_one_listener(container: Container, broker: Broker) -> None:
    """Where one may have it and another one listens by now that knows nothing of the first, no container starts."""
    container.bundle.args("/bin/true")
    came: list[int] = []

    def keepers(other: Stranger) -> None:
        came.extend((other.take(None, lambda: other.describe(2)), other.take(0)))

    with stranger(broker) as other:
        thread = threading.Thread(target=keepers, args=(other,))
        thread.start()
        refused = container.create(*policy(container), check=False)
        thread.join()
    os.close(came[0])
    assert came[1] == -1
    assert refused.rc == 1
    assert "another broker listens by now" in refused.err
    assert container.status() == "missing"


@pytest.mark.slow
def test_no_create_fails_while_keepers_are_killed(make: Callable[[], Container], broker: Broker) -> None:
    """SIGKILL for one keeper after the other, at any moment, under thirty creates: all succeed, and each container is served once."""
    first = make()
    first.bundle.args("/bin/sleep", "1000")
    first.up(*policy(first))
    wait_until(lambda: len(broker.workers()) == 2, "somebody is left who knows everything")
    over, killed = threading.Event(), set[int]()

    def kill() -> None:
        chance = random.Random(5)
        while not over.wait(chance.uniform(0.1, 0.4)):
            for keeper in broker.keepers():
                try:
                    os.kill(keeper, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed.add(keeper)

    thread = threading.Thread(target=kill)
    thread.start()
    failed: list[str] = []
    containers = [make() for _ in range(CREATES)]
    try:
        for container in containers:
            container.bundle.file("/etc/hello", "served\n")
            container.bundle.shell("cat /etc/hello; sleep 1000")
            made = container.create(*policy(container), check=False)
            if made.rc:
                failed.append(made.err)
    finally:
        over.set()
        thread.join()
    assert failed == []
    assert len(killed) > 10
    for container in containers:
        assert len(broker.served(container.id)) <= 1
        container.start()
    for container in containers:
        container.wait_for_output("served")
        container.delete("--force").ok()
