"""What is generated from the layout is what is checked in, and says the same."""

from pathlib import Path

import pytest

from runtime.plan import generate, layout
from runtime.plan._digest import LAYOUT_DIGEST
from runtime.plan._shapes import OP_FLAGS, SHAPES, SLOTS
from runtime.plan.generate import layout_digest, layout_header, main


def test_generated_files_are_current() -> None:
    """`make generate` would change nothing."""
    assert main(["--check"]) == 0
    assert layout_digest() == LAYOUT_DIGEST


def test_shapes_are_the_rows_of_the_layout() -> None:
    """Same codes, flags and slots; every place of a row has one position."""
    assert OP_FLAGS == layout.OP_FLAGS
    assert SLOTS == layout.SLOTS
    assert {name: shape[0] for name, shape in SHAPES.items()} == layout.OP_CODES
    for name, (_half, slots, numbers, strings, blob, _text) in layout.OPS.items():
        _code, required, kind, rows = SHAPES[name]
        words = [*layout.parse_places(slots), *layout.parse_places(numbers), *layout.parse_places(strings)]
        assert kind == blob
        assert list(rows) == [word for word, _optional, _output in words]
        assert len(set(rows.values())) == len(rows)
        needed = sum(1 << rows[word] for word, optional, _output in words if not optional)
        assert required == needed


def test_the_header_names_every_operation() -> None:
    """The executor's switch is written against these names."""
    text = layout_header()
    assert all(f"\tOP_{name} = {code}," in text for name, code in layout.OP_CODES.items())


def test_layout_limits() -> None:
    """An operation has four slots, numbers and strings, and the bits of a mask are one each."""
    for name, (half, slots, numbers, strings, blob, text) in layout.OPS.items():
        assert half in ("P", "I", "PI"), name
        assert max(len(spec.split()) for spec in (slots, numbers, strings)) <= 4, name
        assert blob in ("", "bytes", "u32", "u64", "list", "list2"), name
        assert text, name
    for bits in (layout.FLAGS, layout.OP_FLAGS):
        assert sum(bits.values()) == (1 << len(bits)) - 1
    assert all(number < layout.FIRST_FREE_SLOT for number in layout.SLOTS.values())


def test_files_are_written_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing piece is written, a changed one noticed."""
    for folder in ("native", "plan"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(generate, "__file__", str(tmp_path / "plan" / "generate.py"))
    assert main([]) == 0
    assert (tmp_path / "native" / "layout.h").read_text() == layout_header()
    assert main(["--check"]) == 0
    (tmp_path / "plan" / "_shapes.py").write_text("")
    assert main(["--check"]) == 1
