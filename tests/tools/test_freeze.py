"""The frozen modules are the sources without what only people and type checkers read."""

import ast
from types import CodeType
from typing import Any

import pytest

from tools.freeze import Lean, link_order, without_lines

SOURCE = """
TYPE_CHECKING = False
if TYPE_CHECKING:
    import nothing_of_that_name
else:
    other = 1
limit: Unknown = 3
unset: Unknown

class Fields:
    first: Unknown
    second: Unknown | None = None

    def method(self, value: Unknown, /, *rest: Unknown, key: Unknown = 1, **more: Unknown) -> Unknown:
        local: Unknown = value
        return local, rest, key, more
"""


def lean(source: str) -> dict[str, Any]:
    """The names of a module that was made lean and executed."""
    names: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(Lean().visit(ast.parse(source))), "lean", "exec"), names)
    return names


def test_types_are_gone_and_values_are_not() -> None:
    """No annotation is evaluated (their name is undefined); fields keep their names and defaults."""
    names = lean(SOURCE)
    assert (names["limit"], names["other"]) == (3, 1)
    assert "unset" not in names
    assert list(names["Fields"].__annotations__) == ["first", "second"]
    assert names["Fields"].second is None
    assert names["Fields"]().method(1, 2, key=3, a=4) == (1, (2,), 3, {"a": 4})
    assert names["Fields"].method.__annotations__ == {}


def test_without_lines() -> None:
    """The same code runs, and no part of it knows a line."""
    code = without_lines(compile("def f():\n\n    return 5\nx = f()", "file", "exec"))
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["x"] == 5
    nested = next(value for value in code.co_consts if isinstance(value, CodeType))
    assert (code.co_linetable, nested.co_linetable) == (b"", b"")


@pytest.mark.parametrize("roots", [("a.b",), ("a", "a.b", "c")])
def test_every_module_comes_after_those_it_imports(roots: tuple[str, ...]) -> None:
    """Packages before their modules, needs before who needs them, each once."""
    needs = {"a": (), "a.b": ("a", "c"), "c": ("d",), "d": (), "e": ()}
    assert link_order(needs, roots) == ["a", "d", "c", "a.b"]
