"""The decision loop, typed: one Core per broker process, driven by whoever reads its events."""

from runtime.record import record
from runtime.syscalls import broker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

DECISION, ASK, GONE = broker.DECISION, broker.ASK, broker.GONE
CONTINUE, NO_RULE = broker.CONTINUE, broker.NO_RULE


@record
class Event:
    """One thing that happened: a call was answered (DECISION), waits for a word (ASK), or a listener's last process ended (GONE).

    `verdict`: 0 carried out, an errno, or CONTINUE.  `denied`: the errno is the policy's, not the call's own; in mode audit it is what
    the call would have been answered with.  `rule`: an index into the table's rules, or None.  `pid` is the thread's.
    """

    ticket: int
    time_ns: int
    key: int
    kind: int
    pid: int
    nr: int
    arch: int
    args: tuple[int, ...]
    verdict: int
    rule: int | None
    handler: int
    micros: int
    comm: str
    text: str
    denied: bool = False


def _event(values: "tuple[Any, ...]") -> Event:
    rule, words = values[9], [part.decode("utf-8", "replace") for part in values[12:14]]
    fields = (*values[:9], None if rule == NO_RULE else rule, *values[10:12], *words, values[14])
    return Event(*fields)


class Core:
    """The threads that answer notifications.  `with Core(journal_fd, threads) as core`; every method may be called from any thread."""

    __slots__ = ("_core",)

    def __init__(self, journal_fd: int, threads: int) -> None:
        """Start `threads` workers over the journal, a memfd that outlives this process in somebody's hands.

        Raises: OSError.
        """
        self._core: Any = broker.open_core(journal_fd, threads)

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; calls that are not answered stay in the journal.  Again does nothing."""
        core, self._core = self._core, None
        if core is not None:
            broker.close_core(core)

    def add(self, key: int, listener_fd: int, table_fd: int, init: tuple[int, int, int]) -> int:
        """Serve a listener (owned from now on) by a table; `init`: (pid, dev, ino) of the executor that may still launch.

        Calls of `key` that the journal holds are done again.  Raises: OSError.
        """
        return broker.add(self._core, key, listener_fd, table_fd, init)

    def swap(self, index: int, table_fd: int) -> None:
        """Decide the next call by another table.

        Raises: OSError; the old table stays.
        """
        broker.swap(self._core, index, table_fd)

    def remove(self, index: int) -> None:
        """Close a listener.

        Raises: OSError.
        """
        broker.remove(self._core, index)

    def owed(self) -> set[int]:
        """The keys whose calls a broker before us received and did not answer; to be asked before the first `add`."""
        return broker.owed(self._core)

    def wake_fd(self) -> int:
        """Readable while events wait."""
        return broker.wake_fd(self._core)

    def events(self, most: int = broker.BATCH) -> list[Event]:
        """The events that wait, oldest first, at most `most`; never blocks."""
        return [_event(values) for values in broker.events(self._core, most)]

    def answer(self, ticket: int, verdict: int) -> bool:
        """Decide a call that was asked about: 0 lets it be done, an errno refuses it.  False: it was too late."""
        return broker.answer(self._core, ticket, verdict)

    def stats(self, index: int = -1) -> dict[str, int]:
        """Counters of one listener, or of all together."""
        return broker.stats(self._core, index)[0]

    def histogram(self, index: int = -1) -> tuple[int, ...]:
        """How many answers took less than 1, 2, 4, 8, ... microseconds each more than the element before; the last holds the rest."""
        return broker.stats(self._core, index)[1]
