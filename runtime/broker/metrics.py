"""Counters as Prometheus's text format, over HTTP/1.0 on a unix socket.

Source: Prometheus, "Exposition formats", text format 0.0.4.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Stats = Mapping[str, int]

_COUNTERS = (
    ("received", "calls_received_total", "System calls that asked the broker."),
    ("allowed", "calls_allowed_total", "Calls that the broker carried out."),
    ("denied", "calls_denied_total", "Calls that the broker refused."),
    ("continued", "calls_continued_total", "Calls that the kernel carried out after the broker had seen them."),
    ("asked", "calls_asked_total", "Calls that a handler was asked about."),
    ("timed_out", "calls_timed_out_total", "Calls whose time limit ended before the answer."),
    ("gone", "calls_gone_total", "Calls whose caller ended, or was interrupted, before the answer."),
    ("replayed", "calls_replayed_total", "Calls taken up from a worker that had died."),
    ("lost_events", "container_events_lost_total", "Events beyond the container's share of the ring: not logged."),
)


def escape(value: str) -> str:
    """A label's value."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP postern_broker_{name} {text}", f"# TYPE postern_broker_{name} {kind}"]


def _histogram(micros: "Iterable[int]") -> list[str]:
    """Durations of answers.  The core counts by powers of two; a sum it does not have, so there is none here."""
    lines = _head("answer_seconds", "histogram", "Time from a call's receipt to its answer.")
    counts = list(micros)
    below = 0
    for power, count in enumerate(counts[:-1]):
        below += count
        lines.append(f'postern_broker_answer_seconds_bucket{{le="{(1 << power) / 1e6:g}"}} {below}')
    total = sum(counts)
    lines.append(f'postern_broker_answer_seconds_bucket{{le="+Inf"}} {total}')
    lines.append(f"postern_broker_answer_seconds_count {total}")
    return lines


def render(
    containers: "Mapping[tuple[str, str], Stats]", gauges: "Mapping[str, tuple[str, str, int]]", micros: "Iterable[int]"
) -> str:
    """The text.  `containers`: counters by (container ID, policy); `gauges`: name to (type, help, value); `micros`: the histogram."""
    lines: list[str] = []
    for field, name, text in _COUNTERS:
        lines += _head(name, "counter", text)
        for (container_id, policy), stats in containers.items():
            labels = f'container="{escape(container_id)}",policy="{escape(policy)}"'
            lines.append(f"postern_broker_{name}{{{labels}}} {stats[field]}")
    for name, (kind, text, value) in gauges.items():
        lines += [*_head(name, kind, text), f"postern_broker_{name} {value}"]
    lines += _histogram(micros)
    return "\n".join(lines) + "\n"


def response(request: bytes, body: str) -> bytes:
    """The answer to a request's first line: the metrics at /metrics and /, else 404; only GET and HEAD."""
    words = request.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or words[0] not in (b"GET", b"HEAD"):
        return _reply("405 Method Not Allowed", b"", head_only=False)
    if words[1].split(b"?")[0] not in (b"/", b"/metrics"):
        return _reply("404 Not Found", b"", head_only=False)
    return _reply("200 OK", body.encode("utf-8", "replace"), head_only=words[0] == b"HEAD")


def _reply(status: str, body: bytes, *, head_only: bool) -> bytes:
    head = (
        f"HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    return head if head_only else head + body
