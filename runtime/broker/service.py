"""What a serving worker does: registrations in, events out to the log, to handlers and to the counters."""

import posix
import select
import socket
from time import CLOCK_BOOTTIME, clock_gettime_ns, monotonic_ns, time_ns

from runtime.broker import operations
from runtime.broker.agent import Compilation
from runtime.broker.ask import FunctionHandlers, Question, Questions
from runtime.broker.audit import CallNames, describe, is_wanted, limit_record, timestamp
from runtime.broker.control import Client, accept, connect_handler
from runtime.broker.keeper_wire import ADD, GONE, LIMIT, OVER, TABLE, Message, receive, send
from runtime.broker.kernel_audit import KernelAudit, open_audit
from runtime.broker.logs import FileLog, JournalLog
from runtime.broker.native import ASK
from runtime.broker.native import GONE as LISTENER_GONE
from runtime.broker.recording import Recordings
from runtime.broker.registry import Heads, Registration, Registry
from runtime.broker.scrape import Scrapes
from runtime.broker.table import HANDLERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.broker.native import Core, Event
    from runtime.broker.settings import Settings

UNIX = "unix:"
_TICK_MS = 1000
_LINGER_MS = 150
_MOST_EVENTS = 1024


def age_ns(pid: int) -> int:
    """How long a process has been there; 0 when it has ended.  Source: proc_pid_stat(5), field 22."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return max(0, clock_gettime_ns(CLOCK_BOOTTIME) - int(fields[19]) * (1_000_000_000 // posix.sysconf("SC_CLK_TCK")))


class Service:
    """The worker's state and its loop; ends when the keeper has."""

    def __init__(self, core: "Core", channel: socket.socket, root: str, exe_fd: int, settings: "Settings") -> None:
        """`channel` leads to the keeper; the log goes below <root>/@broker unless the settings say journald."""
        self.core = core
        self.channel = channel
        self.root = root
        self.site = settings.site
        self.exe_fd = exe_fd
        self.registry = Registry()
        self.heads = Heads()
        self.questions = Questions()
        self.names = CallNames()
        self.directory = f"{root}/@broker"
        self.log: FileLog | JournalLog = JournalLog() if settings.log == "journald" else FileLog(self.directory)
        self.recordings = Recordings(self.directory, self.names)
        self.functions = FunctionHandlers(settings, core.answer)
        self.clients: dict[int, Client] = {}
        self.compilations: dict[int, Compilation] = {}
        self.scrapes = Scrapes()
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._operations = operations.table(self)
        self.running = True
        self._ending: list[tuple[int, Registration]] = []
        self.watch(channel.fileno(), self._read_keeper)
        self.watch(core.wake_fd(), self.drain)
        heard = open_audit()
        self.audit = None if heard is None else KernelAudit(heard)
        if self.audit is not None:
            self.watch(self.audit.fileno(), self._read_audit)

    def watch(self, fd: int, reader: "Callable[[], None]", events: int = select.POLLIN) -> None:
        """Call `reader` when something is to be read."""
        self._readers[fd] = reader
        self._poll.register(fd, events)

    def forget(self, fd: int) -> None:
        """No longer."""
        if self._readers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def listen(self, control: socket.socket, metrics: socket.socket) -> None:
        """Serve the keeper's two other sockets."""
        self.watch(control.fileno(), lambda: self._accept_client(control))
        self.watch(metrics.fileno(), lambda: self.scrapes.accept(self, metrics))

    def run(self) -> bool:
        """Until the keeper has ended; whether containers are left that need another one."""
        while self.running:
            self.turn()
        return len(self.registry) > 0

    def turn(self) -> None:
        """Wait for something, a second at most, and deal with it."""
        for fd, _events in self._poll.poll(_LINGER_MS if self._ending else _TICK_MS):
            reader = self._readers.get(fd)
            if reader is not None:
                reader()
        while self._ending and self._ending[0][0] <= monotonic_ns():
            self._end(self._ending.pop(0)[1])
        self.questions.expire(monotonic_ns())
        self.recordings.flush()
        for line in self.functions.complaints():
            operations.complain(line)

    # --- the keeper

    def _read_keeper(self) -> None:
        registration = self.next_registration()
        if registration is not None and self.admit(registration):
            self.know(registration)

    def next_registration(self) -> Registration | None:
        """What the keeper says next, if it is a registration; anything else counts at once, its end among it."""
        try:
            message = receive(self.channel)
        except (OSError, ValueError):
            message = None
        if message is None:
            self.running = False
        elif message.kind == ADD:
            return Registration(message)
        else:
            self.hear(message)
        return None

    def hear(self, message: Message) -> None:
        """What a keeper says beside registrations."""
        if message.kind == OVER:
            registration = self.registry.find(message.key)
            if registration is not None:
                self.log.write(registration.container_id, [limit_record(registration, time_ns())])

    def tell_keeper(self, message: Message) -> None:
        """Send; a keeper that has ended is noticed where it is read from."""
        try:
            send(self.channel, message)
        except OSError as error:
            operations.complain(f"the keeper does not listen: {error.strerror}")

    def join(self, channel: socket.socket) -> None:
        """Belong to another keeper from now on."""
        self.forget(self.channel.fileno())
        self.channel.close()
        self.channel = channel
        self.watch(channel.fileno(), self._read_keeper)
        self.running = True

    def admit(self, registration: Registration) -> bool:
        """Have the core decide a registration's calls by the table that came with it, if one did.

        False: it is not usable, and the calls are refused.  Nothing is done here that a call need not wait for: `know` follows.
        """
        self.registry.add(registration)
        return registration.table < 0 or self._serve(registration)

    def _serve(self, registration: Registration) -> bool:
        init = (registration.pid, *registration.exe)
        try:
            listener, table = posix.dup(registration.listener), registration.table
            registration.index = self.core.add(registration.key, listener, table, init)
        except OSError as error:
            self.refuse(registration, f"its table is not usable: {error}")
            return False
        return True

    def know(self, registration: Registration) -> None:
        """Find out what its events are to be described with, and its time limit; have its table made where it has none."""
        if self.audit is not None and not registration.joined:
            self.audit.know(registration)
        if registration.table >= 0:
            self._read_head(registration)
            return
        try:
            compilation = Compilation(self.root, self.site, self.exe_fd, registration.metadata)
        except OSError as error:
            self.refuse(registration, f"the policy's compiler cannot be started: {error.strerror}")
            return
        self.compilations[registration.key] = compilation
        self.watch(compilation.pidfd, lambda: self._compiled(registration, compilation))

    def _compiled(self, registration: Registration, compilation: Compilation) -> None:
        self.forget(compilation.pidfd)
        del self.compilations[registration.key]
        table, problem = compilation.result()
        if problem:
            self.refuse(registration, problem)
            return
        registration.table = table
        self.tell_keeper(Message(TABLE, key=registration.key, fds=(table,)))
        if self._serve(registration):
            self._read_head(registration)

    def _read_head(self, registration: Registration) -> None:
        try:
            registration.head = self.heads.read(registration.table)
            if registration.head["mode"] == "record":
                self.recordings.begin(registration)
        except (OSError, ValueError) as error:
            self.refuse(registration, f"its table is not usable: {error}")
            return
        if not registration.deadline_ns:
            self.limit(registration, False)

    def limit(self, registration: Registration, loosen: bool) -> None:
        """Have the keeper end a container when its table's time is up, counted from its init's start; never later but to `loosen`."""
        time = registration.head.get("wall_time_ms")
        if registration.joined or not (time or loosen):
            return
        deadline = monotonic_ns() - age_ns(registration.pid) + time * 1_000_000 if time else 0
        if registration.deadline_ns and not loosen:
            deadline = min(deadline, registration.deadline_ns)
        if deadline != registration.deadline_ns:
            registration.deadline_ns = deadline
            self.tell_keeper(Message(LIMIT, key=registration.key, deadline_ns=deadline))

    def refuse(self, registration: Registration, problem: str) -> None:
        """Nothing can decide: every duplicate of the listener is closed, so that its calls fail with ENOSYS."""
        operations.complain(f"container {registration.container_id}: {problem}; its calls are refused")
        if registration.index >= 0:
            self.core.remove(registration.index)
        self.tell_keeper(Message(GONE, key=registration.key))
        self.registry.remove(registration)

    # --- events

    def drain(self) -> None:
        """Take what the core decided since the last time."""
        by_container: dict[str, list[dict[str, Any]]] = {}
        gone: list[Registration] = []
        for event in self.core.events(_MOST_EVENTS):
            registration = self.registry.find(event.key)
            if registration is None:
                continue
            if event.kind == LISTENER_GONE:
                gone.append(registration)
            elif event.kind == ASK:
                self._ask(event, registration)
            else:
                self._note(event, registration, by_container)
        for container_id, records in by_container.items():
            self.log.write(container_id, records)
        for registration in gone:
            if self.audit is None:
                self._end(registration)
            else:  # what the kernel's audit has to say of its end is still to come
                self._ending.append((monotonic_ns() + _LINGER_MS * 1_000_000, registration))

    def _note(
        self, event: "Event", registration: Registration, by_container: "dict[str, list[dict[str, Any]]]"
    ) -> None:
        self.questions.take(event.ticket)
        head = registration.head
        if head.get("mode") == "record":
            self.recordings.add(event, registration)
            return
        handler = HANDLERS[event.handler]
        if is_wanted(str(head.get("audit", "denials")), event.verdict, handler, event.denied):
            record = describe(event, registration, self.names, handler)
            by_container.setdefault(registration.container_id, []).append(record)

    def _read_audit(self) -> None:
        records = [] if self.audit is None else self.audit.read(self.registry, self.names, timestamp(time_ns()))
        for record in records:
            container_id = str(record["container"])
            head = next((one.head for one in self.registry.of_container(container_id)), {})
            if head.get("audit", "denials") != "none":
                self.log.write(container_id, [record])

    def _ask(self, event: "Event", registration: Registration) -> None:
        limit = int(registration.head.get("timeout_ms") or 0)
        record = describe(event, registration, self.names, HANDLERS[event.handler])
        record["verdict"] = "ask"
        question = Question(event.ticket, record, monotonic_ns() + limit * 1_000_000)
        handler = registration.head.get("handler")
        if isinstance(handler, str) and handler and not handler.startswith(UNIX):
            self.functions.ask(handler, question)
            return
        self.questions.add(question)
        if isinstance(handler, str) and handler:
            self._call_handler(handler.removeprefix(UNIX))
        for client in list(self.clients.values()):
            if client.may_hear(question.container_id, question.policy):
                self.put_question(client, question)

    def _call_handler(self, path: str) -> None:
        """Be connected to the socket that a policy names; where nobody listens, clients of the control socket may answer."""
        if any(client.path == path for client in self.clients.values()):
            return
        try:
            client = Client(connect_handler(path), path)
        except OSError as error:
            operations.complain(f"ask: {UNIX}{path}: {error.strerror}")
            return
        client.asks = True
        fd = client.connection.fileno()
        self.clients[fd] = client
        self.watch(fd, lambda: self._serve_client(fd, client))

    def put_question(self, client: Client, question: Question) -> None:
        """Ask a client; one that does not read is hung up on."""
        left = max(0, question.deadline_ns - monotonic_ns()) // 1_000_000
        if not client.say({"ask": question.ticket, "timeout_ms": left, **question.record}):
            self.hang_up(client)

    def _end(self, registration: Registration) -> None:
        if registration.index >= 0:
            self.core.remove(registration.index)
        self.tell_keeper(Message(GONE, key=registration.key))
        self.registry.remove(registration)
        if not self.registry.of_container(registration.container_id):
            self.log.end(registration.container_id)
            if self.audit is not None:
                self.audit.forget(registration.container_id)
            self.recordings.end(registration.container_id)

    # --- the control socket

    def _accept_client(self, control: socket.socket) -> None:
        connection = accept(control, len(self.clients))
        if connection is None:
            return
        client = Client(connection)
        fd = connection.fileno()
        self.clients[fd] = client
        self.watch(fd, lambda: self._serve_client(fd, client))

    def _serve_client(self, fd: int, client: Client) -> None:
        allowed = {"answer": self._operations["answer"]} if client.path else self._operations
        if not (client.flush() and client.serve(allowed)):
            self.hang_up(client)
        elif fd in self._readers:
            self._poll.modify(fd, select.POLLIN | (select.POLLOUT if client.has_unsent else 0))

    def hang_up(self, client: Client) -> None:
        """Close a client's connection; what it was asked waits for others."""
        fd = client.connection.fileno()
        if self.clients.pop(fd, None) is not None:
            self.forget(fd)
            client.close()
