"""The cache gives back what was put in, and nothing that somebody else could have written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.launch import filter_cache
from runtime.launch.filter_cache import (
    MAX_BYTES,
    MAX_FILES,
    FilterCache,
    cache_key,
    compiled_filter,
    decode_filter,
    encode_filter,
)
from runtime.seccomp.program import Filter

SECTION = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}
FILTERS = st.builds(
    Filter,
    st.binary(max_size=64),
    st.none() | st.integers(0, 63),
    st.booleans(),
    st.lists(st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), min_size=1)).map(tuple),
)


@given(FILTERS)
def test_property_file_holds_the_filter(compiled: Filter) -> None:
    """Encoding and decoding are inverse."""
    assert decode_filter(encode_filter(compiled)) == compiled


@given(FILTERS, st.data())
def test_property_damage_is_noticed(compiled: Filter, data: st.DataObject) -> None:
    """A file that was cut or changed anywhere is no filter."""
    whole = encode_filter(compiled)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert decode_filter(whole[:cut]) is None
    position = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[position] ^= data.draw(st.integers(1, 255))
    assert decode_filter(bytes(changed)) is None


def test_key_depends_on_everything() -> None:
    """Sections and their order, architecture and compiler each make a different key; equal content the same."""
    base = cache_key((SECTION,), "x86_64", "c")
    assert base == cache_key(({**SECTION},), "x86_64", "c")
    other = {**SECTION, "flags": []}
    others = [
        cache_key((other,), "x86_64", "c"),
        cache_key((SECTION, other), "x86_64", "c"),
        cache_key((other, SECTION), "x86_64", "c"),
        cache_key((SECTION,), "aarch64", "c"),
        cache_key((SECTION,), "x86_64", "d"),
    ]
    assert len({base, *others}) == 6


def test_second_compilation_is_a_hit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler runs once for the same section; what it made lies below the state root."""
    first = compiled_filter(SECTION, "x86_64", str(tmp_path / "root"), "id")
    monkeypatch.setattr(filter_cache, "_compile", None)
    assert compiled_filter(SECTION, "x86_64", str(tmp_path / "root"), "id") == first
    assert first.program
    assert os.listdir(tmp_path / "root") == ["@filters"]


def test_several_sections_have_a_key_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One alone is the same as a list of one; two make another program, and their order counts."""
    root = str(tmp_path)
    other = {**SECTION, "defaultAction": "SCMP_ACT_LOG"}
    both = compiled_filter([SECTION, other], "x86_64", root, "id")
    alone = compiled_filter(SECTION, "x86_64", root, "id")
    compiled_filter([other, SECTION], "x86_64", root, "id")
    assert len(os.listdir(tmp_path / "@filters")) == 3
    assert both.program != alone.program
    monkeypatch.setattr(filter_cache, "_compile", None)
    assert compiled_filter((SECTION,), "x86_64", root, "id") == alone
    assert compiled_filter([SECTION, other], "x86_64", root, "id") == both


def test_without_an_identity_nothing_is_kept(tmp_path: Path) -> None:
    """Code that may change without notice is compiled each time."""
    assert compiled_filter(SECTION, "x86_64", str(tmp_path)).program
    assert not list(tmp_path.iterdir())


def test_a_damaged_entry_is_made_anew(tmp_path: Path) -> None:
    """Cut, changed, of another version or empty: compiled once more, and whole afterwards."""
    first = compiled_filter(SECTION, "x86_64", str(tmp_path), "id")
    (entry,) = (tmp_path / "@filters").iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:-1], whole[:100] + b"?" + whole[101:], whole.replace(b"filter 1", b"filter 0"), b""):
        entry.write_bytes(damaged)
        assert compiled_filter(SECTION, "x86_64", str(tmp_path), "id") == first
        assert entry.read_bytes() == whole


def test_directory_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Nothing is read from it and nothing is put there; the section is compiled all the same."""
    place = tmp_path / "@filters"
    place.mkdir()
    place.chmod(0o777)
    cache = FilterCache(str(tmp_path))
    assert cache.fd == -1
    cache.put("key", Filter(b"x", None, False, ()))
    assert cache.get("key") is None
    assert compiled_filter(SECTION, "x86_64", str(tmp_path), "id").program
    assert not list(place.iterdir())


def test_symlinks_are_not_followed(tmp_path: Path) -> None:
    """A file may be no symlink."""
    cache = FilterCache(str(tmp_path))
    compiled = Filter(b"12345678", 2, False, ())
    cache.put("key", compiled)
    assert cache.get("key") == compiled
    os.rename(tmp_path / "@filters/key", tmp_path / "@filters/other")
    (tmp_path / "@filters/key").symlink_to("other")
    assert cache.get("key") is None
    cache.close()


def test_file_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """A program from a group-writable file could be anybody's."""
    cache = FilterCache(str(tmp_path))
    cache.put("key", Filter(b"12345678", 2, False, ()))
    (tmp_path / "@filters" / "key").chmod(0o620)
    assert cache.get("key") is None
    cache.close()


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A fifo, which would block, a directory, a file too large to be ours."""
    cache = FilterCache(str(tmp_path))
    os.mkfifo(tmp_path / "@filters/fifo", 0o600)
    (tmp_path / "@filters/directory").mkdir(mode=0o700)
    with (tmp_path / "@filters/large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert [cache.get(name) for name in ("fifo", "directory", "large", "missing")] == [None] * 4
    cache.close()


def test_cache_is_bounded(tmp_path: Path) -> None:
    """The oldest half goes when there are too many."""
    place = tmp_path / "@filters"
    place.mkdir(mode=0o700)
    for number in range(MAX_FILES):
        (place / f"{number:04}").touch()
        os.utime(place / f"{number:04}", (number, number))
    cache = FilterCache(str(tmp_path))
    cache.put("new", Filter(b"12345678", 2, False, ()))
    cache.close()
    names = sorted(entry.name for entry in place.iterdir())
    assert len(names) == MAX_FILES // 2 + 1
    assert names[0] == f"{MAX_FILES // 2:04}"
    assert "new" in names


WRITER = """
import sys
from runtime.launch.filter_cache import FilterCache
from runtime.seccomp.program import Filter
filters = [Filter(bytes([n]) * 8 * (100 + n), n, False, ()) for n in range(3)]
cache = FilterCache(sys.argv[1])
for turn in range(60):
    n = turn % 3
    assert cache.get(f"{n:016}") in (None, filters[n])
    cache.put(f"{n:016}", filters[n])
    assert cache.get(f"{n:016}") == filters[n]
"""


def test_many_writers_leave_whole_entries(tmp_path: Path) -> None:
    """Processes that read and write the same few entries at once: each gets its own filter or none, no debris stays."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert sorted(os.listdir(tmp_path / "@filters")) == [f"{n:016}" for n in range(3)]
