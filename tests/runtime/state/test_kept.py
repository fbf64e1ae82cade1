"""What is kept between runs: whole, ours, and not too much of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_what_is_no_file_of_ours_is_not_read(tmp_path: Path) -> None:
    """A directory, a file too large, one that a group may write to, and nothing at all in a directory that others may write to."""
    store = Kept(str(tmp_path), "@x", MAGIC)
    store.put("a", b"body")
    (tmp_path / "@x" / "directory").mkdir(mode=0o700)
    with (tmp_path / "@x" / "large").open("wb") as file:
        file.truncate(kept.MAX_BYTES + 1)
    assert [store.get(name) for name in ("directory", "large", "missing")] == [None] * 3
    (tmp_path / "@x" / "a").chmod(0o620)
    assert store.get("a") is None
    store.close()
    (tmp_path / "@x").chmod(0o777)
    store = Kept(str(tmp_path), "@x", MAGIC)
    assert store.fd == -1
    assert not store.put("b", b"body")


@given(st.binary(max_size=64), st.data())
def test_property_damage_is_noticed(tmp_path_factory: pytest.TempPathFactory, body: bytes, data: st.DataObject) -> None:
    """A file that was cut or changed anywhere is not believed, and is replaced by what is put next."""
    root = tmp_path_factory.getbasetemp() / "damage"
    store = Kept(str(root), "@x", MAGIC)
    assert store.put("a", body)
    path = root / "@x" / "a"
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert store.get("a") is None
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    assert store.get("a") is None
    assert store.put("a", body)
    assert store.get("a") == body
    store.close()


WRITER = """
import sys
from runtime.state.kept import Kept
bodies = [bytes([n]) * 800 * (n + 1) for n in range(3)]
store = Kept(sys.argv[1], "@x", b"magic")
for turn in range(60):
    n = turn % 3
    assert store.get(f"{n:016}") in (None, bodies[n])
    store.put(f"{n:016}", bodies[n])
    assert store.get(f"{n:016}") == bodies[n]
"""


def test_many_writers_leave_whole_entries(tmp_path: Path) -> None:
    """Processes that read and write the same few entries at once: each gets its own or none, no debris stays."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert sorted(os.listdir(tmp_path / "@x")) == [f"{n:016}" for n in range(3)]
