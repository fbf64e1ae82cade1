"""What is kept between runs: whole, ours, and not too much of it."""

import os
from pathlib import Path

import pytest

from runtime.state import kept
from runtime.state.kept import Kept

MAGIC = b"magic\n"


def test_what_is_put_is_got(tmp_path: Path) -> None:
    """Under its key and nothing else, by everybody who knows the format."""
    first = Kept(str(tmp_path), "@x", MAGIC)
    assert first.put("a", b"body")
    assert first.get("a") == b"body"
    assert first.get("b") is None
    first.close()
    second, other = Kept(str(tmp_path), "@x", MAGIC), Kept(str(tmp_path), "@x", b"other\n")
    assert (second.get("a"), other.get("a")) == (b"body", None)
    second.close()
    other.close()
    assert second.get("a") is None
    assert not second.put("a", b"")


def test_only_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older half goes when there is no room, and what is too long is not kept at all."""
    monkeypatch.setattr(kept, "MAX_FILES", 4)
    store = Kept(str(tmp_path), "@x", MAGIC)
    for number in range(5):
        store.put(f"k{number}", b"x")
        os.utime(tmp_path / "@x" / f"k{number}", (number, number))
    assert sorted(os.listdir(tmp_path / "@x")) == ["k2", "k3", "k4"]
    assert not store.put("long", bytes(kept.MAX_BYTES))
    store.close()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """What lies under a key must be a file of ours."""
    store = Kept(str(tmp_path), "@x", MAGIC)
    store.put("a", b"body")
    os.symlink("a", tmp_path / "@x" / "b")
    os.mkfifo(tmp_path / "@x" / "c", 0o600)
    assert (store.get("a"), store.get("b"), store.get("c")) == (b"body", None, None)
    store.close()
