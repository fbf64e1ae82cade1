"""The probe that asks the kernel what a seccomp filter does."""

from __future__ import annotations

import errno
import os
import signal
import struct

import pytest

from runtime.errors import FilterError
from runtime.syscalls.filters import try_call

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
GETPPID = {"x86_64": 110, "aarch64": 173}[os.uname().machine]


def answer(action: int) -> bytes:
    """A filter of one instruction: return `action`."""
    return struct.pack("HBBI", 0x06, 0, 0, action)


def test_an_allowed_call_returns_its_value() -> None:
    """The child's parent is this process."""
    assert try_call(answer(ALLOW), GETPPID) == (0, os.getpid())


def test_a_refused_call_returns_the_filters_errno() -> None:
    """Under the same filter the child can still report: it needs no system call for that."""
    assert try_call(answer(ERRNO | errno.EXDEV), GETPPID) == (0, -errno.EXDEV)


def test_a_killed_process_is_seen() -> None:
    """The kernel sends SIGSYS."""
    assert try_call(answer(KILL), GETPPID)[0] == signal.SIGSYS


def test_arguments_reach_the_kernel() -> None:
    """A bad pointer shows that the call was let through."""
    assert try_call(answer(ALLOW), {"x86_64": 0, "aarch64": 63}[os.uname().machine], (-1, 0, 0)) == (0, -errno.EBADF)


@pytest.mark.parametrize("program", [b"", bytes(8), b"\x06", answer(ALLOW) * 4097])
def test_a_filter_that_the_kernel_refuses_is_an_error(program: bytes) -> None:
    """Never a verdict."""
    with pytest.raises(FilterError, match="the kernel refuses the filter: invalid argument"):
        try_call(program, GETPPID)
