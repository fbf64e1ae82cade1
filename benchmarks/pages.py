"""Tables of measured numbers in the documentation, between marks."""

from __future__ import annotations

from pathlib import Path


def write_between(page: Path, name: str, lines: list[str]) -> None:
    """Replace what stands between the page's marks of this name.  Raises: SystemExit when it has none."""
    marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, begin, rest = page.read_text().partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end):
        raise SystemExit(f"benchmark: {page} has no marks {' … '.join(marks)}")
    page.write_text("\n".join([before + begin, *lines, end + after]))
