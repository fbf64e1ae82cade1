"""Network namespaces: made, and entered for a while by the calling thread.  Cold."""

from runtime.errors import SyscallError
from runtime.syscalls._native import ffi, lib
from runtime.syscalls.fds import Fd


def _checked(what: str, answer: int) -> int:
    if answer < 0:
        raise SyscallError(what, -answer, ffi.string(lib.errno_text(answer)).decode())
    return answer


def make_netns() -> Fd:
    """A new network namespace; it lives as long as the descriptor, or what is moved into it.  Raises: SyscallError."""
    return Fd(_checked("make a network namespace", lib.netns_make()))


def open_own() -> Fd:
    """The calling thread's network namespace.  Raises: SyscallError."""
    return Fd(_checked("open our own network namespace", lib.netns_own()))


class Inside:
    """`with Inside(netns_fd)`: the thread's sockets are made in that namespace (borrowed).  Raises: SyscallError."""

    __slots__ = ("_netns_fd", "_own")

    def __init__(self, netns_fd: int) -> None:
        """Nothing happens yet."""
        self._netns_fd = netns_fd

    def __enter__(self) -> None:
        self._own = open_own()
        _checked("enter a network namespace", lib.netns_enter(self._netns_fd))

    def __exit__(self, *_error: object) -> None:
        with self._own:
            _checked("leave a network namespace", lib.netns_enter(int(self._own)))
