"""The run that is learned from, in the foreground: who ends the learning ends the container, and leaves nothing behind.

An interrupt from the terminal is the program's, which had it at the same time: a server that is stopped so has ended well.
"""

import posix
import signal
from time import monotonic, sleep

from runtime.errors import SyscallError
from runtime.launch.front import PROGRAM_NAME
from runtime.launch.report import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.commands.invocation import Invocation

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BY_THE_KERNEL = 0x80  # SI_KERNEL: of the terminal, not of somebody's kill
_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.05


class Ended(Exception):
    """Somebody asked for the end; `code` is the exit code that says so."""

    def __init__(self, number: int) -> None:
        """`number`: the signal."""
        self.code = 128 + number
        super().__init__(f"ended by {signal.Signals(number).name}")


def run_recorded(invocation: "Invocation", words: list[str], container_id: str, aside: bool) -> int:
    """Run `postern WORDS`, which makes the container; its exit code.

    `aside`: what it writes to standard output goes to standard error.  Raises: Ended, when the container is gone; SyscallError.
    """
    # who started us may have asked to be left alone, as nohup does
    watched = [number for number in _ASKING if signal.getsignal(number) is not signal.SIG_IGN]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [*watched, signal.SIGCHLD])
    try:
        pid = _spawn(invocation, words, [(posix.POSIX_SPAWN_DUP2, 2, 1)] if aside else [])
        number = _wait(pid, watched)
        if number:
            _end(invocation, pid, container_id)
            raise Ended(number)
        code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    except OSError as error:
        raise SyscallError("run the bundle", error.errno or 0, reason(error)) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return code if code >= 0 else 128 - code


def _spawn(invocation: "Invocation", words: list[str], actions: "list[tuple[Any, ...]]") -> int:
    program = f"/proc/self/fd/{invocation.exe_fd}"
    return posix.posix_spawn(program, words, dict(posix.environ), file_actions=actions, setsigmask=[])


def _wait(pid: int, watched: list[signal.Signals]) -> int:
    """0 when the child has ended (it is still to be waited for), or the signal that asks us to end."""
    interrupted = False
    while True:
        if posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT) is not None:
            return 0
        found = signal.sigwaitinfo([*watched, signal.SIGCHLD])
        if found.si_signo == signal.SIGINT and found.si_code == _BY_THE_KERNEL and not interrupted:
            interrupted = True  # a second one says that the program did not want to
        elif found.si_signo != signal.SIGCHLD:
            return found.si_signo


def _end(invocation: "Invocation", pid: int, container_id: str) -> None:
    """Kill and delete the container, however far it has come, and see its maker off."""
    delete = [PROGRAM_NAME, "--root", invocation.root, "delete", "--force", container_id]
    quiet = [(posix.POSIX_SPAWN_OPEN, fd, "/dev/null", posix.O_RDWR, 0) for fd in (1, 2)]
    end = monotonic() + _PATIENCE_SECONDS
    posix.kill(pid, signal.SIGTERM)  # what has not made a container yet makes none any more
    while True:
        posix.waitpid(_spawn(invocation, delete, quiet), 0)
        if posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG) is not None:
            break
        if monotonic() > end:
            posix.kill(pid, signal.SIGKILL)
        sleep(_PAUSE_SECONDS)
    posix.waitpid(_spawn(invocation, delete, quiet), 0)  # what it made just before it ended
