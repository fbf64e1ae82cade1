"""policy log: what the broker, and where it tells us the kernel, decided for a container, for people to read."""

import posix
from time import sleep

from oci_schemas.json_text import loads
from runtime.broker.logs import DIRECTORY, log_name
from runtime.commands.policy_call import PolicyCall
from runtime.errors import BrokerError
from runtime.launch.broker import DIRECTORY as BROKER_DIRECTORY
from runtime.launch.report import encode, one_line, reason, show
from runtime.state.container_id import check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_READ_SIZE = 1 << 16
_PAUSE_SECONDS = 0.2
_WORDS = {
    "deny": "denied",
    "would-deny": "would be denied",
    "allow": "carried out by the broker",
    "continue": "left to the kernel",
    "kill": "killed",
    "trap": "trapped",
    "log": "noted",
    "ask": "asked about",
}


def execute(call: PolicyCall) -> int:
    """Print a container's log.  Raises: UsageError, InvalidId, BrokerError."""
    (container_id,) = call.positional(1)
    path = f"{call.invocation.root}/{BROKER_DIRECTORY}/{DIRECTORY}/{log_name(check_id(container_id))}"
    follow = call.switch("follow")
    if not follow and not any(posix.access(name, posix.F_OK) for name in (path, f"{path}.1")):
        raise BrokerError(
            f"container {container_id} has no log: no policy of its has needed the broker, nothing was denied, or the journal has it"
        )
    try:
        for line in lines_of(path, follow):
            show(line + b"\n" if call.switch("json") else encode(describe(line) + "\n"))
    except OSError as error:
        raise BrokerError(f"read {path}: {reason(error)}") from error
    except KeyboardInterrupt:
        return 0
    return 0


def lines_of(path: str, follow: bool) -> "Iterator[bytes]":
    """The lines of the older file and the current one; with `follow` also those to come, for ever, rotation included."""
    yield from _finished(f"{path}.1")
    fd, rest = -1, b""
    while True:
        if fd < 0:
            fd = _open(path)
        data = posix.read(fd, _READ_SIZE) if fd >= 0 else b""
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if data:
            continue
        if not follow:
            return
        if fd >= 0 and _is_replaced(fd, path):
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


def describe(line: bytes) -> str:
    """A record in words: time, program, call and its target, verdict, why, how long it took."""
    try:
        record = loads(line)
    except ValueError:
        return f"(damaged: {len(line)} bytes)"
    if not isinstance(record, dict):
        return f"(damaged: {len(line)} bytes)"
    return one_line(sentence(record))


def sentence(record: "dict[str, Any]") -> str:
    """The same of a record that is parsed already."""
    clock = str(record.get("time", ""))[11:23]
    what = [str(record.get("syscall") or ""), str(record.get("target") or "")]
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
