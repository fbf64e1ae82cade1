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

DIRECTORY = "@broker"
_WAIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.002
_LONGEST_PATH = 4096
_STOCK_FLAGS = [b"-I", b"-S", b"-B"]


def broker_socket(root: str) -> str:
    """Where listeners are sent."""
    return f"{root}/{DIRECTORY}/socket"


def is_listening(root: str) -> bool:
    """Whether a keeper holds the lock and its socket is there; marks it as in use, so that it does not end just now."""
    return _site(root) is not None


def _site(root: str) -> str | None:
    """The directory whose config.toml the keeper that listens goes by; None where none does."""
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
        return posix.pread(fd, _LONGEST_PATH, 0).decode("utf-8", "surrogateescape") or SITE
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


def ensure_broker(root: str, exe_fd: int, site: str = "") -> str:
    """Return when a keeper listens below this root: the directory whose config.toml it goes by.

    `exe_fd` is the program; `site` the directory that one to be started shall go by ("": the usual one).  Raises: BrokerError.
    """
    found = _site(root)
    if found is not None:
        return found
    if exe_fd < 0:
        raise BrokerError("the program's own file was not handed over: call the postern program")
    end = monotonic() + _WAIT_SECONDS
    while True:
        start_keeper(root, exe_fd, site)
        found = _site(root)
        if found is not None:
            return found
        if monotonic() > end:
            raise BrokerError(f"no broker listens at {broker_socket(root)}")
        sleep(_PAUSE_SECONDS)
