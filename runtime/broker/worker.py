"""The broker's worker: takes registrations from the keeper, lets the C core decide, and writes down what was decided.

One thread of Python around one poll; the core's threads answer system calls without it.  A worker first loads everything, says that it is
ready, and waits: it serves when the keeper says so, perhaps never.
"""

import posix
import select
import socket

from runtime.broker.keeper_wire import HELLO, READY, SERVE, Message, receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def run_worker(channel_fd: int, root: str, exe_fd: int, start_keeper: "Callable[[], None]") -> int:
    """Serve the keeper at the other end of `channel_fd` until it has nothing more to say; an exit code."""
    channel = socket.socket(fileno=channel_fd)
    posix.set_inheritable(channel_fd, False)
    hello = receive(channel)
    if hello is None or hello.kind != HELLO or len(hello.fds) != 3:
        return 1
    send(channel, Message(READY))
    message = receive(channel)
    if message is None:
        return 0
    if message.kind != SERVE:
        return 1
    poll = select.poll()
    poll.register(channel)
    while receive(channel) is not None:
        continue
    return 0
