"""Which Landlock ABI the running kernel offers; asked only where a policy is in use.

The kernel has one sure answer, landlock_create_ruleset(2), and Python has no door to it.  What is certain without it is the kernel's
list of active security modules: a Landlock that was built in but left out on the boot line is not in it.  There the version tells
which ABI upstream's kernel of that version has, and distributions add to it and never take away, so that the masks of that ABI are
taken.  Where nobody mounted securityfs (inside another container, mostly) the planner's own interpreter makes the system call, and
under the stock one the program itself is started to make it; that costs a process, and is no guess.
"""

import posix
import sys

from runtime.abi.landlock import abi_since
from runtime.host.probe import probe_kernel, read_file

LANDLOCK_NAME = "postern:landlock"
_ACTIVE_MODULES = "/sys/kernel/security/lsm"


def active_abi(modules: bytes, kernel: tuple[int, int]) -> int:
    """The ABI where `modules` is the text of the kernel's list of active security modules."""
    return abi_since(kernel) if b"landlock" in modules.split(b",") else 0


def _ask_the_program(exe_fd: int) -> int:
    """It writes the ABI as one byte: its exit code would be lost where SIGCHLD is ignored."""
    reader, writer = posix.pipe()
    answer = b""
    try:
        actions = [(posix.POSIX_SPAWN_DUP2, writer, 1)]
        pid = posix.posix_spawn(f"/proc/self/fd/{exe_fd}", [LANDLOCK_NAME], {}, file_actions=actions)
        posix.close(writer)
        writer = -1
        answer = posix.read(reader, 1)
        posix.waitpid(pid, 0)
    except OSError:
        pass  # what was answered counts; nothing is no Landlock
    finally:
        posix.close(reader)
        if writer >= 0:
            posix.close(writer)
    return answer[0] if answer else 0


def probe_landlock(exe_fd: int) -> int:
    """The ABI, 0 where there is no Landlock or nothing that could tell; `exe_fd` is the executor's file, or -1."""
    modules = read_file(_ACTIVE_MODULES).rstrip(b"\n")
    if modules:
        return active_abi(modules, probe_kernel(posix.uname().release))
    asking = getattr(sys, "postern_landlock_abi", None)
    if asking is not None:
        abi: int = asking()
        return abi
    return _ask_the_program(exe_fd) if exe_fd >= 0 else 0
