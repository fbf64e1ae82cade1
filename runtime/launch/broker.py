"""Making sure that a broker's keeper listens below a state root, before a container's plan hands a listener to it.

Hot where one runs: its lock is held and its socket is there, and nothing more is asked.  Otherwise one is started; of many that are
started at once one stays.  Under the planner's own interpreter nothing is started: that is left to the stock one.
"""

import posix
from fcntl import LOCK_NB, LOCK_SH, LOCK_UN, flock
from time import monotonic, sleep

from runtime.errors import BrokerError
from runtime.host.probe import read_file
from runtime.launch.report import reason
from runtime.policy.trusted import DIRECTORY as SITE
from runtime.record import record

DIRECTORY = "@broker"
_WAIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.002
_SUCCESSION_SECONDS = 0.1
_LONGEST = 4096 + 128
_STOCK_FLAGS = [b"-I", b"-S", b"-B"]


def broker_socket(root: str) -> str:
    """Where listeners are sent."""
    return f"{root}/{DIRECTORY}/socket"


def is_listening(root: str) -> bool:
    """Whether a keeper holds the lock and its socket is there; marks it as in use, so that it does not end just now."""
    return _listening(root) is not None


@record
class Keeper:
    """What a keeper says of itself: whose config.toml it goes by, its capabilities as bits, the inodes of its user and pid namespace."""

    site: str
    capabilities: int
    user_ns: int
    pid_ns: int


def _described(text: str) -> Keeper:
    """Raises: BrokerError."""
    words = text.split("\n")
    try:
        capabilities, user_ns, pid_ns = (int(word) for word in words[1:4])
    except ValueError:
        raise BrokerError("a broker of another version of postern runs: end it first") from None
    return Keeper(words[0] or SITE, capabilities, user_ns, pid_ns)


def _listening(root: str) -> Keeper | None:
    """The keeper that listens; None where none does.  Raises: BrokerError."""
    lock = f"{root}/{DIRECTORY}/lock"
    try:
        fd = posix.open(lock, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    except OSError:
        return None
    try:
        posix.utime(fd)  # before the question: a keeper about to end looks at it after it took its socket away
        flock(fd, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        if not posix.access(broker_socket(root), posix.F_OK):
            return None
        text = posix.pread(fd, _LONGEST, 0).decode("utf-8", "surrogateescape")
        return _described(text) if text else None  # it is about to listen, where one that died left its socket
    except OSError:
        return None
    else:
        flock(fd, LOCK_UN)
        return None
    finally:
        posix.close(fd)


def _interpreter() -> tuple[str, str]:
    """The interpreter's path and the bundle's, as the front called this process.  Raises: BrokerError."""
    words = read_file("/proc/self/cmdline", once=False).split(b"\0")
    if words[1:4] == _STOCK_FLAGS and len(words) > 5:
        return words[0].decode("utf-8", "surrogateescape"), words[4].decode("utf-8", "surrogateescape")
    raise BrokerError("the broker is started by the stock interpreter alone")


def start_keeper(root: str, exe_fd: int, site: str = "") -> None:
    """Start a keeper that goes by `site`/config.toml, and return when one listens.  Raises: BrokerError."""
    python, entry = _interpreter()
    chosen = ["--policy-dir", site] if site else []
    argv = ["postern", "--root", root, *chosen, "broker", "--python", python, "--entry", entry]
    environment = {b"PATH": posix.environ.get(b"PATH", b"/usr/sbin:/usr/bin:/sbin:/bin")}
    try:
        pid = posix.posix_spawn(f"/proc/self/fd/{exe_fd}", argv, environment, setsid=True)
        code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    except OSError as error:
        raise BrokerError(f"unable to start the broker: {reason(error)}") from error
    if code != 0:
        raise BrokerError(f"unable to start the broker: it ended with {code}")


def _successor(root: str) -> Keeper | None:
    """The keeper that the worker of a dead one starts, which takes it some milliseconds; None where none comes.

    A socket without a keeper's lock is a dead keeper's: one that ends by itself takes it away.
    """
    end = monotonic() + _SUCCESSION_SECONDS
    while posix.access(broker_socket(root), posix.F_OK) and monotonic() < end:
        sleep(_PAUSE_SECONDS)
        found = _listening(root)
        if found is not None:
            return found
    return None


def ensure_broker(root: str, exe_fd: int, site: str = "") -> Keeper:
    """The keeper that listens below this root, started if there was none.

    `exe_fd` is the program; `site` the directory that one to be started shall go by ("": the usual one).  Raises: BrokerError.
    """
    found = _listening(root) or _successor(root)
    if found is not None:
        return found
    if exe_fd < 0:
        raise BrokerError("the program's own file was not handed over: call the postern program")
    end = monotonic() + _WAIT_SECONDS
    while True:
        start_keeper(root, exe_fd, site)
        found = _listening(root)
        if found is not None:
            return found
        if monotonic() > end:
            raise BrokerError(f"no broker listens at {broker_socket(root)}")
        sleep(_PAUSE_SECONDS)
