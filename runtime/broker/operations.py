"""What can be asked of a broker at its control socket: each operation takes a client and its request and gives the answer."""

import posix
import sys
import time

from oci_schemas.json_text import quote
from runtime.broker.control import Client, Refused
from runtime.broker.keeper_wire import TABLE, Message
from runtime.broker.table import decode_head
from runtime.syscalls.broker import table_fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.broker.control import Operation
    from runtime.broker.registry import Registration
    from runtime.broker.service import Service

_TYPE_MASK, _REGULAR = 0o170000, 0o100000
_SILENCE_SECONDS, _SAID_MAX = 10.0, 1000
_LOG_MAX = 1 << 20
_STATISTICS = (
    "received",
    "allowed",
    "denied",
    "continued",
    "asked",
    "timed_out",
    "gone",
    "replayed",
    "inflight",
    "lost_events",
)


_said: dict[str, float] = {}  # what was complained of lately, and when


def complain(line: str) -> None:
    """A line for whoever operates the broker: standard error is its log, which begins anew when it is large.

    What comes up again with every call is said once in ten seconds.
    """
    now = time.monotonic()
    if now < _said.get(line, 0):
        return
    if len(_said) > _SAID_MAX:
        _said.clear()
    _said[line] = now + _SILENCE_SECONDS
    status = posix.fstat(2)
    if status.st_mode & _TYPE_MASK == _REGULAR and status.st_size > _LOG_MAX:
        posix.ftruncate(2, 0)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f'time="{stamp}" level=warning msg={quote(f"broker: {line}")}\n')
    sys.stderr.flush()


def _container(service: "Service", request: "dict[str, Any]") -> "list[Registration]":
    container_id = request.get("id")
    found = service.registry.of_container(container_id) if isinstance(container_id, str) else []
    if not found:
        raise Refused("the broker serves no such container")
    return found


def _names(request: "dict[str, Any]", key: str) -> tuple[str, ...]:
    value = request.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Refused(f"{key} is a list of names")
    return tuple(value)


def status(service: "Service", _client: Client, _request: "dict[str, Any]") -> "dict[str, Any]":
    """Who is served, by which policy, with which counts."""
    containers = []
    for one in service.registry:
        row: dict[str, Any] = {"id": one.container_id, "pid": one.pid, "joined": one.joined, "policy": one.policy}
        row["mode"] = one.head.get("mode", "none")
        row["metadata"] = one.metadata
        if one.index >= 0:
            statistics = service.core.stats(one.index)
            row |= {name: statistics[name] for name in _STATISTICS}
        containers.append(row)
    return {
        "ok": True,
        "pid": posix.getpid(),
        "containers": containers,
        "lost_records": service.log.lost,
        "kernel_audit": service.audit is not None,
    }


def apply(service: "Service", client: Client, request: "dict[str, Any]") -> "dict[str, Any]":
    """Decide a container's next call by the passed table: it may add rules; to take some away is root's, and said so."""
    table = client.take_fd()
    try:
        data = posix.pread(table, posix.fstat(table).st_size, 0)
        problem = table_fault(data)
        if problem is not None:
            raise Refused(f"the table is not usable: {problem}")
        loosen = request.get("loosen") is True
        if loosen and client.uid != 0:
            raise Refused("only root may loosen a policy")
        found = _container(service, request)
        head = decode_head(data)
        for registration in found:
            if not loosen:
                _must_tighten(registration.head, head)
        for registration in found:
            if registration.index < 0:
                raise Refused("the container's policy is being compiled")
            service.core.swap(registration.index, table)
            posix.close(registration.table)
            registration.table = posix.dup(table)
            registration.head = head
            service.limit(registration, loosen)
            service.tell_keeper(Message(TABLE, key=registration.key, fds=(table,)))
    except OSError as error:
        raise Refused(f"the table is not usable: {error.strerror}") from None
    finally:
        posix.close(table)
    return {"ok": True, "swapped": len(found)}


def _must_tighten(old: "dict[str, Any]", new: "dict[str, Any]") -> None:
    """Layers are a conjunction: a table that begins with every rule of the old one can only withhold more."""
    before = list(old.get("rules") or ())
    if list(new.get("rules") or ())[: len(before)] != before:
        raise Refused("the new policy does not contain the one that holds: that needs --loosen")
    strict = {"audit": 0, "record": 0, "ask": 1, "enforce": 2}
    if strict.get(str(new.get("mode")), 0) < strict.get(str(old.get("mode")), 0):
        raise Refused(f"mode {new.get('mode')} is looser than {old.get('mode')}: that needs --loosen")


def ask(service: "Service", client: Client, request: "dict[str, Any]") -> "dict[str, Any] | None":
    """This client answers from now on; what waits already is asked at once."""
    client.containers, client.policies = _names(request, "containers"), _names(request, "policies")
    client.asks = True
    client.say({"ok": True})
    for question in service.questions.waiting():
        if client.may_hear(question.container_id, question.policy):
            service.put_question(client, question)
    return None


def answer(service: "Service", client: Client, request: "dict[str, Any]") -> "dict[str, Any] | None":
    """A verdict for one question; the first one counts."""
    from runtime.broker.ask import verdict_of

    verdict = verdict_of(request)
    ticket = request.get("answer")
    if verdict is None or not isinstance(ticket, int):
        raise Refused('an answer is {"answer": TICKET, "verdict": "allow"|"deny", "errno": NAME}')
    if not client.asks:
        raise Refused("only who asked for questions answers them")
    question = service.questions.take(ticket)
    if question is None or not service.core.answer(ticket, verdict):
        raise Refused(f"nobody waits for an answer to {ticket}")
    return None


def table(service: "Service") -> "dict[str, Operation]":
    """The operations by their names."""
    return {
        "status": lambda client, request: status(service, client, request),
        "apply": lambda client, request: apply(service, client, request),
        "ask": lambda client, request: ask(service, client, request),
        "answer": lambda client, request: answer(service, client, request),
    }
