"""policy learn: where the policy is to be written is looked at before anything runs."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from runtime.commands import policy, policy_learn
from runtime.commands.invocation import Invocation
from runtime.errors import SyscallError, UsageError


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none/m.yaml", "no such file or directory"),
        ("file/m.yaml", "not a directory"),
        ("place", "is a directory"),
    ],
)
def test_a_place_that_takes_no_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str) -> None:
    """In the words of the write, and the bundle is not even read."""
    monkeypatch.setattr(policy_learn, "read_config", lambda path: pytest.fail(f"{path} was read"))
    (tmp_path / "file").touch()
    (tmp_path / "place").mkdir()
    call = Invocation("policy", {}, ["learn", "--bundle", str(tmp_path), "-o", str(tmp_path / name)])
    with pytest.raises(SyscallError, match=f"^write {tmp_path / name}: {why}$"):
        policy.execute(call)


def test_a_place_that_nobody_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, or the directory where the file is missing; whoever runs the tests may write everywhere."""
    monkeypatch.setattr("posix.access", Mock(return_value=False))
    for name in ("m.yaml", "old.yaml"):
        (tmp_path / "old.yaml").touch()
        with pytest.raises(SyscallError, match=f"^write {tmp_path / name}: permission denied$"):
            policy_learn.check_output(str(tmp_path / name))


def test_a_place_that_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New or old, relative or not, and nothing is made or emptied by looking."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").write_text("kept")
    for name in ("old.yaml", "new.yaml", str(tmp_path / "new.yaml"), "../m.yaml", "/dev/stdout"):
        policy_learn.check_output(name)
    assert os.listdir(tmp_path) == ["old.yaml"]
    assert (tmp_path / "old.yaml").read_text() == "kept"
    with pytest.raises(UsageError, match="a policy's name is its file's"):
        policy_learn.check_output("...")
