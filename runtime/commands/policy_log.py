"""policy log: what the broker, and where it tells us the kernel, decided for a container, for people to read."""

import posix
from time import sleep

from oci_schemas.json_text import loads
from runtime.broker.logs import DIRECTORY, log_name
from runtime.broker.settings import load_settings
from runtime.commands.broker_client import ask_broker
from runtime.commands.containers import Container
from runtime.commands.policy_call import PolicyCall
from runtime.errors import BrokerError, LifecycleError
from runtime.launch.broker import DIRECTORY as BROKER_DIRECTORY
from runtime.launch.broker import is_listening
from runtime.launch.report import encode, one_line, reason, show
from runtime.plan.policy import SAVED_NAME, TABLE_NAME
from runtime.policy.trusted import DIRECTORY as DIRECTORY_OF_SITE
from runtime.state.container_id import check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from runtime.commands.invocation import Invocation

_READ_SIZE = 1 << 16
_PAUSE_SECONDS = 0.2
_TURNS = 5  # so many pauses between two looks at whether the container has ended
_UNSERVED = (
    "its policy has no need of the broker, and what the kernel denies by itself is heard of only where a broker serves the container; "
    "run --explain-denials has it noted, and for an engine's container a copy of the policy with `broker: {mode: audit}`"
)
_WORDS = {
    "deny": "denied",
    "would-deny": "would be denied",
    "allow": "carried out by the broker",
    "fail": "failed",
    "continue": "left to the kernel",
    "kill": "killed",
    "trap": "trapped",
    "log": "noted",
    "ask": "asked about",
}


def execute(call: PolicyCall) -> int:
    """Print a container's log; what there is none of is said on standard error.  Raises: UsageError, InvalidId, BrokerError."""
    (container_id,) = call.positional(1)
    path = f"{call.invocation.root}/{BROKER_DIRECTORY}/{DIRECTORY}/{log_name(check_id(container_id))}"
    root, follow = call.invocation.root, call.switch("follow")
    if not any(posix.access(name, posix.F_OK) for name in (path, f"{path}.1")):
        why, may_come = _silence(call.invocation, container_id)
        if not (follow and may_come):
            posix.write(2, encode(f"nothing is recorded of container {container_id}: {one_line(why)}\n"))
            return 0
    sentences = Sentences()
    try:
        for line in lines_of(path, (lambda: _is_over(root, container_id)) if follow else None):
            shown = (
                line + b"\n" if call.switch("json") else encode("".join(f"{one}\n" for one in sentences.lines(line)))
            )
            try:
                show(shown)
            except BrokenPipeError:
                return 0  # who reads has seen enough
    except OSError as error:
        raise BrokerError(f"read {path}: {reason(error)}") from error
    except KeyboardInterrupt:
        return 0
    return 0


def _silence(invocation: "Invocation", container_id: str) -> tuple[str, bool]:
    """Why there is no record of a container, and whether there may be one yet.  Raises: BrokerError where there is no such container."""
    try:
        container = Container(invocation.root, container_id)
    except LifecycleError as error:
        raise BrokerError(
            f"container {container_id} has no log below {invocation.root}, and there is no such container: it is of another --root, "
            "or is gone and nothing was recorded of it, as of one whose policy has no need of the broker"
        ) from error
    try:
        under_policy, brokered = (_is_in(container.dir_fd, name) for name in (SAVED_NAME, TABLE_NAME))
        stopped = container.status == "stopped"
    finally:
        container.close()
    if not under_policy:
        return "no policy is in force for it", False
    if not brokered:
        return _UNSERVED, False
    if load_settings(invocation.policy_dir or DIRECTORY_OF_SITE).log == "journald":
        return f"records go to the journal: journalctl POSTERN_CONTAINER={container_id}", False
    return "nothing that its policy has noted (see its `audit`) has happened", not stopped


