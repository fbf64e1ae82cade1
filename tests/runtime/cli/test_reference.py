"""docs/cli.md lists the flags that there are, and docs/errors.md the kinds of errors."""

from pathlib import Path

import pytest

from runtime import errors
from runtime.cli.reference import MARK, main, reference

DOCS = Path(__file__).parents[3] / "docs"


def test_the_document_is_up_to_date() -> None:
    """python -m runtime.cli.reference docs/cli.md writes the tables anew."""
    _head, mark, rest = (DOCS / "cli.md").read_text().partition(MARK)
    assert mark + rest == reference()


def test_rewriting_keeps_the_head(tmp_path: Path) -> None:
    """Only what follows the mark is replaced, and a document without one is left alone."""
    document = tmp_path / "cli.md"
    document.write_text("# Head\n" + MARK + "old")
    assert main(str(document)) == 0
    assert document.read_text() == "# Head\n" + reference()
    document.write_text("# Head\n")
    with pytest.raises(SystemExit):
        main(str(document))
    assert document.read_text() == "# Head\n"


def test_every_kind_of_error_is_documented() -> None:
    """The table of kinds names each class by its slug."""
    text = (DOCS / "errors.md").read_text()
    kinds = {
        value.kind for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.OciError)
    }
    missing = {kind for kind in kinds - {"error", "host", "broker"} if f"| `{kind}` |" not in text}
    assert not missing
