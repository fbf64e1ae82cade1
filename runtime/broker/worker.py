"""The broker's worker: takes registrations from the keeper, lets the C core decide, and writes down what was decided.

One thread of Python around one poll; the core's threads answer system calls without it.  A worker first loads everything, says that it is
ready, and waits: it serves when the keeper says so, perhaps never.
"""

import posix
import socket

from runtime.broker.keeper_wire import HELLO, READY, SERVE, Message, receive, send
from runtime.broker.native import Core
from runtime.broker.operations import complain
from runtime.broker.promotion import make_room, take_up
from runtime.broker.service import Service
from runtime.broker.settings import Settings, load_settings
from runtime.broker.takeover import find_keeper, serve_alone
from runtime.errors import BrokerError

THREADS = 4


def _settings(site: str) -> Settings:
    try:
        return load_settings(site)
    except BrokerError as error:
        complain(f"{error}; going on without it")
        return Settings(site=site)


def run_worker(channel_fd: int, root: str, exe_fd: int, site: str) -> int:
    """Serve the keeper at the other end of `channel_fd` until it has nothing more to say; an exit code.  `site`: whose [broker] holds."""
    channel = socket.socket(fileno=channel_fd)
    posix.set_inheritable(channel_fd, False)
    hello = receive(channel)
    if hello is None or hello.kind != HELLO or len(hello.fds) != 3:
        return 1
    journal, control, metrics = hello.fds
    settings = _settings(site)
    try:
        send(channel, Message(READY))
    except OSError:
        pass  # the keeper has died; what it had said before is still to be read
    message = receive(channel)
    if message is None:
        return 0
    if message.kind != SERVE:
        return 1
    make_room(message.registrations)
    core = Core(journal, THREADS)
    service = Service(core, channel, root, exe_fd, settings)
    take_up(service, message.registrations)
    service.listen(socket.socket(fileno=control), socket.socket(fileno=metrics))
    while service.run() and find_keeper(service, (journal, control, metrics)):
        complain("the keeper has ended; another one has been started")
    return serve_alone(service)
