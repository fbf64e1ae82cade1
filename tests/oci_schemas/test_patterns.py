"""The plain Python twins of the models' regular expressions match the same texts."""

import pytest
from pydantic_core import SchemaValidator, ValidationError, core_schema

from oci_schemas.build import compile_schemas
from oci_schemas.patterns import TWINS, check_patterns
from oci_schemas.rules import Violation

TEXTS = [
    "", "/", "/a", "a/", " /", "\n/", "/\n", "r", "w", "m", "rwm", "mwrr", "rx", "rwm\n", "RWM", "0", "0-3", "0-3,7", " 1, 2 ",
    "1\n", "1\t", "-", "1.5", "a", "٣", "2MB", "1GB", "64KB", "02MB", "MB", "0MB", "2mb", "2MB\n", "²MB", "12345678901GB",
    "2 MB", "-2MB", "MB:", "MB:0=20", "MB:0=20\n", "\nMB:", "mb:0", "XMB:", "MB", "L3:0=f",
]  # fmt: skip


@pytest.mark.parametrize("pattern", sorted(TWINS))
def test_a_twin_agrees_with_its_pattern(pattern: str) -> None:
    """Judged by pydantic-core's engine, whose `$` is the very end of the text."""
    verdicts = {text: _matches(pattern, text) for text in TEXTS}
    assert {text: TWINS[pattern][0](text) for text in TEXTS} == verdicts
    assert set(verdicts.values()) == {True, False}


def _matches(pattern: str, text: str) -> bool:
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern)).validate_python(text)
    except ValidationError:
        return False
    return True


def test_the_compiled_schemas_hold_no_pattern() -> None:
    """A single one would import `re` on every start."""
    schemas, trees = compile_schemas()
    assert "pattern" not in str(schemas)
    assert trees["config"]["linux"]["maskedPaths"] == ["^/"]


def test_the_walk_reaches_arrays_maps_and_objects() -> None:
    """Absent and null properties are left alone; places are those of the data."""
    tree = {"a": ["^/"], "b": ({"c": "^[rwm]*$"},), "d": "^/", "e": "^/"}
    found: list[Violation] = []
    check_patterns({"a": ["/x", "y"], "b": {"k": {"c": "q"}, "l": {}}, "d": None}, tree, ("top",), found)
    assert found == [
        (("top", "a", 1), 'must be an absolute path, not "y"'),
        (("top", "b", "k", "c"), 'may only contain r, w and m, not "q"'),
    ]
