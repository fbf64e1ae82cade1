"""The runtime's own directories beside the containers': made for us alone, and used only if they are."""

import os
import posix
from pathlib import Path

import pytest

from runtime.errors import InvalidId
from runtime.state.container_id import check_id
from runtime.state.reserved import FILTERS, open_reserved

mkdir = posix.mkdir


def test_no_container_can_be_called_like_one() -> None:
    """So none can be created there, and no verb can be told to delete it."""
    with pytest.raises(InvalidId):
        check_id(FILTERS)


def test_missing_directories_are_made_for_us_alone(tmp_path: Path) -> None:
    """The root and what is above it, as the executor would make them; an existing root keeps its mode."""
    previous = os.umask(0)
    try:
        fd = open_reserved(str(tmp_path / "above/root"), FILTERS)
    finally:
        os.umask(previous)
    assert os.readlink(f"/proc/self/fd/{fd}") == str(tmp_path / "above/root/@filters")
    assert not os.get_inheritable(fd)
    os.close(fd)
    for path in ("above", "above/root", "above/root/@filters"):
        assert (tmp_path / path).stat().st_mode & 0o7777 == 0o700
    (tmp_path / "above/root").chmod(0o1711)
    os.close(open_reserved(str(tmp_path / "above/root"), FILTERS))
    assert (tmp_path / "above/root").stat().st_mode & 0o7777 == 0o1711


def test_what_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Neither a directory of a group, nor one reached through a link, nor anything else."""
    (tmp_path / FILTERS).mkdir()
    (tmp_path / FILTERS).chmod(0o770)
    assert open_reserved(str(tmp_path), FILTERS) == -1
    (tmp_path / FILTERS).chmod(0o700)
    os.rename(tmp_path / FILTERS, tmp_path / "real")
    (tmp_path / FILTERS).symlink_to("real")
    assert open_reserved(str(tmp_path), FILTERS) == -1
    (tmp_path / FILTERS).unlink()
    (tmp_path / FILTERS).write_text("")
    assert open_reserved(str(tmp_path), FILTERS) == -1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """Whatever its mode is."""
    (tmp_path / FILTERS).mkdir(mode=0o700)
    os.chown(tmp_path / FILTERS, 12345, -1)
    assert open_reserved(str(tmp_path), FILTERS) == -1


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in its place: no directory, and no error, since a cache is never needed."""
    (tmp_path / "root").write_text("")
    assert open_reserved(str(tmp_path / "root"), FILTERS) == -1
    assert open_reserved("/proc/nowhere/root", FILTERS) == -1


def test_somebody_else_makes_it_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was missing a moment ago and is there now is looked at like everything else."""

    def late(path: str, mode: int) -> None:
        os.makedirs(path, mode)
        mkdir(path, mode)

    monkeypatch.setattr(posix, "mkdir", late)
    fd = open_reserved(str(tmp_path), FILTERS)
    assert fd >= 0
    os.close(fd)
