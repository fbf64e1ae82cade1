"""Which runtime a test applies to, always with a written reason.

`only("postern", reason=…)` skips elsewhere. `differs("runc<1.2", "crun", reason=…)` expects the failure there: the
mark is strict, so a reason that is no longer true fails the suite. `strict=False` is for behaviour that depends on
timing, `run=False` for a runtime that would hang.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

import pytest

from integration.framework.runtime import Runtime

Version = tuple[int, ...]


def _any(_have: Version, _want: Version) -> bool:
    return True


_COMPARE: dict[str, Callable[[Version, Version], bool]] = {"<": operator.lt, ">=": operator.ge, "": _any}


def matches(runtime: Runtime, pattern: str) -> bool:
    """Whether the runtime is meant by `name`, `name<1.2` or `name>=1.2`."""
    match = re.fullmatch(r"([a-z]+)(<|>=|)([0-9.]*)", pattern)
    assert match, f"cannot read the runtime pattern {pattern!r}"
    name, compare, version = match.groups()
    wanted = tuple(int(part) for part in version.split(".") if part)
    return runtime.flavour == name and _COMPARE[compare](runtime.version, wanted)


def apply_marks(item: pytest.Item, runtime: Runtime) -> None:
    """Turn the suite's own marks into pytest's skip and xfail for this runtime."""
    for mark in item.iter_markers("only"):
        if not any(matches(runtime, pattern) for pattern in mark.args):
            item.add_marker(pytest.mark.skip(reason=f"only {', '.join(mark.args)}: {mark.kwargs['reason']}"))
    for mark in item.iter_markers("differs"):
        if any(matches(runtime, pattern) for pattern in mark.args):
            details = {"strict": True, **mark.kwargs}
            item.add_marker(pytest.mark.xfail(**details))


def only(*patterns: str, reason: str) -> pytest.MarkDecorator:
    """Run this case on these runtimes alone."""
    return pytest.mark.only(*patterns, reason=reason)


def differs(*patterns: str, reason: str, strict: bool = True, run: bool = True) -> pytest.MarkDecorator:
    """These runtimes fail this case, for this reason."""
    return pytest.mark.differs(*patterns, reason=reason, strict=strict, run=run)
