"""Rewrite the golden files: `python -m tests.golden.rewrite` (or `make golden`); read the diff before it is committed."""

from tests.golden.cases import NAMES, expected_file, render


def main() -> None:
    """Write every case's text."""
    for name in NAMES:
        path = expected_file(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(render(name))


if __name__ == "__main__":
    main()
