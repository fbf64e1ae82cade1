"""The cache gives back what was put in, and nothing that somebody else could have written."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.launch import filter_cache
from runtime.launch.filter_cache import (
    MAGIC,
    cache_key,
    compiled_filter,
    decode_filter,
    encode_filter,
)
from runtime.seccomp.program import Filter
from runtime.state.kept import Kept

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


@given(st.binary(max_size=64))
def test_property_any_bytes_are_a_filter_or_none(data: bytes) -> None:
    """Never an exception, and never more program than there is."""
    found = decode_filter(data)
    assert found is None or len(found.program) <= len(data)


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
    for damaged in (whole[:-1], whole[:100] + b"?" + whole[101:], whole.replace(b"filter 2", b"filter 1"), b""):
        entry.write_bytes(damaged)
        assert compiled_filter(SECTION, "x86_64", str(tmp_path), "id") == first
        assert entry.read_bytes() == whole


def test_directory_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Nothing is put there; the section is compiled all the same."""
    place = tmp_path / "@filters"
    place.mkdir()
    place.chmod(0o777)
    assert compiled_filter(SECTION, "x86_64", str(tmp_path), "id").program
    assert not list(place.iterdir())


def test_a_filter_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """A program from a group-writable file could be anybody's: it is replaced."""
    first = compiled_filter(SECTION, "x86_64", str(tmp_path), "id")
    (entry,) = (tmp_path / "@filters").iterdir()
    kept = Kept(str(tmp_path), "@filters", MAGIC)
    kept.put(entry.name, encode_filter(Filter(b"\6\0\0\0\0\0\xff\x7f", None, False, ())))
    kept.close()
    assert compiled_filter(SECTION, "x86_64", str(tmp_path), "id") != first
    entry.chmod(0o620)
    assert compiled_filter(SECTION, "x86_64", str(tmp_path), "id") == first
    assert entry.stat().st_mode & 0o7777 == 0o600
