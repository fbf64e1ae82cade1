"""Ask mode: a decision that the policy leaves to somebody else.

That is a client of the control socket, or a Python function that root's configuration names.  The core keeps the time limit and does what
`on_failure` says when nobody has answered; here questions wait for whoever may answer them.
"""

import errno
import sys
from queue import Empty, SimpleQueue
from threading import Thread

from runtime.broker.trusted_code import check_code
from runtime.errors import BrokerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.broker.settings import Settings

    Answer = Callable[[int, int], bool]

_THREADS = 2
_ERRNOS = {name: number for number, name in errno.errorcode.items()}


def verdict_of(answer: "Any") -> int | None:
    """0 for allow, an errno for deny; None for what is no answer.

    Taken: True, False, "allow", "deny", {"verdict": "allow"}, {"verdict": "deny", "errno": "EACCES"}.
    """
    if isinstance(answer, bool):
        return 0 if answer else errno.EPERM
    error: Any = None
    if isinstance(answer, dict):
        answer, error = answer.get("verdict"), answer.get("errno")
    if answer == "allow" and error is None:
        return 0
    if answer != "deny":
        return None
    return errno.EPERM if error is None else _ERRNOS.get(error)


class Question:
    """A call that waits: its ticket, the record that describes it, and until when an answer counts."""

    __slots__ = ("container_id", "deadline_ns", "policy", "record", "ticket")

    def __init__(self, ticket: int, record: "dict[str, Any]", deadline_ns: int) -> None:
        """`deadline_ns` is of CLOCK_MONOTONIC."""
        self.ticket = ticket
        self.record = record
        self.deadline_ns = deadline_ns
        self.container_id = str(record["container"])
        self.policy = str(record["policy"])


class Questions:
    """The questions that nobody has answered yet, by ticket."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        """None."""
        self._waiting: dict[int, Question] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, question: Question) -> None:
        """One more."""
        self._waiting[question.ticket] = question

    def take(self, ticket: int) -> Question | None:
        """The question of this ticket, which is then nobody else's."""
        return self._waiting.pop(ticket, None)

    def expire(self, now_ns: int) -> None:
        """Forget those that the core has answered by itself."""
        for ticket in [one.ticket for one in self._waiting.values() if one.deadline_ns <= now_ns]:
            del self._waiting[ticket]

    def waiting(self) -> list[Question]:
        """All of them, oldest first."""
        return list(self._waiting.values())


def load_function(name: str, settings: "Settings") -> "Callable[[dict[str, Any]], Any]":
    """The function that `module:function` names.  Raises: LookupError in words for the log."""
    place = settings.handler_path
    if name not in settings.handlers:
        raise LookupError(f"{name} is not one of [broker] handlers in {settings.site}/config.toml")
    try:
        check_code(place, settings.site)
    except BrokerError as error:
        raise LookupError(f"{name} is not loaded: {error}") from None
    module_name, _, function_name = name.partition(":")
    if place not in sys.path:
        sys.path.append(place)
    try:
        function = getattr(__import__(module_name, None, None, (function_name,)), function_name)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in somebody's module is told in one line
        raise LookupError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from None
    if not callable(function):
        raise LookupError(f"{name} is no function")  # noqa: TRY004 - as whatever else is wrong with it
    found: Callable[[dict[str, Any]], Any] = function
    return found


class FunctionHandlers:
    """Python functions that answer, in threads of their own: a slow one holds up no other container's log."""

    __slots__ = ("_answer", "_functions", "_queue", "_settings", "_threads", "_told")

    def __init__(self, settings: "Settings", answer: "Answer") -> None:
        """`answer(ticket, verdict)` is the core's; the settings say which functions there are."""
        self._settings = settings
        self._answer = answer
        self._functions: dict[str, Callable[[dict[str, Any]], Any] | None] = {}
        self._queue: SimpleQueue[tuple[str, Question]] = SimpleQueue()
        self._threads: list[Thread] = []
        self._told: SimpleQueue[str] = SimpleQueue()

    def ask(self, name: str, question: Question) -> None:
        """Let the function of this name answer."""
        if not self._threads:
            self._threads = [Thread(target=self._work, daemon=True) for _ in range(_THREADS)]
            for thread in self._threads:
                thread.start()
        self._queue.put((name, question))

    def complaints(self) -> list[str]:
        """What went wrong since this was last asked, a line each."""
        lines = []
        while True:
            try:
                lines.append(self._told.get_nowait())
            except Empty:
                return lines

    def _function(self, name: str) -> "Callable[[dict[str, Any]], Any] | None":
        if name not in self._functions:
            try:
                self._functions[name] = load_function(name, self._settings)
            except LookupError as error:
                self._functions[name] = None
                self._told.put(f"ask: {error.args[0]}")
        return self._functions[name]

    def _work(self) -> None:
        while True:
            name, question = self._queue.get()
            function = self._function(name)
            verdict: int | None = None
            try:
                verdict = verdict_of(function(question.record)) if function else errno.EPERM
            except Exception as error:  # noqa: BLE001 - a handler that fails has not answered
                self._told.put(f"ask: {name}: {type(error).__name__}: {error}")
            if verdict is not None:
                self._answer(question.ticket, verdict)
