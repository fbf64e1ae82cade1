"""When the keeper has died: its worker starts a new one and gives it everything, the journal included.

The lock goes over with it, so that no other keeper can come between.  From the moment at which the core stops until the new keeper's
worker serves, calls wait; what was received and not answered lies in the journal and is done then.
"""

import posix
import socket
import sys
from fcntl import LOCK_EX, LOCK_NB, flock
from time import monotonic, sleep

from runtime.broker.keeper_wire import ADD, HELLO, Message, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.broker.service import Service

_ADOPT_FD, _LOCK_FD = 3, 4
_ATTEMPT_SECONDS = 5.0


def _take_lock(directory: str) -> int:
    """The keepers' lock, or -1 when another keeper has it and stays."""
    fd = posix.open(f"{directory}/lock", posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC, 0o600)
    end = monotonic() + _ATTEMPT_SECONDS
    while True:
        try:
            flock(fd, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            if monotonic() > end:
                posix.close(fd)
                return -1
            sleep(0.005)
        else:
            return fd


def _spawn(service: "Service", channel: int, lock: int) -> int:
    python, entry = sys.executable, sys.argv[0]
    words = ["postern", "--root", service.root, "--policy-dir", service.site, "broker", "--adopt"]
    argv = [*words, "--python", python, "--entry", entry]
    # both numbers may be taken: first out of the way, then into place
    actions = [
        (posix.POSIX_SPAWN_DUP2, channel, 100),
        (posix.POSIX_SPAWN_DUP2, lock, 101),
        (posix.POSIX_SPAWN_DUP2, service.exe_fd, 102),
        (posix.POSIX_SPAWN_DUP2, 100, _ADOPT_FD),
        (posix.POSIX_SPAWN_DUP2, 101, _LOCK_FD),
    ]
    return posix.posix_spawn("/proc/self/fd/102", argv, dict(posix.environ), file_actions=actions)


def hand_on(service: "Service", journal: int) -> int:
    """Start a keeper that adopts every registration; an exit code."""
    lock = _take_lock(service.directory)
    if lock < 0:
        sys.stderr.write("broker: another keeper has come; its containers are served there, ours here until they end\n")
        return serve_alone(service)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for compilation in service.compilations.values():
        compilation.end()
    pid = _spawn(service, theirs.fileno(), lock)
    theirs.close()
    service.core.close()  # nothing is received from here on; what was received lies in the journal
    send(ours, Message(HELLO, registrations=len(service.registry), fds=(journal,)))
    for registration in service.registry:
        send(ours, registration.as_message(ADD))
    ours.close()
    posix.close(lock)
    return posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])


def serve_alone(service: "Service") -> int:
    """Go on without a keeper until the last container has ended: nobody could take over from us any more."""
    service.forget(service.channel.fileno())
    service.running = True
    while len(service.registry):
        service.turn()
    return 0
