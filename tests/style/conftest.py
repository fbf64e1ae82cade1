"""The project's own files, as the style tests see them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FOLDERS = ("runtime", "oci_schemas", "tests", "integration", "benchmarks", "tools", "docs", ".ci")
# written by generators, or by nobody: a page of numbers or literals has no style
GENERATED = {"_compiled.py", "_types.py", "_digest.py", "layout.h"}


def files() -> Iterator[Path]:
    """Every text file that people write, relative to the checkout."""
    yield from (path.relative_to(CHECKOUT) for path in CHECKOUT.iterdir() if path.is_file() and path.suffix != ".so")
    for folder in FOLDERS:
        for path in sorted((CHECKOUT / folder).rglob("*")):
            relative = path.relative_to(CHECKOUT)
            hidden = any(part == "__pycache__" or part.startswith(".") for part in relative.parts[1:])
            if path.is_file() and not hidden and path.suffix not in {".pyc", ".so", ".o"}:
                yield relative


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The directory that holds the whole project."""
    return CHECKOUT


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """Every text file that people write, relative to the checkout."""
    return [path for path in files() if path.name not in GENERATED]
