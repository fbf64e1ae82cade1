"""The broker's core (broker.h) for Python: plain values in and out.  runtime.broker.native gives it a shape."""

import errno

from runtime.syscalls._native import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DECISION, ASK, GONE = 1, 2, 3
CONTINUE, NO_RULE = -1, 0xFFFFFFFF
BATCH = 64
OWED = 2048  # as many as the journal has slots
COUNTERS = (
    *("received", "allowed", "denied", "continued", "asked", "timed_out"),
    *("gone", "replayed", "lost_events", "inflight"),
)


def open_core(journal_fd: int, threads: int) -> "Any":
    """A broker over a journal (a memfd, sized on first use; it stays the caller's).

    Raises: OSError.
    """
    core = lib.broker_open(journal_fd, threads)
    if core == ffi.NULL:
        raise OSError(ffi.errno, "cannot start the broker's core")
    return core


def close_core(core: "Any") -> None:
    """End its threads and close its listeners."""
    lib.broker_close(core)


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(-result, what)
    return result


def add(core: "Any", key: int, listener_fd: int, table_fd: int, init: tuple[int, int, int]) -> int:
    """The index of a new listener, which is no longer the caller's; `init`: (pid, dev, ino of its executor, 0 for none).

    Raises: OSError.
    """
    return _checked(lib.broker_add(core, key, listener_fd, table_fd, *init), "cannot serve the listener")


def swap(core: "Any", index: int, table_fd: int) -> None:
    """Decide the next call by another table.

    Raises: OSError (EINVAL: the table is wrong, and the old one stays).
    """
    _checked(lib.broker_swap(core, index, table_fd), "cannot replace the table")


def remove(core: "Any", index: int) -> None:
    """Close a listener.

    Raises: OSError.
    """
    _checked(lib.broker_remove(core, index), "cannot remove the listener")


def owed(core: "Any") -> set[int]:
    """The keys of calls that the journal holds of a broker that died, before any listener was added."""
    keys = ffi.new("uint64_t[]", OWED)
    return {int(keys[at]) for at in range(lib.broker_owed(core, keys, OWED))}


def wake_fd(core: "Any") -> int:
    """An eventfd that is readable while events wait; not to be closed."""
    return int(lib.broker_wake_fd(core))


def events(core: "Any", most: int = BATCH) -> "list[tuple[Any, ...]]":
    """The events that wait, at most `most`, as tuples in the order of struct broker_event, `denied` last; texts are bytes."""
    out = ffi.new("struct broker_event[]", most)
    found = []
    for at in range(lib.broker_events(core, out, most)):
        event = out[at]
        head = (event.ticket, event.time_ns, event.key, event.kind, event.pid, event.nr, event.arch, tuple(event.args))
        what = (event.verdict, event.rule, event.handler, event.micros)
        found.append((*head, *what, ffi.string(event.comm), ffi.string(event.text), bool(event.denied)))
    return found


def answer(core: "Any", ticket: int, verdict: int) -> bool:
    """Decide a call that was asked about: 0 lets it be done, an errno refuses it.  False: it was too late."""
    result = lib.broker_answer(core, ticket, verdict)
    return result == 0 or (result != -errno.ENOENT and bool(_checked(result, "no such verdict")))


def stats(core: "Any", index: int = -1) -> tuple[dict[str, int], tuple[int, ...]]:
    """(counters, histogram of microseconds by powers of two) of one listener, or of all."""
    out = ffi.new("struct broker_stats *")
    lib.broker_stats(core, index, out)
    return {name: int(getattr(out, name)) for name in COUNTERS}, tuple(out.micros)


def table_fault(table: bytes) -> str | None:
    """Why the core refuses an encoded table; None: it does not."""
    why = ffi.new("const char **")
    # a copy that is aligned, as a mapping would be
    copy = ffi.new("uint64_t[]", len(table) // 8 + 1)
    ffi.memmove(copy, table, len(table))
    return None if lib.broker_table_test(copy, len(table), why) == 0 else ffi.string(why[0]).decode()


def glob_matches(pattern: bytes, path: bytes) -> bool:
    """Whether a pattern with wildcards covers exactly this path."""
    return bool(lib.glob_matches(pattern, len(pattern), path, len(path)))
