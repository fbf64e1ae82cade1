"""HOT: how values from a document appear in messages: on one line, and never longer than helps.

Imports nothing.
"""

_SHOWN = 64  # characters of a value that a message quotes


def quoted(text: str) -> str:
    """`text` in double quotes, shortened when it is long."""
    return f'"{printable(text[:_SHOWN])}{"..." if len(text) > _SHOWN else ""}"'


def printable(text: str) -> str:
    """`text` with everything that is not printable as a Python escape."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text])
