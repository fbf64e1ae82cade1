"""Owned descriptors."""

from __future__ import annotations

import os

import pytest

from runtime.syscalls.fds import Fd


def test_a_descriptor_is_closed_once() -> None:
    """By the with statement or by close; later closes must not hit somebody else's descriptor."""
    with Fd(os.open("/", os.O_RDONLY)) as fd:
        number = int(fd)
        assert os.fstat(number)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    again = os.open("/", os.O_RDONLY)
    fd.close()
    assert os.fstat(again)
    os.close(again)


def test_a_closed_or_negative_descriptor_is_no_number() -> None:
    """-1 must never reach a system call: AT_FDCWD is negative too."""
    fd = Fd(os.open("/", os.O_RDONLY))
    fd.close()
    with pytest.raises(ValueError, match="closed"):
        int(fd)
    with pytest.raises(ValueError, match="-1 is no descriptor"):
        Fd(-1)


def test_fileno_serves_select_and_friends() -> None:
    """As every file object does."""
    with Fd(os.open("/", os.O_RDONLY)) as fd:
        assert fd.fileno() == int(fd)
