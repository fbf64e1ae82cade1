"""What the kernel that the suite runs on lacks, so that a test can say why it does not run there."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

_CREATE_RULESET, _VERSION = 444, 1  # landlock_create_ruleset(2) has the same number everywhere


def landlock_abi() -> int:
    """The ABI of this kernel's Landlock, 0 where there is none."""
    answer: int = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(0, answer)


USER_MODE_LINUX = "User Mode Linux" in Path("/proc/cpuinfo").read_text()


def not_in_user_mode_linux(reason: str) -> pytest.MarkDecorator:
    """A mark for a test, or one of its parameters, that needs what the kernel of `integration/vm` cannot do."""
    return pytest.mark.skipif(USER_MODE_LINUX, reason=f"user-mode Linux: {reason}")
