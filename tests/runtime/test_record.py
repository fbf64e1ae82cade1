"""Records: immutable, compared by value, cheap."""

from __future__ import annotations

import pytest

from runtime.record import record


@record
class Point:
    """Two fields, one with a default."""

    x: int
    y: int = 7

    @property
    def total(self) -> int:
        """Methods are kept."""
        return self.x + self.y


def test_fields_come_by_position_name_or_default() -> None:
    """In the order of the annotations."""
    assert (Point(1).x, Point(1).y, Point(1, 2).y, Point(y=3, x=1).y) == (1, 7, 2, 3)
    assert Point(1).total == 8


def test_a_record_cannot_be_changed() -> None:
    """Neither set nor deleted, nor given more attributes."""
    point = Point(1)
    for name in ("x", "z"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(point, name, 2)
    with pytest.raises(AttributeError, match="immutable"):
        del point.x
    assert not hasattr(point, "__dict__")
    assert point == Point(1)


@pytest.mark.parametrize(
    ("arguments", "names", "text"),
    [
        ((), {}, "needs 'x'"),
        ((1, 2, 3), {}, "takes 2 values, 3 given"),
        ((1,), {"z": 1}, "has no field z"),
        ((1,), {"x": 1}, "has no field x"),
    ],
)
def test_wrong_fields_are_named(arguments: tuple[int, ...], names: dict[str, int], text: str) -> None:
    """A missing, surplus, unknown or doubled one."""
    with pytest.raises(TypeError, match=text):
        Point(*arguments, **names)


def test_equality_and_hash_are_by_value() -> None:
    """And never across classes."""

    @record
    class Other:
        """The same fields."""

        x: int
        y: int

    other: object = Other(1, 2)
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != other
    assert len({Point(1, 2), Point(1, 2), Point(1, 3)}) == 2


def test_repr_names_the_fields() -> None:
    """As one would write it."""
    assert repr(Point(1)) == "Point(x=1, y=7)"
