"""Tables in the documentation."""

from pathlib import Path

import pytest

from benchmarks.pages import write_between


def test_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    """And nothing else of the page."""
    page = tmp_path / "page.md"
    page.write_text("one\n<!-- a: begin -->\nold\n<!-- a: end -->\ntwo\n<!-- b: begin -->\n<!-- b: end -->\n")
    write_between(page, "a", ["new", "lines"])
    write_between(page, "b", ["b"])
    assert page.read_text() == (
        "one\n<!-- a: begin -->\nnew\nlines\n<!-- a: end -->\ntwo\n<!-- b: begin -->\nb\n<!-- b: end -->\n"
    )


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    """And said to have none."""
    page = tmp_path / "page.md"
    page.write_text("<!-- a: begin -->\n")
    with pytest.raises(SystemExit, match="has no marks <!-- a: begin --> … <!-- a: end -->"):
        write_between(page, "a", ["new"])
    assert page.read_text() == "<!-- a: begin -->\n"
