"""cgroup directories through the C functions, on directories that look like them; real ones are integration's."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import CgroupError
from runtime.syscalls import cgroup
from runtime.syscalls._native import ffi, lib


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A directory that plays the cgroup2 mount."""
    path = tmp_path / "mount"
    path.mkdir()
    (path / "cgroup.subtree_control").write_text("")
    return path


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three processes to be signalled."""
    processes = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def create(mount: Path, path: str, controllers: str = "") -> tuple[int, bool]:
    """(descriptor or -errno, was the last directory made)."""
    made = ffi.new("bool *")
    return lib.cgroup_create(str(mount).encode(), path.encode(), controllers.encode(), made), bool(made[0])


def test_create_makes_every_component_and_says_whether_the_last_is_new(mount: Path) -> None:
    """0755, as runc makes them."""
    umask = os.umask(0)
    try:
        fd, made = create(mount, "/a/b/c")
        assert made
        os.close(fd)
        assert (mount / "a/b").stat().st_mode & 0o777 == 0o755
        fd, made = create(mount, "a/b/c")
        assert not made
        os.close(fd)
    finally:
        os.umask(umask)


def test_create_enables_controllers_above_the_leaf(mount: Path) -> None:
    """In the mount's root and in every directory on the way, not in the leaf."""
    for place in ("a", "a/b"):
        (mount / place).mkdir()
        (mount / place / "cgroup.subtree_control").write_text("")
    fd, _ = create(mount, "/a/b", "+cpu +memory")
    os.close(fd)
    enabled = [(mount / place / "cgroup.subtree_control").read_text() for place in (".", "a", "a/b")]
    assert enabled == ["+cpu +memory", "+cpu +memory", ""]


@pytest.mark.parametrize("path", ["", "/", "..", "a/../b", "./a", "a//b", "a/", "//a", "x" * 4096])
def test_paths_that_could_lead_elsewhere_are_refused(mount: Path, path: str) -> None:
    """Neither made nor removed; nothing changes."""
    assert create(mount, path)[0] < 0
    with pytest.raises(CgroupError, match="invalid argument"):
        cgroup.remove(str(mount), path)
    assert os.listdir(mount) == ["cgroup.subtree_control"]


def test_a_symlink_is_never_walked_through(mount: Path, tmp_path: Path) -> None:
    """Whoever owns a delegated directory cannot send us elsewhere."""
    outside = tmp_path / "outside"
    (outside / "below").mkdir(parents=True)
    (mount / "link").symlink_to(outside)
    assert create(mount, "link/new")[0] < 0
    for action in (lambda: cgroup.open_cgroup(str(mount), "link"), lambda: cgroup.remove(str(mount), "link/below")):
        with pytest.raises(CgroupError, match="too many levels of symbolic links"):
            action()
    assert os.listdir(outside) == ["below"]


def test_a_failed_create_takes_back_what_it_made(mount: Path) -> None:
    """The name is too long for a directory; what was there before stays."""
    (mount / "old").mkdir()
    assert create(mount, f"old/a/b/{'x' * 300}")[0] < 0
    assert os.listdir(mount / "old") == []


def test_opening_a_missing_group_is_an_error(mount: Path) -> None:
    """In errno's words."""
    with pytest.raises(CgroupError, match=r"^open cgroup none/x: no such file or directory$"):
        cgroup.open_cgroup(str(mount), "none/x")
    with cgroup.open_cgroup(str(mount), "/") as fd:
        assert os.path.samestat(os.fstat(int(fd)), mount.stat())


def test_events_and_freezing_are_read(mount: Path) -> None:
    """cgroup.events has several lines, in any order."""
    with cgroup.open_cgroup(str(mount), "") as fd:
        with pytest.raises(CgroupError, match=r"read cgroup\.events: no such file or directory"):
            cgroup.is_populated(int(fd))
        for text, answer in (("populated 1\nfrozen 0\n", True), ("frozen 1\npopulated 0\n", False)):
            (mount / "cgroup.events").write_text(text)
            assert cgroup.is_populated(int(fd)) is answer
        (mount / "cgroup.events").write_text("frozen 0\n")
        with pytest.raises(CgroupError, match="input/output error"):
            cgroup.is_populated(int(fd))
        for text, answer in (("1\n", True), ("0\n", False)):
            (mount / "cgroup.freeze").write_text(text)
            assert cgroup.is_frozen(int(fd)) is answer


def test_remove_takes_what_is_below_too(mount: Path) -> None:
    """Broad and deep; a second time nothing is there."""
    for outer in range(40):
        for inner in range(40):
            (mount / f"web/{outer}/{inner}/leaf").mkdir(parents=True)
    cgroup.remove(str(mount), "/web")
    cgroup.remove(str(mount), "/web")
    assert os.listdir(mount) == ["cgroup.subtree_control"]


def test_remove_gives_up_when_it_stays_busy(mount: Path) -> None:
    """After the time that the caller gave."""
    (mount / "web/sub").mkdir(parents=True)
    (mount / "web/sub/file").write_text("")
    with pytest.raises(CgroupError, match="remove cgroup web: directory not empty"):
        cgroup.remove(str(mount), "web", timeout_ms=20)


def test_signals_reach_every_level(mount: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    """The number of processes comes back; zeros are processes of other pid namespaces; the group is frozen meanwhile."""
    (mount / "a/b").mkdir(parents=True)
    (mount / "c").mkdir()
    for place, process in zip(("a", "a/b", "c"), sleepers, strict=True):
        (mount / place / "cgroup.procs").write_text(f"0\n{process.pid}\n")
    (mount / "cgroup.freeze").write_text("0\n")
    with cgroup.open_cgroup(str(mount), "") as fd:
        assert cgroup.signal_all(int(fd), signal.SIGUSR1) == 3
    assert [process.wait(timeout=10) for process in sleepers] == [-signal.SIGUSR1] * 3
    assert (mount / "cgroup.freeze").read_text().startswith("0")


def test_kill_uses_the_kernels_own_when_there_is_one(mount: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    """cgroup.kill on Linux 5.14 and later, the list of processes before."""
    (mount / "cgroup.procs").write_text(f"{sleepers[0].pid}\n")
    (mount / "cgroup.kill").write_text("")
    with cgroup.open_cgroup(str(mount), "") as fd:
        cgroup.kill_all(int(fd))
        assert (mount / "cgroup.kill").read_text() == "1"
        assert sleepers[0].poll() is None
        (mount / "cgroup.kill").unlink()
        cgroup.kill_all(int(fd))
    assert sleepers[0].wait(timeout=10) == -signal.SIGKILL


def test_thousands_of_processes_are_read_piece_by_piece(mount: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    """A pid that the end of a read cuts in two is still one pid."""
    lines = "".join(f"{sleepers[0].pid}\n" for _ in range(3000))
    (mount / "cgroup.procs").write_text(lines)
    with cgroup.open_cgroup(str(mount), "") as fd:
        assert cgroup.signal_all(int(fd), 0) == 3000
