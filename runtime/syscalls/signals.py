"""Names of signals, as the front reads them."""

from runtime.errors import UsageError
from runtime.syscalls._native import lib


def parse_signal(text: str) -> int:
    """`TERM`, `sigterm`, `SIGRTMIN+3` or `15` to its number; numbers are not checked further.

    Raises: UsageError in runc's words.
    """
    number = lib.parse_signal(text.encode("utf-8", "surrogateescape"))
    if number < 0:
        raise UsageError(f'unknown signal "{text}"')
    return number
