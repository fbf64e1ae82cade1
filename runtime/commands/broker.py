"""postern broker: the program itself is the keeper; here its flags are explained, and its worker begins."""

from runtime.commands.invocation import Invocation
from runtime.errors import UsageError
from runtime.launch.front import PROGRAM_NAME, become_front

_LONGEST_IDLE = 86400


def execute(invocation: Invocation) -> int:
    """Become the keeper, or with --worker serve one.  Raises: OciError."""
    if "worker" in invocation.flags:
        from runtime.broker.worker import run_worker

        return run_worker(invocation.number("worker", -1), invocation.root, invocation.exe_fd)
    idle = invocation.text("idle")
    if idle is not None and not (idle.isascii() and idle.isdigit() and int(idle) <= _LONGEST_IDLE):
        raise UsageError(f'invalid value "{idle}" for flag -idle: seconds, at most {_LONGEST_IDLE}')
    words = [PROGRAM_NAME, "--root", invocation.root, "broker"]
    if invocation.switch("foreground"):
        words.append("--foreground")
    if idle is not None:
        words += ["--idle", idle]
    become_front(invocation.exe_fd, words)
    return 1
