"""events: a container's statistics as lines of JSON, once or at an interval."""

import posix
from time import sleep

from oci_schemas.json_text import dumps
from runtime.commands.container_stats import container_stats, flat_keyed
from runtime.commands.containers import Container, find_for, read_at
from runtime.commands.invocation import Invocation
from runtime.errors import UsageError
from runtime.host.probe import probe_hugepages
from runtime.launch.report import show
from runtime.state.store import is_alive

_UNITS = (("ms", 0.001), ("us", 0.000001), ("ns", 0.000000001), ("h", 3600.0), ("m", 60.0), ("s", 1.0))
_STEP_S = 0.5


def parse_interval(text: str) -> float:
    """A positive duration as Go writes it (`5s`, `1m30s`, `500ms`), in seconds.  Raises: UsageError."""
    total, rest = 0.0, text
    while rest:
        size = 0
        while size < len(rest) and (rest[size].isdigit() or rest[size] == "."):
            size += 1
        unit = next((unit for unit in _UNITS if rest[size:].startswith(unit[0])), None)
        try:
            number = float(rest[:size])
        except ValueError:
            unit = None
            number = 0.0
        if unit is None:
            raise UsageError(f'invalid value "{text}" for flag -interval: parse error')
        total += number * unit[1]
        rest = rest[size + len(unit[0]) :]
    if total <= 0:
        raise UsageError("duration interval must be greater than 0")
    return total


def _line(container: Container, kind: str, data: object) -> None:
    event = {"type": kind, "id": container.state.container_id, **({} if data is None else {"data": data})}
    show(dumps(event) + b"\n")


def _reader(fd: int, name: str) -> str:
    try:
        return read_at(fd, name).decode()
    except OSError:
        return ""


def _show_stats(container: Container, fd: int) -> None:
    _line(container, "stats", container_stats(lambda name: _reader(fd, name), probe_hugepages()))


def _oom_kills(fd: int) -> int:
    return flat_keyed(_reader(fd, "memory.events")).get("oom_kill", 0)


def _follow(container: Container, fd: int, interval: float) -> None:
    """Lines until the container stops: statistics at each interval, an oom event as soon as a process was killed."""
    left, kills = interval, _oom_kills(fd)
    while is_alive(container.state):
        step = min(_STEP_S, left)
        sleep(step)
        left -= step
        now = _oom_kills(fd)
        if now > kills:
            _line(container, "oom", None)
        kills = now
        if left <= 0:
            _show_stats(container, fd)
            left = interval


def execute(invocation: Invocation) -> int:
    """Print the events.  Raises: OciError."""
    interval = parse_interval(invocation.text("interval") or "5s")
    container = find_for(invocation)
    fd = container.open_cgroup()
    if invocation.switch("stats"):
        _show_stats(container, fd)
    else:
        _follow(container, fd, interval)
    posix.close(fd)
    container.close()
    return 0
