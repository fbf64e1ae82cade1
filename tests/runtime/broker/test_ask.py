"""Questions, answers, and the functions that give them."""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.broker import ask
from runtime.broker.settings import Settings


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (True, 0),
        (False, errno.EPERM),
        ("allow", 0),
        ("deny", errno.EPERM),
        ({"verdict": "allow"}, 0),
        ({"verdict": "deny"}, errno.EPERM),
        ({"verdict": "deny", "errno": "ENOENT"}, errno.ENOENT),
        ({"verdict": "deny", "errno": "EWHAT"}, None),
        ({"verdict": "deny", "errno": 5}, None),
        ({"verdict": "allow", "errno": "EPERM"}, None),
        ("maybe", None),
        (None, None),
        (1, None),
        ([], None),
    ],
)
def test_what_counts_as_an_answer(answer: Any, verdict: int | None) -> None:
    """Everything else leaves the question open."""
    assert ask.verdict_of(answer) == verdict


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_no_answer_upsets(answer: Any) -> None:
    """It is 0, an errno, or none."""
    verdict = ask.verdict_of(answer)
    assert verdict is None or 0 <= verdict < 4096


def question(ticket: int, deadline_ns: int = 1 << 62) -> ask.Question:
    """One about a container."""
    return ask.Question(ticket, {"container": "c1", "policy": "web"}, deadline_ns)


def test_a_question_is_answered_once() -> None:
    """Taken is taken; late is gone."""
    waiting = ask.Questions()
    waiting.add(question(1))
    waiting.add(question(2, 10))
    waiting.expire(10)
    assert [one.ticket for one in waiting.waiting()] == [1]
    assert waiting.take(1) is not None
    assert waiting.take(1) is None
    assert len(waiting) == 0


@pytest.fixture
def handlers(tmp_path: Path) -> Path:
    """A directory with a module of functions."""
    (tmp_path / "gatekeeper.py").write_text(
        "def yes(record): return True\n"
        "def by_policy(record): return {'verdict': 'deny', 'errno': 'EACCES' if record['policy'] == 'web' else 'EIO'}\n"
        "def breaks(record): raise RuntimeError('no idea')\n"
        "thing = 5\n"
    )
    return tmp_path


def answers(handlers: Path, name: str, allowed: tuple[str, ...]) -> tuple[list[tuple[int, int]], list[str]]:
    """What a function answers to one question, and the complaints."""
    given: list[tuple[int, int]] = []

    def answer(ticket: int, verdict: int) -> bool:
        given.append((ticket, verdict))
        return True

    functions = ask.FunctionHandlers(Settings("file", allowed, str(handlers)), answer)
    functions.ask(name, question(7))
    told: list[str] = []
    for _ in range(500):
        told += functions.complaints()
        if given or told:
            break
        time.sleep(0.01)
    time.sleep(0.01)
    sys.path[:] = [place for place in sys.path if place != str(handlers)]
    sys.modules.pop("gatekeeper", None)
    return given, told


def test_a_function_answers(handlers: Path) -> None:
    """It sees the record, and its errno is the program's."""
    names = ("gatekeeper:yes", "gatekeeper:by_policy", "gatekeeper:breaks")
    assert answers(handlers, "gatekeeper:yes", names) == ([(7, 0)], [])
    assert answers(handlers, "gatekeeper:by_policy", names) == ([(7, errno.EACCES)], [])


def test_a_function_that_fails_has_not_answered(handlers: Path) -> None:
    """The time limit decides then; the operator is told."""
    given, told = answers(handlers, "gatekeeper:breaks", ("gatekeeper:breaks",))
    assert given == []
    assert told == ["ask: gatekeeper:breaks: RuntimeError: no idea"]


@pytest.mark.parametrize("name", ["gatekeeper:yes", "os:abort"])
def test_only_what_root_lists_is_loaded(name: str, handlers: Path) -> None:
    """A policy names whom it likes; that alone loads nothing."""
    given, told = answers(handlers, name, ())
    assert given in ([(7, errno.EPERM)], [])
    assert told == [f"ask: {name} is not one of [broker] handlers in /etc/postern/config.toml"]


@pytest.mark.parametrize("name", ["gatekeeper:thing", "gatekeeper:none", "nowhere:yes"])
def test_a_function_that_cannot_be_had_denies(name: str, handlers: Path) -> None:
    """In one line, whatever is wrong with the module."""
    _, told = answers(handlers, name, (name,))
    assert len(told) == 1
    assert told[0].startswith(f"ask: {name} ")
