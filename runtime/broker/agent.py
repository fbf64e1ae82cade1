"""Behind another runtime: a listener comes with the name of a policy, not with a table.

Compiling a policy takes a tenth of a second and a YAML parser; a process of its own does it, and the container's calls wait meanwhile.
"""

import posix
import signal
import sys

_MFD_ALLOW_SEALING = 0x2
_LONGEST_PROBLEM = 2000


def policy_of(metadata: str) -> str:
    """The policy that the metadata `policy=NAME|FILE` names; empty for other metadata."""
    key, _, value = metadata.partition("=")
    return value if key == "policy" else ""


class Compilation:
    """One compiling process; `pidfd` is readable when it has ended."""

    __slots__ = ("_errors", "_pid", "_policy", "_table", "pidfd")

    def __init__(self, root: str, site: str, exe_fd: int, metadata: str) -> None:
        """Start it; `site` is the directory of the floor and of named policies.  Raises: OSError."""
        self._policy = policy_of(metadata)
        self._table = posix.memfd_create("broker-table", posix.MFD_CLOEXEC | _MFD_ALLOW_SEALING)
        self._errors = posix.memfd_create("compiler-errors", posix.MFD_CLOEXEC)
        # as the front calls the bundle: the program itself may be a copy in memory, which does not know where that is
        argv = [
            sys.executable,
            "-I",
            "-S",
            "-B",
            sys.argv[0],
            str(exe_fd),
            "--root",
            root,
            "--policy-dir",
            site,
            "broker",
            "--table",
            self._policy,
        ]
        actions = [
            (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
            (posix.POSIX_SPAWN_DUP2, self._table, 1),
            (posix.POSIX_SPAWN_DUP2, self._errors, 2),
        ]
        environment = dict(posix.environ)
        self._pid = posix.posix_spawn(sys.executable, argv, environment, file_actions=actions)
        self.pidfd = posix.pidfd_open(self._pid)

    def result(self) -> tuple[int, str]:
        """The table's descriptor, the caller's, and ""; or -1 and what is wrong.  Waits for the process."""
        _pid, status = posix.waitpid(self._pid, 0)
        code = posix.waitstatus_to_exitcode(status)
        posix.close(self.pidfd)
        words = posix.pread(self._errors, _LONGEST_PROBLEM, 0).decode("utf-8", "replace").strip()
        posix.close(self._errors)
        if code == 0 and posix.fstat(self._table).st_size > 0:
            return self._table, ""
        posix.close(self._table)
        return -1, f"policy {self._policy!r} cannot be compiled: {words or f'the compiler ended with {code}'}"

    def end(self) -> None:
        """Kill it: nobody needs the result."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
