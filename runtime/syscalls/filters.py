"""What the kernel makes of a seccomp filter: one call tried in a process of its own."""

from runtime.errors import FilterError
from runtime.syscalls._native import ffi, lib


def try_call(program: bytes, number: int, arguments: tuple[int, ...] = (), flags: int = 0) -> tuple[int, int]:
    """(signal, value) of one system call under a filter (struct sock_filter array, at most six arguments).

    Without a signal, `value` is what the call returned, -errno for errors.  Raises: FilterError when the kernel refuses the filter.
    """
    call = ffi.new("long[7]", [number, *arguments])
    verdict = ffi.new("struct filter_verdict *")
    error = lib.probe_filter(program, len(program), flags, call, verdict)
    if error < 0:
        raise FilterError([("", f"the kernel refuses the filter: {ffi.string(lib.errno_text(error)).decode()}")])
    return int(verdict.signal), int(verdict.value)
