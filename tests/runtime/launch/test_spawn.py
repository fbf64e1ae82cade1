"""The plan reaches the executor unchanged and unchangeable, and nothing of the interpreter's own with it."""

import fcntl
import os
import posix
from pathlib import Path

import pytest

from runtime.errors import FeatureMissing, SyscallError
from runtime.launch import spawn
from runtime.launch.filter_cache import compiler_identity
from runtime.launch.front import become_front, front_arguments, run_front
from runtime.launch.report import Report
from runtime.launch.spawn import become_executor, executor_environment, seal_plan


def test_sealed_plan() -> None:
    """The bytes are there, and neither writing nor resizing nor unsealing is possible."""
    image = os.urandom(1 << 20)
    fd = seal_plan(image)
    try:
        assert os.pread(fd, len(image) + 1, 0) == image
        for attempt in (
            lambda: os.pwrite(fd, b"x", 0),
            lambda: os.ftruncate(fd, 1),
            lambda: os.ftruncate(fd, 1 << 21),
            lambda: fcntl.fcntl(fd, 1033, 0),
        ):
            with pytest.raises(PermissionError):
                attempt()
        assert os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_older_kernels_have_no_noexec_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """EINVAL for the newer flag leads to a memfd without it."""
    real = posix.memfd_create

    def old(name: str, flags: int) -> int:
        if flags & ~0x3:
            raise OSError(22, "Invalid argument")
        return real(name, flags)

    monkeypatch.setattr(posix, "memfd_create", old)
    os.close(seal_plan(b"x"))


def test_a_failed_memfd_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the kernel's."""

    def full(_name: str, _flags: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(posix, "memfd_create", full)
    with pytest.raises(SyscallError, match="unable to seal the launch plan: too many open files"):
        seal_plan(b"x")


def test_the_executor_gets_its_name_and_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """argv is the executor's name and the plan's descriptor."""
    seen: list[object] = []

    def execve(path: int, argv: list[str], _environment: dict[bytes, bytes]) -> None:
        seen.extend([path, argv[0], os.pread(int(argv[1]), 10, 0), os.get_inheritable(path)])
        os.close(int(argv[1]))

    monkeypatch.setattr(posix, "execve", execve)
    fd = os.open("/dev/null", os.O_RDONLY)
    try:
        become_executor(fd, b"plan")
    finally:
        os.close(fd)
    assert seen == [fd, "postern:init", b"plan", False]


def test_without_an_executor() -> None:
    """Python alone cannot start a container, and says so."""
    with pytest.raises(FeatureMissing, match="the executor's file was not handed over"):
        become_executor(-1, b"")


def test_an_executor_that_cannot_run(tmp_path: Path) -> None:
    """One error with the reason."""
    (tmp_path / "x").write_text("no program")
    fd = os.open(tmp_path / "x", os.O_RDONLY)
    try:
        with pytest.raises(SyscallError, match="unable to start the executor: permission denied"):
            become_executor(fd, b"plan")
        assert os.get_inheritable(fd)  # whoever is asked next gets it
    finally:
        os.close(fd)


def test_the_interpreter_s_locale_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """LC_CTYPE that nobody gave was PEP 538's doing; one that somebody gave stays."""
    monkeypatch.setattr(posix, "environ", {b"LC_CTYPE": b"C.UTF-8", b"A": b"1"})
    given = b"A=1\0"
    monkeypatch.setattr(spawn, "read_file", lambda _path, **_how: given)
    assert executor_environment() == {b"A": b"1"}
    given += b"LC_CTYPE=C.UTF-8\0"
    assert executor_environment() == {b"A": b"1", b"LC_CTYPE": b"C.UTF-8"}


def test_front_arguments() -> None:
    """The front gets our own settings, spelt out."""
    assert front_arguments("/r", Report(), "start", ["--", "web"]) == [
        *("postern", "--root", "/r", "start", "--planned", "--", "web")
    ]
    report = Report("/l", as_json=True, level="debug")
    assert front_arguments("/r", report, "kill", [])[3:8] == ["--log", "/l", "--log-format", "json", "--debug"]


def test_calling_the_front(tmp_path: Path) -> None:
    """Its exit code is ours, a signal's number added to 128, and a missing file an error."""
    (tmp_path / "x").write_text('#!/bin/sh\n[ "$1" = kill ] && kill -9 $$\nexit 7\n')
    (tmp_path / "x").chmod(0o755)
    fd = os.open(tmp_path / "x", os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        assert run_front(fd, ["x", "go"]) == 7
        assert run_front(fd, ["x", "kill"]) == 137
    finally:
        os.close(fd)
    with pytest.raises(FeatureMissing):
        run_front(-1, [])
    with pytest.raises(SyscallError):
        become_front(os.open("/proc/self/status", os.O_RDONLY), ["x"])


def test_single_files_have_no_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only a bundle (or the frozen planner) stands for the compiler's code: without one nothing is cached."""
    monkeypatch.setattr("sys.argv", ["/usr/bin/pytest"])
    assert compiler_identity() == ""
    bundle = tmp_path / "postern.pyc"
    bundle.write_bytes(b"1")
    monkeypatch.setattr("sys.argv", [str(bundle)])
    first = compiler_identity()
    assert first
    bundle.write_bytes(b"12")
    second = compiler_identity()
    assert second != first
    (tmp_path / "planner").write_bytes(b"1")  # what one of the two kept serves the other, so both count
    third = compiler_identity()
    assert third not in (first, second)
    (tmp_path / "planner").write_bytes(b"12")
    assert compiler_identity() not in (first, second, third)
    bundle.unlink()
    (tmp_path / "planner").unlink()
    bundle.symlink_to(bundle)  # ELOOP stands for whatever else may be wrong
    assert compiler_identity() == ""
