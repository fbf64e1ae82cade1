"""Decisions as records: their fields, which level wants them, and how they are written and read."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.broker import arguments, audit, kernel_audit, logs
from runtime.broker.keeper_wire import ADD, Message
from runtime.broker.native import Event
from runtime.broker.registry import Registration, Registry
from runtime.commands import policy_log

NAMES = audit.CallNames("x86_64")
HEAD = {"name": "web", "mode": "enforce", "rules": ["a.yaml:1: filesystem.read: /etc"], "wall_time_ms": 5}


def event(**changes: Any) -> Event:
    """An open that was denied."""
    fields: dict[str, Any] = dict.fromkeys(Event.__slots__, 0)  # type: ignore[attr-defined]
    fields |= {
        "nr": 257,
        "args": (0xFFFFFF9C, 1, 0o101, 0, 0, 0),
        "verdict": 13,
        "denied": True,
        "rule": None,
        "comm": "cat",
        "text": "write /etc/x",
    }
    return Event(**{**fields, **changes})


def registration(**head: Any) -> Registration:
    """A container's."""
    made = Registration(Message(ADD, container_id="c1", pid=7, fds=(-1,)))
    made.head = {**HEAD, **head}
    return made


def test_a_denial_has_every_field() -> None:
    """What docs/broker-service.md lists."""
    record = audit.describe(event(), registration(), NAMES, "open")
    assert (record["container"], record["policy"], record["syscall"], record["program"]) == (
        "c1",
        "web",
        "openat",
        "cat",
    )
    assert (record["verdict"], record["errno"], record["rule"], record["layer"]) == ("deny", "EACCES", None, "broker")
    assert record["decoded"] == {"flags": "O_WRONLY|O_CREAT"}
    assert record["target"] == "write /etc/x"
    assert record["time"] == "1970-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("verdict", "mode", "words"),
    [
        (0, "enforce", ("allow", None)),
        (-1, "enforce", ("continue", None)),
        (1, "enforce", ("deny", "EPERM")),
        (1, "audit", ("would-deny", "EPERM")),
        (4000, "enforce", ("deny", "4000")),
    ],
)
def test_verdicts_in_words(verdict: int, mode: str, words: tuple[str, str | None]) -> None:
    """0, an errno, or CONTINUE."""
    assert audit.verdict_words(verdict, mode) == words


def test_a_result_is_no_denial() -> None:
    """A file that is not there: the policy allowed the call, and below `decisions` nobody hears of it."""
    record = audit.describe(event(verdict=2, denied=False), registration(), NAMES, "open")
    assert (record["verdict"], record["errno"]) == ("fail", "ENOENT")
    assert "openat write /etc/x: failed (ENOENT)" in policy_log.sentence(record)
    assert not audit.is_wanted("denials", 2, "open", denied=False)
    assert audit.is_wanted("decisions", 2, "open", denied=False)


def test_what_was_there_before_a_call() -> None:
    """The core's mark is a field of its own."""
    for text, existed in (("=/a", True), ("/a", False)):
        record = audit.describe(event(verdict=-1, denied=False, text=text), registration(), NAMES, "record")
        assert (record["target"], record["existed"]) == ("/a", existed)


def test_sentences_name_a_call_once() -> None:
    """Also where the core's own words begin with its name; a time limit has no call."""
    record = audit.describe(event(nr=165, text="mount x /tmp flags 0x0"), registration(), NAMES, "mount")
    assert "mount mount" not in policy_log.sentence(record)
    limit = policy_log.sentence(audit.limit_record(registration(), 0))
    assert "the container: killed: limits.wall_time: 5 ms" in limit


def test_lives_of_one_id_are_told_apart() -> None:
    """A heading with the date where a container begins, and none within its life or before the kernel's own records."""
    records = [
        {"time": "2026-01-02T03:04:05.000006Z", "container": "c1", "policy": "web", "init": init} for init in (7, 7, 8)
    ]
    records.insert(1, {"time": "2026-01-02T03:04:05.000006Z", "container": "c1", "policy": "web"})
    shown = policy_log.Sentences()
    heads = [line for record in records for line in shown.lines(json.dumps(record).encode()) if line.startswith("---")]
    assert heads == ["--- 2026-01-02 03:04:05 UTC: container c1, policy web"] * 2


