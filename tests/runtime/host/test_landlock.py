"""What is known about Landlock without asking the kernel, and what the program says when it is asked."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import pytest

from runtime.host import landlock

PROGRAM = Path(os.environ.get("POSTERN_PROGRAM", str(Path(__file__).parents[3] / "build/postern")))
CREATE_RULESET, VERSION = 444, 1  # the same number on every architecture


@pytest.mark.parametrize(
    ("modules", "kernel", "abi"),
    [
        (b"lockdown,capability,landlock,yama,apparmor", (6, 12), 6),
        (b"landlock", (5, 13), 1),
        (b"lockdown,capability,yama,apparmor", (6, 12), 0),
        (b"capability,landlock", (5, 10), 0),
    ],
)
def test_the_list_of_active_modules_decides(modules: bytes, kernel: tuple[int, int], abi: int) -> None:
    """Whether Landlock was built in says nothing: it may be left out at boot."""
    assert landlock.active_abi(modules, kernel) == abi


def kernels_answer() -> int:
    """landlock_create_ruleset's own, 0 for an error."""
    answer: int = ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    return max(0, answer)


@pytest.mark.skipif(not PROGRAM.exists(), reason="build/postern is not built: make build")
def test_without_the_list_the_program_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes the system call, and there is no child left."""
    monkeypatch.setattr(landlock, "_ACTIVE_MODULES", "/nonexistent")
    fd = os.open(PROGRAM, os.O_PATH | os.O_CLOEXEC)
    try:
        assert landlock.probe_landlock(fd) == kernels_answer()
    finally:
        os.close(fd)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.skipif(not PROGRAM.exists(), reason="build/postern is not built: make build")
def test_the_answer_comes_where_children_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine may hand down an ignored SIGCHLD: then there is no exit code."""
    monkeypatch.setattr(landlock, "_ACTIVE_MODULES", "/nonexistent")
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    fd = os.open(PROGRAM, os.O_PATH | os.O_CLOEXEC)
    try:
        assert landlock.probe_landlock(fd) == kernels_answer()
    finally:
        signal.signal(signal.SIGCHLD, before)
        os.close(fd)


def test_a_program_that_cannot_be_started_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a descriptor of something else; nothing stays open."""
    monkeypatch.setattr(landlock, "_ACTIVE_MODULES", "/nonexistent")
    before = os.listdir("/proc/self/fd")
    fd = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    assert landlock.probe_landlock(fd) == 0
    os.close(fd)
    assert os.listdir("/proc/self/fd") == before


def test_the_planner_asks_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own interpreter has a function for it, so that no process is started; the kernel's list goes first."""
    monkeypatch.setattr(sys, "postern_landlock_abi", lambda: 5, raising=False)
    monkeypatch.setattr(landlock, "_ACTIVE_MODULES", "/nonexistent")
    assert landlock.probe_landlock(-1) == 5
    (tmp_path / "lsm").write_text("capability,yama\n")
    monkeypatch.setattr(landlock, "_ACTIVE_MODULES", str(tmp_path / "lsm"))
    assert landlock.probe_landlock(-1) == 0


def test_what_nobody_can_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a list nor a program."""
    monkeypatch.setattr(landlock, "_ACTIVE_MODULES", "/nonexistent")
    assert landlock.probe_landlock(-1) == 0


def test_this_host() -> None:
    """The list and the kernel agree on whether there is one, and no right is claimed that the kernel lacks."""
    claimed, answer = landlock.probe_landlock(-1), kernels_answer()
    if claimed or os.path.exists("/sys/kernel/security/lsm"):
        assert bool(claimed) == bool(answer)
    assert claimed <= answer
