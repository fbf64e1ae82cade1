"""The cache gives back what was put in, and nothing that somebody else could have written."""

import os
import posix
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.launch import filter_cache
from runtime.launch.filter_cache import (
    MAX_FILES,
    FilterCache,
    cache_key,
    compiled_filter,
    decode_filter,
    default_directory,
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
    """The compiler runs once for the same section."""
    first = compiled_filter(SECTION, "x86_64", str(tmp_path / "cache"), "id")
    monkeypatch.setattr(filter_cache, "_compile", None)
    assert compiled_filter(SECTION, "x86_64", str(tmp_path / "cache"), "id") == first
    assert first.program


def test_several_sections_have_a_key_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One alone is the same as a list of one; two make another program, and their order counts."""
    place = str(tmp_path / "cache")
    other = {**SECTION, "defaultAction": "SCMP_ACT_LOG"}
    both = compiled_filter([SECTION, other], "x86_64", place, "id")
    alone = compiled_filter(SECTION, "x86_64", place, "id")
    compiled_filter([other, SECTION], "x86_64", place, "id")
    assert len(os.listdir(place)) == 3
    assert both.program != alone.program
    monkeypatch.setattr(filter_cache, "_compile", None)
    assert compiled_filter((SECTION,), "x86_64", place, "id") == alone
    assert compiled_filter([SECTION, other], "x86_64", place, "id") == both


def test_directory_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Nothing is read from it and nothing is put there."""
    place = tmp_path / "cache"
    place.mkdir()
    place.chmod(0o777)
    cache = FilterCache(str(place))
    assert cache.fd == -1
    cache.put("key", Filter(b"x", None, False, ()))
    assert cache.get("key") is None
    assert not list(place.iterdir())


def test_symlinks_are_not_followed(tmp_path: Path) -> None:
    """Neither the directory nor a file may be a symlink."""
    real = tmp_path / "real"
    cache = FilterCache(str(real))
    compiled = Filter(b"12345678", 2, False, ())
    cache.put("key", compiled)
    assert cache.get("key") == compiled
    (tmp_path / "link").symlink_to(real)
    assert FilterCache(str(tmp_path / "link")).fd == -1
    os.rename(real / "key", real / "other")
    (real / "key").symlink_to("other")
    assert cache.get("key") is None
    cache.close()


def test_file_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """A program from a group-writable file could be anybody's."""
    cache = FilterCache(str(tmp_path / "cache"))
    cache.put("key", Filter(b"12345678", 2, False, ()))
    (tmp_path / "cache" / "key").chmod(0o620)
    assert cache.get("key") is None
    cache.close()


def test_cache_is_bounded(tmp_path: Path) -> None:
    """The oldest half goes when there are too many."""
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    for number in range(MAX_FILES):
        (place / f"{number:04}").touch()
        os.utime(place / f"{number:04}", (number, number))
    cache = FilterCache(str(place))
    cache.put("new", Filter(b"12345678", 2, False, ()))
    cache.close()
    names = sorted(entry.name for entry in place.iterdir())
    assert len(names) == MAX_FILES // 2 + 1
    assert names[0] == f"{MAX_FILES // 2:04}"
    assert "new" in names


def test_no_place_without_a_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user with an empty environment has no cache."""
    monkeypatch.setattr(posix, "geteuid", lambda: 1000)
    monkeypatch.setattr(posix, "environ", {})
    assert default_directory() is None
    monkeypatch.setattr(posix, "environ", {b"XDG_RUNTIME_DIR": b"/run/user/1000"})
    assert default_directory() == "/run/user/1000/postern-filters"