def test_the_kernels_records_say_whose_life_they_are_of() -> None:
    """Beside the container's ID and policy its init, by which a heading is printed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    served, registry = registration(), Registry()
    served.pid = served.init = 2**22 + 1  # nobody
    registry.add(served)
    text = f'audit(1:2): pid={served.pid} comm="cat" exe="/bin/cat" syscall=257 code=0x80000000'.encode()
    theirs.send(pack("<IHHII", 16 + len(text), kernel_audit.SECCOMP, 0, 0, 0) + text)
    [record] = kernel_audit.KernelAudit(ours).read(registry, NAMES, "2026-01-02T03:04:05.000006Z")
    assert (record["container"], record["policy"], record["init"]) == ("c1", "web", served.init)
    shown = policy_log.Sentences().lines(json.dumps(record).encode())
    assert shown[0] == "--- 2026-01-02 03:04:05 UTC: container c1, policy web"
    assert "openat: killed [seccomp]" in shown[1]
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("level", "verdict", "handler", "wanted"),
    [
        ("none", 1, "open", False),
        ("denials", 1, "open", True),
        ("denials", 0, "open", False),
        ("denials", -1, "record", True),
        ("decisions", 0, "open", True),
        ("decisions", -1, "continue", False),
        ("all", -1, "continue", True),
    ],
)
def test_the_level_decides(level: str, verdict: int, handler: str, wanted: bool) -> None:
    """What is only observed was asked for, whatever the level."""
    assert audit.is_wanted(level, verdict, handler) is wanted


def test_the_rule_is_the_tables_own_text() -> None:
    """A number beyond the rules is none."""
    assert audit.rule_text(HEAD, 0) == "a.yaml:1: filesystem.read: /etc"
    assert audit.rule_text(HEAD, 5) is None
    assert audit.rule_text({}, 0) is None


@pytest.mark.parametrize(
    ("call", "args", "decoded"),
    [
        ("socket", (2, 0o2000001, 6), {"domain": "AF_INET", "type": "SOCK_STREAM", "protocol": "6"}),
        ("ioctl", (0, 0x5401, 0), {"request": "TCGETS"}),
        ("ioctl", (0, 0xDEAD, 0), {"request": "0xdead"}),
        ("prctl", (15, 0, 0), {"option": "PR_SET_NAME"}),
        ("clone", (0x10000000 | 0x11, 0, 0), {"flags": "CLONE_NEWUSER"}),
        ("clone", (0x11, 0, 0), {"flags": "no namespace"}),
        ("kill", (5, 9, 0), {"signal": "9"}),
        ("read", (1, 2, 3), {}),
    ],
)
def test_registers_in_words(call: str, args: tuple[int, ...], decoded: dict[str, str]) -> None:
    """Names where there are some, numbers else."""
    assert arguments.decode(call, args, "x86_64") == decoded


@given(call=st.sampled_from(sorted(NAMES._names.values())), args=st.tuples(*[st.integers(0, 2**64 - 1)] * 6))
def test_any_registers_have_words(call: str, args: tuple[int, ...]) -> None:
    """Nothing that a program puts into its registers upsets the log."""
    json.dumps(arguments.decode(call, args, "x86_64"))


@given(text=st.text(), comm=st.text(max_size=15))
@example(text="=", comm="")
def test_any_text_is_one_line_and_shown_harmlessly(text: str, comm: str) -> None:
    """Paths and names are the container's: the line stays one, and no control character reaches a terminal."""
    line = logs.encode_line(audit.describe(event(text=text, comm=comm), registration(), NAMES, "open"))
    assert line.count(b"\n") == 1
    assert json.loads(line)["target" if text else "syscall"] == (text or "openat")
    shown = policy_log.describe(line)
    assert not any(ord(char) < 32 or ord(char) == 127 for char in shown)


def test_a_damaged_line_is_said_to_be_one() -> None:
    """A log that was cut is read on."""
    assert policy_log.describe(b'{"time": "20') == "(damaged: 12 bytes)"
    assert policy_log.describe(b"[1]") == "(damaged: 3 bytes)"


def test_a_file_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files at most, and no line is in neither until both are full."""
    monkeypatch.setattr(logs, "MAX_BYTES", 200)
    log = logs.FileLog(str(tmp_path))
    for number in range(9):
        log.write("c1", [{"number": number, "fill": "x" * 60}])
    assert log.lost == 0
    names = sorted(os.listdir(tmp_path / "log"))
    assert names == ["c1.jsonl", "c1.jsonl.1"]
    path = str(tmp_path / "log/c1.jsonl")
    numbers = [json.loads(line)["number"] for line in policy_log.lines_of(path, None)]
    assert numbers == list(range(numbers[0], 9))
    assert all((tmp_path / "log" / name).stat().st_size <= 200 for name in names)
    assert (tmp_path / "log/c1.jsonl").stat().st_mode & 0o777 == 0o600
    log.end("c1")


def test_old_files_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many containers there were."""
    monkeypatch.setattr(logs, "MAX_FILES", 8)
    log = logs.FileLog(str(tmp_path))
    for number in range(30):
        log.write(f"c{number}", [{"number": number}])
        log.end(f"c{number}")
    kept = os.listdir(tmp_path / "log")
    assert len(kept) <= 8
    assert "c29.jsonl" in kept


def test_a_record_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """The containers go on."""
    log = logs.FileLog(str(tmp_path))
    (tmp_path / "log/c1.jsonl").mkdir()
    log.write("c1", [{}, {}])
    assert log.lost == 2


def test_long_ids_have_files_of_their_own() -> None:
    """A name holds 255 bytes, an ID may have 1023."""
    one, other = logs.log_name("a" * 1000 + "1"), logs.log_name("a" * 1000 + "2")
    assert one != other
    assert max(len(one), len(other)) < 250
    assert logs.log_name("web") == "web.jsonl"


def test_the_journals_protocol(tmp_path: Path) -> None:
    """Fields with their lengths; the line itself is the message."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        log = logs.JournalLog(path)
        log.write("c1", [{"verdict": "deny", "target": "a\nb"}])
        assert log.lost == 1
        journal.bind(path)
        log.write("c1", [{"verdict": "deny", "target": "a\nb"}])
        assert log.lost == 1
        data = journal.recv(65536)
    found = {}
    while data:
        name, _, rest = data.partition(b"\n")
        size = int.from_bytes(rest[:8], "little")
        found[name.decode()], data = rest[8 : 8 + size], rest[9 + size :]
    assert json.loads(found["MESSAGE"]) == {"verdict": "deny", "target": "a\nb", "container": "c1"}
    assert (found["PRIORITY"], found["POSTERN_CONTAINER"], found["POSTERN_TARGET"]) == (b"4", b"c1", b"a\nb")
    log._socket.close()


def test_a_time_limit_is_recorded() -> None:
    """With the rule that set it."""
    record = audit.limit_record(registration(), 0)
    assert (record["verdict"], record["rule"]) == ("kill", "limits.wall_time: 5 ms")
