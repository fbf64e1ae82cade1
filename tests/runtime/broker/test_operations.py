"""What the broker says to whoever operates it."""

import re

import pytest

from runtime.broker import operations


def test_a_complaint_has_its_time_and_comes_once(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes up with every call does not fill the log; later it is said again."""
    now = [100.0]
    monkeypatch.setattr(operations, "_said", {})
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for _ in range(3):
        operations.complain('ask: "x"')
    operations.complain("another")
    now[0] += 11
    operations.complain('ask: "x"')
    lines = capfd.readouterr().err.splitlines()
    stamp = r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=warning '
    assert [re.sub(stamp, "", line) for line in lines] == [
        'msg="broker: ask: \\"x\\""',
        'msg="broker: another"',
        'msg="broker: ask: \\"x\\""',
    ]


def test_what_was_said_is_forgotten(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes many different lines does not make the broker grow."""
    monkeypatch.setattr(operations, "_said", {})
    monkeypatch.setattr(operations, "_SAID_MAX", 5)
    for number in range(50):
        operations.complain(str(number))
    assert len(operations._said) <= 7
    assert capfd.readouterr().err.count("\n") == 50