def _is_in(dir_fd: int, name: str) -> bool:
    try:
        posix.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_over(root: str, container_id: str) -> bool:
    """Whether nothing more can come: the container is gone or stopped, and the broker serves none of the ID."""
    try:
        container = Container(root, container_id)
    except LifecycleError:
        pass
    else:
        try:
            if container.status != "stopped":
                return False
        finally:
            container.close()
    try:
        return all(row["id"] != container_id for row in ask_broker(root, {"op": "status"})["containers"])
    except BrokerError:
        return not is_listening(root)  # one that is changing hands answers the next time


def lines_of(path: str, is_over: "Callable[[], bool] | None") -> "Iterator[bytes]":
    """The lines of the older file and the current one; with `is_over` those to come until it holds, rotation included."""
    yield from _finished(f"{path}.1")
    fd, rest, idle, over = -1, b"", 0, False
    while True:
        if fd < 0:
            fd = _open(path)
        data = posix.read(fd, _READ_SIZE) if fd >= 0 else b""
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if data:
            continue
        if is_over is None or over:
            return
        idle += 1
        if idle % _TURNS == 0 and is_over():
            over = True  # what was written before is read once more
        elif fd >= 0 and _is_replaced(fd, path):
            posix.close(fd)
            fd, rest = -1, b""
        else:
            sleep(_PAUSE_SECONDS)


def _open(path: str) -> int:
    try:
        return posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _finished(path: str) -> "Iterator[bytes]":
    fd, rest = _open(path), b""
    if fd < 0:
        return
    try:
        while data := posix.read(fd, _READ_SIZE):
            *lines, rest = (rest + data).split(b"\n")
            yield from lines
    finally:
        posix.close(fd)


def _is_replaced(fd: int, path: str) -> bool:
    try:
        now = posix.stat(path)
    except FileNotFoundError:
        return False  # between two names
    return (now.st_dev, now.st_ino) != (posix.fstat(fd).st_dev, posix.fstat(fd).st_ino)


def _parse(line: bytes) -> "dict[str, Any] | None":
    try:
        record = loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def describe(line: bytes) -> str:
    """A record in words: time, program, call and its target, verdict, why, how long it took."""
    record = _parse(line)
    return f"(damaged: {len(line)} bytes)" if record is None else one_line(sentence(record))


class Sentences:
    """Records in words, with a heading where a container of the ID begins."""

    __slots__ = ("_init",)

    def __init__(self) -> None:
        """Before the first record."""
        self._init: object = None

    def lines(self, line: bytes) -> list[str]:
        """One record's lines: its sentence, and a heading before it where its container is another one than the last record's."""
        record = _parse(line) or {}
        init = record.get("init")
        if init is None or init == self._init:
            return [describe(line)]
        self._init = init
        begin = str(record.get("time", ""))[:19].replace("T", " ")
        heading = f"--- {begin} UTC: container {record.get('container')}, policy {record.get('policy')}"
        return [one_line(heading), describe(line)]


def sentence(record: "dict[str, Any]") -> str:
    """The same of a record that is parsed already."""
    clock = str(record.get("time", ""))[11:23]
    call, target = str(record.get("syscall") or ""), str(record.get("target") or "")
    what = [call, target.removeprefix(f"{call} ") if call else target]
    decoded = record.get("decoded")
    if isinstance(decoded, dict) and not record.get("target"):
        what += [f"{name}={value}" for name, value in decoded.items()]
    verdict = str(record.get("verdict"))
    words = _WORDS.get(verdict, verdict)
    if record.get("errno"):
        words += f" ({record['errno']})"
    why = f": {record['rule']}" if record.get("rule") else ""
    took = f", {record['micros']} us" if "micros" in record else ""
    head = f"{clock} {record.get('program') or '-'}[{record.get('pid')}]"
    return f"{head} {' '.join(filter(None, what))}: {words}{why} [{record.get('layer')}{took}]"
