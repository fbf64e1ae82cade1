"""Paths as text."""

import os.path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.plan.paths import below, clean, parent, under


@given(st.text(alphabet="/.ab", max_size=12))
def test_clean_is_normpath_of_an_absolute_path(path: str) -> None:
    """The standard library, which the hot path has no time for, is the judge."""
    expected = os.path.normpath("/" + path)
    assert clean(path) == ("/" + expected.lstrip("/"))
    assert clean(clean(path)) == clean(path)


@given(st.text(alphabet="/.ab", max_size=12))
def test_parent_is_dirname(path: str) -> None:
    """Of what clean gives."""
    assert parent(clean(path)) == os.path.dirname(clean(path))


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("/proc", "/proc", True),
        ("/proc/x", "/proc", True),
        ("/process", "/proc", False),
        ("/a", "/", True),
        ("/", "/a", False),
    ],
)
def test_below(path: str, directory: str, expected: bool) -> None:
    """Whole components count."""
    assert below(path, directory) is expected


def test_under() -> None:
    """`..` is kept: after a symlink it is not what the text says."""
    assert under("/b", "/x/../y") == "/x/../y"
    assert under("/b", "x/../y") == "/b/x/../y"
