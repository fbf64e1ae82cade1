"""The planner's own interpreter leaves to the stock one whatever it cannot finish, and has said nothing by then."""

import os
from pathlib import Path

import pytest

from runtime.cli import hot
from runtime.cli.parse import Parsed, parse_globals, parse_verb
from runtime.errors import SyscallError


def parsed(*argv: str) -> Parsed:
    """A command line, taken apart."""
    values, rest = parse_globals(list(argv))
    return parse_verb(values, rest)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """A config from a pipe is left to who can explain it; a regular file is not."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("{}")
    assert hot.reads_once(parsed("create", "--config", str(tmp_path / "fifo"), "c"))
    assert hot.reads_once(parsed("exec", "--process", str(tmp_path / "fifo"), "c"))
    assert not hot.reads_once(parsed("create", "--config", str(tmp_path / "file"), "c"))
    assert not hot.reads_once(parsed("run", "c"))


@pytest.mark.parametrize("argv", [["list"], ["run", "--help"], ["create", "--config", "/dev/null", "c"]])
def test_what_is_not_its_own(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Other verbs, help and documents that are no files return at once, in silence."""
    hot.launch(-1, argv)
    assert capfd.readouterr() == ("", "")


def test_a_failure_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Warnings before a failure are held back: the stock interpreter will write them, once."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match=r"config\.json not found"):
        hot.launch(-1, ["--criu", "criu", "--root", str(tmp_path / "root"), "run", "c"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verb", hot.VERBS)
def test_the_log_is_checked_before_anything_else(verb: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No process starts whose errors would be lost; the stock interpreter says so."""
    log = tmp_path / "none" / "log"
    with pytest.raises(SyscallError, match=f"^open {log}: no such file or directory$"):
        hot.launch(-1, ["--log", str(log), verb, "c"])
    assert capfd.readouterr() == ("", "")
