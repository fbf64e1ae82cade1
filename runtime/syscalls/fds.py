"""Owned file descriptors: closed once, by whoever owns them."""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Fd:
    """A descriptor that closes itself: `with Fd(number) as fd`, or `fd.close()`; `int(fd)` lends the number."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        """Take the ownership of an open descriptor."""
        if number < 0:
            raise ValueError(f"{number} is no descriptor")
        self._number = number

    def __int__(self) -> int:
        if self._number < 0:
            raise ValueError("the descriptor was closed")
        return self._number

    fileno = __int__

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; again does nothing."""
        number, self._number = self._number, -1
        if number >= 0:
            posix.close(number)
