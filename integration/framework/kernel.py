"""What the kernel that the suite runs on lacks, so that a test can say why it does not run there."""

from __future__ import annotations

from pathlib import Path

import pytest

USER_MODE_LINUX = "User Mode Linux" in Path("/proc/cpuinfo").read_text()


def not_in_user_mode_linux(reason: str) -> pytest.MarkDecorator:
    """A mark for a test, or one of its parameters, that needs what the kernel of `integration/vm` cannot do."""
    return pytest.mark.skipif(USER_MODE_LINUX, reason=f"user-mode Linux: {reason}")
