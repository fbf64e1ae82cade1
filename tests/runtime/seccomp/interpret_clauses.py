"""Clauses of word tests, read off directly."""

from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Test


def clauses_hold(clauses: "Sequence[tuple[Test, ...]]", arguments: tuple[int, ...]) -> bool:
    """Whether one of them holds."""
    return any(all(holds_for(test, arguments) for test in tests) for tests in clauses)


def holds_for(test: "Test", arguments: tuple[int, ...]) -> bool:
    """Whether one test holds."""
    word, mask, intervals = test
    value = arguments[word // 2] >> 32 * (word % 2) & 0xFFFFFFFF & mask
    return any(low <= value <= high for low, high in intervals)
