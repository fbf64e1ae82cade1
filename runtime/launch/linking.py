"""HOT: modules that come all at once, where the planner's interpreter can do that (runtime/native/embed/planner.c)."""

import sys


def link(group: str) -> None:
    """Load a group of `tools/freeze.py` before its modules are imported one by one; nothing under another interpreter."""
    loader = getattr(sys, "postern_link", None)
    if loader is not None:
        loader(group)
