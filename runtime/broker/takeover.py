"""When the keeper has died: its worker starts a new one, gives it everything, the journal included, and goes on as its worker.

The lock goes over with it, so that no other keeper can come between.  The core answers calls all the time.
"""

import posix
import socket
import sys
from fcntl import LOCK_EX, LOCK_NB, flock
from time import monotonic, sleep

from runtime.broker.keeper_wire import ADD, HELLO, Message, send
from runtime.broker.operations import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.broker.service import Service

_ADOPT_FD, _LOCK_FD = 3, 4
_ATTEMPT_SECONDS = 5.0
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.2


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
            break
    try:
        posix.unlink(f"{directory}/socket")  # the dead keeper's: with the lock it would say that somebody listens
    except FileNotFoundError:
        pass
    return fd


def _spawn(service: "Service", channel: int, lock: int) -> int:
    python, entry = sys.executable, sys.argv[0]
    words = ["postern", "--root", service.root, "--policy-dir", service.site, "broker", "--adopt"]
    argv = [*words, "--python", python, "--entry", entry]
    # both numbers may be taken, by one of the three as well: first out of the way, then into place
    fds = (channel, lock, service.exe_fd)
    free = max(*fds, _LOCK_FD) + 1
    actions = [(posix.POSIX_SPAWN_DUP2, fd, free + at) for at, fd in enumerate(fds)]
    actions += [(posix.POSIX_SPAWN_DUP2, free, _ADOPT_FD), (posix.POSIX_SPAWN_DUP2, free + 1, _LOCK_FD)]
    return posix.posix_spawn(f"/proc/self/fd/{free + 2}", argv, dict(posix.environ), file_actions=actions)


def _hand_over(service: "Service", channel: socket.socket, fds: tuple[int, ...]) -> bool:
    """Everything that a keeper has.  False: it does not listen."""
    own = posix.pidfd_open(posix.getpid())
    try:
        send(channel, Message(HELLO, registrations=len(service.registry), fds=(*fds, own)))
        for registration in service.registry:
            send(channel, registration.as_message(ADD))
    except OSError as error:
        complain(f"the new keeper does not take what it needs: {error.strerror}")
        return False
    finally:
        posix.close(own)
    return True


def find_keeper(service: "Service", fds: tuple[int, int, int]) -> bool:
    """Start a keeper that adopts this worker with every registration; `fds`: the journal, the control and the metrics socket.

    False: there is none; then the worker goes on alone, since a keeper that has not taken everything ends.
    """
    for attempt in range(_ATTEMPTS):
        sleep(_PAUSE_SECONDS * attempt)
        lock = _take_lock(service.directory)
        if lock < 0:
            complain("another keeper has come; its containers are served there, ours here until they end")
            return False
        if _is_adopted(service, lock, fds):
            return True
    complain("no new keeper can be started; the containers are served until they end")
    return False


def _is_adopted(service: "Service", lock: int, fds: tuple[int, int, int]) -> bool:
    """Whether a new keeper has taken everything; one that is killed meanwhile has not.  `lock` is taken."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = _spawn(service, theirs.fileno(), lock)
    posix.close(lock)
    theirs.close()
    took = _hand_over(service, ours, fds)
    if not took:
        ours.close()  # and waits for the end of what has not taken everything
    # a keeper that listens goes into the background
    if posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1]) != 0 or not took:
        ours.close()
        return False
    service.join(ours)
    return True


def serve_alone(service: "Service") -> int:
    """Go on without a keeper until the last container has ended; an exit code.  Nobody could take over from us any more."""
    service.forget(service.channel.fileno())
    service.running = True
    while len(service.registry):
        service.turn()
    return 0
