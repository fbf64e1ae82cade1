"""Groups of modules, under the planner's interpreter and under others."""

import sys

import pytest

from runtime.launch.linking import link


def test_a_group_is_asked_for_where_somebody_can_link_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name; elsewhere nothing happens, and imports do the same one by one."""
    link("policy")
    asked: list[str] = []
    monkeypatch.setattr(sys, "postern_link", asked.append, raising=False)
    link("policy")
    assert asked == ["policy"]
