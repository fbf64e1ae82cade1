"""Calling the program back for what it does in C: start, kill and delete of a container that Python has found.

The hidden flag `--planned` tells it that Python has done its part, so that it does not hand over again.
"""

import posix

from runtime.errors import FeatureMissing, SyscallError
from runtime.launch.report import Report, reason

PROGRAM_NAME = "postern"


def front_arguments(root: str, report: Report, verb: str, words: list[str]) -> list[str]:
    """The command line of a call: our own global settings, the verb, its words."""
    settings = ["--root", root]
    if report.path is not None:
        settings += ["--log", report.path, "--log-format", "json" if report.as_json else "text"]
    if report.debugging:
        settings.append("--debug")
    return [PROGRAM_NAME, *settings, verb, "--planned", *words]


def _path(exe_fd: int) -> str:
    if exe_fd < 0:
        raise FeatureMissing("the program's own file was not handed over: call the postern program")
    return f"/proc/self/fd/{exe_fd}"


def run_front(exe_fd: int, arguments: list[str]) -> int:
    """Run a call and wait; returns its exit code, 128 and the signal's number when it was killed.  Raises: SyscallError."""
    path = _path(exe_fd)
    try:
        pid = posix.posix_spawn(path, arguments, dict(posix.environ))
        code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    except OSError as error:
        raise SyscallError(f"exec {path}", error.errno or 0, reason(error)) from error
    return code if code >= 0 else 128 - code


def become_front(exe_fd: int, arguments: list[str]) -> None:
    """Replace this process by a call; does not return.  Raises: SyscallError."""
    path = _path(exe_fd)
    try:
        posix.set_inheritable(exe_fd, False)
        posix.execve(path, arguments, dict(posix.environ))
    except OSError as error:
        raise SyscallError(f"exec {path}", error.errno or 0, reason(error)) from error
