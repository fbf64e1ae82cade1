"""The seccomp filter of a process, read back from the kernel."""

from __future__ import annotations

import ctypes
import os

PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SECCOMP_GET_FILTER = 16, 17, 0x420C
WALL = 0x40000000


def installed_program(pid: int) -> bytes:
    """The filter of a process that was attached last."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    assert libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    try:
        os.waitpid(pid, WALL)
        count = libc.ptrace(PTRACE_SECCOMP_GET_FILTER, pid, None, None)
        assert count > 0, os.strerror(ctypes.get_errno())
        buffer = ctypes.create_string_buffer(count * 8)
        assert libc.ptrace(PTRACE_SECCOMP_GET_FILTER, pid, None, buffer) == count
        return buffer.raw
    finally:
        libc.ptrace(PTRACE_DETACH, pid, None, None)
