"""Which calls can have come to something, and what of their paths is needed then."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.broker import needs
from runtime.broker.recording import MADE, Recording

CREATE, EXCLUSIVE, WRITE = os.O_CREAT, os.O_EXCL, os.O_WRONLY


@pytest.mark.parametrize(
    ("call", "args", "existed", "missing"),
    [
        ("openat", (0, 0, WRITE), True, False),
        ("openat", (0, 0, WRITE | CREATE), True, True),
        ("openat", (0, 0, WRITE | CREATE | EXCLUSIVE), False, True),
        ("open", (0, WRITE, 0), True, False),
        ("open", (0, CREATE, 0), True, True),
        ("openat2", (0, 0, 0), True, True),
        ("creat", (0, 0, 0), True, True),
        ("mkdir", (0, 0, 0), False, True),
        ("symlinkat", (0, 0, 0), False, True),
        ("linkat", (0, 0, 0), False, True),
        ("mknod", (0, 0, 0), False, True),
        ("renameat2", (0, 0, 0), True, True),
        ("unlink", (0, 0, 0), True, True),
        ("rmdir", (0, 0, 0), True, True),
        ("chmod", (0, 0, 0), True, False),
        ("truncate", (0, 0, 0), True, False),
        ("utimensat", (0, 0, 0), True, False),
        ("setxattr", (0, 0, 0), True, False),
    ],
)
def test_what_can_change(call: str, args: tuple[int, ...], existed: bool, missing: bool) -> None:
    """By whether the path is there."""
    assert needs.can_change(call, args, True) == existed
    assert needs.can_change(call, args, False) == missing


VAIN: list[tuple[Callable[[str], object], str, str]] = [
    (lambda path: os.open(path, os.O_WRONLY), "none", "openat"),
    (lambda path: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "file", "openat"),
    (os.mkdir, "dir", "mkdir"),
    (lambda path: os.symlink("x", path), "file", "symlink"),
    (lambda path: os.link(__file__, path), "file", "link"),
    (lambda path: os.chmod(path, 0o600), "none", "chmod"),
    (lambda path: os.truncate(path, 0), "none", "truncate"),
    (os.utime, "none", "utimensat"),
]


@pytest.mark.parametrize(("act", "name", "call"), VAIN)
def test_the_kernel_agrees(act: Callable[[str], object], name: str, call: str, tmp_path: Path) -> None:
    """What is said to be in vain fails by what is there, not by a right: so its errno is the same where nothing can be written."""
    (tmp_path / "file").write_text("")
    (tmp_path / "dir").mkdir()
    with pytest.raises(FileNotFoundError if name == "none" else FileExistsError):
        act(str(tmp_path / name))
    flags = {"none": os.O_WRONLY, "file": os.O_WRONLY | os.O_CREAT | os.O_EXCL, "dir": 0}[name]
    assert not needs.can_change(call, (0, 0, flags), name != "none")


@pytest.fixture
def made() -> Recording:
    """A recording that sees files as we do."""
    return Recording(os.getpid())


def targets(made: Recording) -> list[list[str]]:
    """What it has."""
    made.close()
    found: list[list[str]] = made.document()["targets"]
    return found


def test_probes_are_no_needs(made: Recording, tmp_path: Path) -> None:
    """A file that comes later was not read; nothing is made in a directory that is not there."""
    late = tmp_path / "late"
    late.write_text("")
    made.add("openat", (0, 0, 0), str(late))
    made.add("openat", (0, 0, WRITE | CREATE), f"!{tmp_path}/none/x")
    made.add("unlink", (0, 0, 0), f"!{tmp_path}/none/y")
    made.add("unlink", (0, 0, 0), f"{tmp_path}/z")
    assert targets(made) == [
        ["openat", "read", str(late), "-"],
        ["openat", "write", f"{tmp_path}/none/x", "-"],
        ["unlink", "write", f"{tmp_path}/none/y", "-"],
        ["unlink", "write", f"{tmp_path}/z", MADE],
    ]


@pytest.mark.parametrize("vain_first", [True, False])
def test_success_counts_whenever_it_comes(vain_first: bool, made: Recording, tmp_path: Path) -> None:
    """An open that found nothing, and one of the same path that makes it."""
    calls = [(0, 0, WRITE), (0, 0, WRITE | CREATE)]
    for args in calls if vain_first else reversed(calls):
        made.add("openat", args, f"{tmp_path}/x")
    assert targets(made) == [["openat", "write", f"{tmp_path}/x", MADE]]


def test_a_link_is_taken_away_where_it_stands(made: Recording, tmp_path: Path) -> None:
    """What it leads to is not touched; what opens it means what it leads to."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to/file").write_text("")
    (tmp_path / "link").symlink_to("to/file")
    made.add("unlink", (0, 0, 0), f"={tmp_path}/link")
    made.add("openat", (0, 0, WRITE), f"={tmp_path}/link")
    assert targets(made) == [
        ["openat", "write", f"{tmp_path}/to/file", "f"],
        ["unlink", "write", f"{tmp_path}/link", "f"],
    ]


def test_what_nobody_can_write(made: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a read-only file system files stay as they are; a device there can be written."""
    kept = os.statvfs(tmp_path)
    values = (*kept[:8], kept.f_flag | os.ST_RDONLY, kept[9])
    monkeypatch.setattr("posix.statvfs", lambda _path: os.statvfs_result(values))
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "pipe", "."):
        made.add("openat", (0, 0, WRITE | CREATE), f"={tmp_path}/{name}")
    made.add("openat", (0, 0, WRITE | CREATE), f"{tmp_path}/new")
    assert {target[2]: target[3] for target in targets(made)} == {
        str(tmp_path): "-",
        f"{tmp_path}/file": "-",
        f"{tmp_path}/new": "-",
        f"{tmp_path}/pipe": "f",
    }
