"""A worker that begins to serve: who waits comes first, and nothing that the keeper says meanwhile is lost."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from runtime.broker import service as service_module
from runtime.broker.keeper_wire import ADD, OVER, SETTLED, Message, receive, send
from runtime.broker.promotion import make_room, take_up
from runtime.broker.registry import Registration


class Core:
    """Says which calls the journal holds."""

    def __init__(self, *owed: int) -> None:
        self.keys = set(owed)

    def owed(self) -> set[int]:
        """Their keys."""
        return self.keys


class Service:
    """Notes what it is asked to do; reads what the keeper says as the real one does."""

    next_registration = service_module.Service.next_registration

    def __init__(self, channel: socket.socket, core: Core, *refused: int) -> None:
        self.channel, self.core, self.running = channel, core, True
        self.refused = refused
        self.done: list[tuple[str, int]] = []
        self.held: list[Registration] = []

    def admit(self, registration: Registration) -> bool:
        """A usable table or not."""
        self.done.append(("admit", registration.key))
        self.held.append(registration)
        return registration.key not in self.refused

    def know(self, registration: Registration) -> None:
        """After all were admitted."""
        self.done.append(("know", registration.key))

    def hear(self, message: Message) -> None:
        """Something else."""
        self.done.append(("hear", message.key))

    def tell_keeper(self, message: Message) -> None:
        """What is told, as it comes in the order of things."""
        self.done.append(("tell", message.kind))
        send(self.channel, message)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The keeper's and the worker's."""
    with ExitStack() as stack:
        keeper, worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        yield stack.enter_context(keeper), stack.enter_context(worker)


def announce(keeper: socket.socket, key: int, *, readable: bool = False) -> None:
    """A registration whose listener is a pipe."""
    read, write = os.pipe()
    if readable:
        os.write(write, b"x")
    send(keeper, Message(ADD, key=key, container_id=f"c{key}", fds=(read,)))
    os.close(read)
    os.close(write)


def close(service: Service) -> None:
    """Give up what came."""
    for registration in service.held:
        registration.close()


def test_those_who_wait_are_served_first(ends: tuple[socket.socket, socket.socket]) -> None:
    """A call in the journal or at the listener goes before silence; descriptions follow when all are served."""
    keeper, worker = ends
    service = Service(worker, Core(3))
    announce(keeper, 1)
    announce(keeper, 2, readable=True)
    announce(keeper, 3)
    announce(keeper, 4)
    take_up(service, 4)  # type: ignore[arg-type]
    admitted = [("admit", key) for key in (2, 3, 1, 4)]
    known = [("know", key) for key in (2, 3, 1, 4)]
    assert service.done == [*admitted, ("tell", SETTLED), *known]
    told = receive(keeper)
    assert told is not None
    assert told.kind == SETTLED
    close(service)


def test_what_is_refused_is_not_described(ends: tuple[socket.socket, socket.socket]) -> None:
    """Its registration is gone by then."""
    keeper, worker = ends
    service = Service(worker, Core(), 1)
    announce(keeper, 1)
    announce(keeper, 2)
    take_up(service, 2)  # type: ignore[arg-type]
    assert ("know", 1) not in service.done
    assert ("know", 2) in service.done
    close(service)


def test_other_messages_are_heard(ends: tuple[socket.socket, socket.socket]) -> None:
    """A container's time may be up meanwhile; and what comes after the announced ones is left in the socket."""
    keeper, worker = ends
    service = Service(worker, Core())
    announce(keeper, 1)
    send(keeper, Message(OVER, key=1))
    announce(keeper, 2)
    announce(keeper, 3)
    take_up(service, 2)  # type: ignore[arg-type]
    assert ("hear", 1) in service.done
    assert ("admit", 3) not in service.done
    left = receive(worker)
    assert left is not None
    assert left.key == 3
    for fd in left.fds:
        os.close(fd)
    close(service)


def test_a_keeper_that_dies_meanwhile(ends: tuple[socket.socket, socket.socket]) -> None:
    """What came is served, and the service knows that it needs another keeper."""
    keeper, worker = ends
    service = Service(worker, Core())
    announce(keeper, 1)
    keeper.close()
    with pytest.raises(BrokenPipeError):  # the service's own `tell_keeper` says it in the log instead
        take_up(service, 2)  # type: ignore[arg-type]
    assert service.done[0] == ("admit", 1)
    assert not service.running
    close(service)


def test_nothing_is_announced(ends: tuple[socket.socket, socket.socket]) -> None:
    """The first worker of a keeper without containers has settled at once."""
    service = Service(ends[1], Core())
    take_up(service, 0)  # type: ignore[arg-type]
    assert service.done == [("tell", SETTLED)]


@pytest.mark.parametrize("count", [0, 100, 1 << 28])
def test_room_takes_no_descriptor(count: int) -> None:
    """Nor does more than there may be end the worker."""
    before = os.listdir("/proc/self/fd")
    make_room(count)
    assert len(os.listdir("/proc/self/fd")) == len(before)
