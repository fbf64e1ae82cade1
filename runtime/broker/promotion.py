"""Becoming the worker that serves: containers may wait, so what decides their calls comes first, and of those whose calls wait first of all.

What only describes their events, and takes longer, is done when all are served.
"""

import posix
import select
from fcntl import F_DUPFD_CLOEXEC, fcntl

from runtime.broker.keeper_wire import SETTLED, Message
from runtime.broker.registry import Registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.broker.service import Service


_FDS_EACH, _FDS_OF_ALL = 8, 256


def make_room(count: int) -> None:
    """Let the table of descriptors grow for so many registrations now: once there are threads, the kernel waits for all of them each time."""
    try:
        posix.close(fcntl(0, F_DUPFD_CLOEXEC, count * _FDS_EACH + _FDS_OF_ALL))
    except OSError:  # beyond the limit, or standard input is closed: it grows as it can
        return


def _take(service: "Service", count: int) -> list[Registration]:
    """As many registrations as the keeper has announced, fewer if it dies meanwhile; whatever else it says counts at once."""
    arrived: list[Registration] = []
    while len(arrived) < count and service.running:
        registration = service.next_registration()
        if registration is not None:
            arrived.append(registration)
    return arrived


def _those_who_wait_first(service: "Service", arrived: list[Registration]) -> list[Registration]:
    """A call that was received and not answered lies in the journal; one that was not received makes the listener readable."""
    poll, owed = select.poll(), service.core.owed()
    for registration in arrived:
        poll.register(registration.listener, select.POLLIN)
    readable = {fd for fd, events in poll.poll(0) if events & select.POLLIN}
    return sorted(arrived, key=lambda one: not (one.key in owed or one.listener in readable))


def take_up(service: "Service", count: int) -> None:
    """Serve the `count` registrations that the keeper sends now, and tell it when they are served."""
    arrived = _those_who_wait_first(service, _take(service, count))
    admitted = [registration for registration in arrived if service.admit(registration)]
    service.tell_keeper(Message(SETTLED))
    for registration in admitted:
        service.know(registration)
