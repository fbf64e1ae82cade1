"""Names of signals, as the front and `kill --regex` read them."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import UsageError
from runtime.syscalls.signals import parse_signal

NAMED = [each for each in signal.Signals if not each.name.startswith("SIGRT")]


@pytest.mark.parametrize("number", NAMED)
def test_every_signal_has_its_name(number: signal.Signals) -> None:
    """With and without SIG, in any case; the C library's numbers are the kernel's."""
    for text in (number.name, number.name[3:], number.name.lower(), number.name[3:].capitalize()):
        assert parse_signal(text) == number


def test_aliases_and_real_time_signals() -> None:
    """By distance from both ends, as the C library counts."""
    assert parse_signal("CLD") == signal.SIGCHLD
    assert parse_signal("POLL") == parse_signal("IO") == signal.SIGIO
    assert parse_signal("RTMIN") == parse_signal("SIGRTMIN+0") == signal.SIGRTMIN
    assert parse_signal("sigrtmin+30") == parse_signal("RTMAX-0") == signal.SIGRTMAX
    assert parse_signal("RTMAX-30") == signal.SIGRTMIN


@pytest.mark.parametrize(
    "text", ["", "SIG", "SIGSIGTERM", "TERMX", "-9", "+9", "9x", " 9", "RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMIN+", "ä"]
)
def test_anything_else_is_unknown(text: str) -> None:
    """In runc's words, with what the caller wrote."""
    with pytest.raises(UsageError) as caught:
        parse_signal(text)
    assert str(caught.value) == f'unknown signal "{text}"'


@given(st.integers(0, 2**31 - 1))
def test_property_numbers_are_taken_as_they_are(number: int) -> None:
    """The kernel judges them."""
    assert parse_signal(str(number)) == number
