"""The loop itself: modes, limits, swaps, restarts, and callers in roots of their own."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from integration.framework import probe
from integration.framework.gate import NUMBERS, OPENS, Broker, Gated, memory_file, paths, serving, table
from runtime.broker.native import ASK, CONTINUE, DECISION, GONE, Core, Event
from runtime.broker.table import encode_table

GETPPID = str(NUMBERS["getppid"])
OPENED = dict.fromkeys(OPENS, "open")
EACCES, EPERM, ENOENT = 13, 1, 2
SYSTEM = ("/usr", "/lib", "/lib64", "/etc", "/bin", "/proc", "/dev")


def wait_for(broker: Broker | Core, kind: int) -> Event:
    """The next event of a kind."""
    core = broker.core if isinstance(broker, Broker) else broker
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for event in core.events(1):
            if event.kind == kind:
                return event
        time.sleep(0.005)
    message = f"no event of kind {kind}"
    raise AssertionError(message)


def result(output: str) -> int:
    """What the last call of `gate loop` returned."""
    return int(output.split(maxsplit=1)[0])


def loop(count: int = 1) -> list[str]:
    """Words that make `gate` call getppid."""
    return ["loop", str(count), GETPPID]


@pytest.mark.parametrize(("handler", "errno", "expected"), [("deny", 77, -77), ("continue", None, None)])
def test_a_verdict_that_rests_on_the_table_alone(handler: str, errno: int | None, expected: int | None) -> None:
    """The error of the rule, or the kernel's own answer (None: our own pid)."""
    calls = {"getppid": {"handler": handler, "errno": errno, "rule": 3}}
    with serving() as broker:
        _, out = broker.run({**table({}, audit="all"), "calls": calls}, *loop())
        event = broker.events()[0]
    assert result(out) == (expected or os.getpid())
    assert (event.kind, event.rule, event.verdict) == (DECISION, 3, errno or CONTINUE)


def test_a_call_that_the_table_does_not_name_is_refused() -> None:
    """A filter that asks about more than the table knows gives nothing away."""
    with serving() as broker:
        gated = Gated(["getppid", "getpgid"], *loop())
        broker.add(gated, table({"getpgid": "continue"}))
        gated.release()
        assert result(gated.finish()[1]) == -EPERM


def test_events_tell_what_was_refused(tmp_path: Path) -> None:
    """Path, error, program, and the end of the container."""
    secret = tmp_path / "secret"
    secret.write_text("s")
    with serving() as broker:
        code, _ = broker.run(table(OPENED, read=paths(*SYSTEM)), "exec", "/bin/cat", str(secret))
        events = broker.events()
    assert code == 1
    assert [(event.text, event.verdict, event.comm) for event in events if event.kind == DECISION] == [
        (f"read {secret}", EACCES, "cat")
    ]


@pytest.mark.parametrize("mode", ["audit", "record"])
def test_a_mode_that_only_looks_changes_nothing(mode: str, tmp_path: Path) -> None:
    """Everything is carried out by the kernel and told."""
    file = tmp_path / "file"
    file.write_text("told")
    with serving() as broker:
        code, out = broker.run(table(OPENED, read=paths("/nothing"), mode=mode), "exec", "/bin/cat", str(file))
        texts = [event.text for event in broker.events()]
    assert (code, out) == (0, "told")
    assert any(str(file) in text for text in texts)


@pytest.mark.parametrize(("word", "expected"), [(0, 0), (EACCES, 1), (99, 1)])
def test_ask_mode_does_what_it_is_told(word: int, expected: int, tmp_path: Path) -> None:
    """The call waits for the answer; what is allowed meanwhile is not asked about."""
    file = tmp_path / "file"
    file.write_text("asked")
    policy = table(OPENED, read=paths(*SYSTEM), mode="ask", timeout_ms=20000)
    with serving() as broker:
        gated = Gated(list(OPENS), "exec", "/bin/cat", str(file))
        broker.add(gated, policy)
        gated.release()
        event = wait_for(broker, ASK)
        assert event.text == f"read {file}"
        assert broker.core.answer(event.ticket, word)
        code, out = gated.finish()
        assert not broker.core.answer(event.ticket, 0)
    assert code == expected
    assert ("asked" in out) is (expected == 0)


@pytest.mark.parametrize(("failure", "expected"), [("deny", 1), ("kill", -signal.SIGKILL)])
def test_a_question_that_nobody_answers(failure: str, expected: int, tmp_path: Path) -> None:
    """After its time the call is refused, or the caller is killed, as the table says."""
    (tmp_path / "file").write_text("x")
    policy = table(OPENED, read=paths(*SYSTEM), mode="ask", timeout_ms=100, on_failure=failure)
    with serving() as broker:
        code, _ = broker.run(policy, "exec", "/bin/cat", str(tmp_path / "file"))
    assert code == expected


def test_an_answer_is_for_what_was_asked_alone(tmp_path: Path) -> None:
    """While somebody thinks about one file, the path is made to lead to another: that one is not opened."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("one")
    policy = table(OPENED, read=paths(*SYSTEM), mode="ask", timeout_ms=20000)
    with serving() as broker:
        gated = Gated(list(OPENS), "exec", "/bin/cat", str(tmp_path / "link"))
        broker.add(gated, policy)
        gated.release()
        event = wait_for(broker, ASK)
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("two")
        broker.core.answer(event.ticket, 0)
        code, out = gated.finish()
    assert code == 1
    assert "two" not in out


def test_a_swap_counts_from_the_next_call_on() -> None:
    """Under load: no call fails for another reason than the new table."""
    with serving() as broker:
        gated = Gated(["getppid"], *loop(2_000_000))
        index = broker.add(gated, table({"getppid": "continue"}))
        gated.release()
        time.sleep(0.2)
        for handler in ("deny", "continue") * 20:
            fd = memory_file(encode_table(table({"getppid": handler}, audit="none")))
            broker.core.swap(index, fd)
            os.close(fd)
            time.sleep(0.01)
        stats = broker.core.stats(index)
        gated.process.kill()
        gated.finish()
    assert stats["denied"] > 0 < stats["continued"]


def test_equal_tables_are_kept_apart() -> None:
    """Two containers under one policy: another table for the one, or its end, is nothing to the other."""
    denies = table({"getppid": "deny"})
    with serving() as broker:
        callers = [Gated(["getppid"], *loop()) for _ in range(3)]
        indexes = [broker.add(gated, denies) for gated in callers]
        fd = memory_file(encode_table(table({"getppid": "continue"})))
        broker.core.swap(indexes[0], fd)
        broker.core.swap(indexes[0], fd)
        os.close(fd)
        callers[0].release()
        assert result(callers[0].finish()[1]) > 0
        callers[1].release()
        assert result(callers[1].finish()[1]) == -EPERM
        for index in indexes[:2]:
            broker.core.remove(index)
        time.sleep(0.1)  # what was replaced and removed is freed by the clock
        callers[2].release()
        assert result(callers[2].finish()[1]) == -EPERM


def test_a_wrong_table_changes_nothing() -> None:
    """The old one stays in force."""
    with serving() as broker:
        gated = Gated(["getppid"], *loop())
        index = broker.add(gated, table({"getppid": "deny"}))
        fd = memory_file(b"no table" * 40)
        with pytest.raises(OSError, match="cannot replace the table"):
            broker.core.swap(index, fd)
        os.close(fd)
        gated.release()
        assert result(gated.finish()[1]) == -EPERM


def test_a_new_broker_answers_what_the_old_one_had_received(tmp_path: Path) -> None:
    """The journal holds the call; whoever opens it next carries it out, and nobody sees a failure."""
    (tmp_path / "file").write_text("kept")
    journal, policy = os.memfd_create("journal"), table(OPENED, read=paths(*SYSTEM), mode="ask", timeout_ms=60000)
    allowed = memory_file(encode_table(table(OPENED)))
    gated = Gated(list(OPENS), "exec", "/bin/cat", str(tmp_path / "file"))
    kept, first = os.dup(gated.listener), memory_file(encode_table(policy))
    with Core(journal, 2) as core:
        core.add(7, gated.listener, first, (gated.process.pid, 0, 0))
        gated.release()
        wait_for(core, ASK)
    with Core(journal, 2) as core:
        core.add(7, kept, allowed, (gated.process.pid, 0, 0))
        assert gated.finish() == (0, "kept")
        assert core.stats()["replayed"] == 1
    for fd in (journal, allowed, first):
        os.close(fd)


@pytest.mark.parametrize(("forked", "right"), [(True, True), (True, False), (False, True)])
def test_init_before_its_program_is_exempt(*, forked: bool, right: bool) -> None:
    """The executor that registered may call anything; a process with another program may not, then or later.

    Nor may one that executed that very file: an image's program can be a link to /proc/self/exe.
    """
    with serving() as broker:
        gated = Gated(["getppid"], *(["forked"] if forked else []), *loop())
        pid = gated.process.pid
        init = int(Path(f"/proc/{pid}/task/{pid}/children").read_text()) if forked else pid
        status = os.stat(f"/proc/{init}/exe")
        fd = memory_file(encode_table(table({"getppid": "deny"})))
        broker.core.add(1, gated.listener, fd, (init, status.st_dev, status.st_ino + (not right)))
        os.close(fd)
        gated.release()
        assert result(gated.finish()[1]) == (pid if forked and right else -EPERM)


def test_a_full_container_waits_and_others_do_not(tmp_path: Path) -> None:
    """max_inflight of one container is used up by calls that wait; another one is answered."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with serving() as broker:
        full = Gated(list(OPENS), "exec", "/bin/sh", "-c", f"cat {fifo} & cat {fifo} & cat {fifo} & wait")
        index = broker.add(full, table(OPENED, max_inflight=2))
        full.release()
        deadline = time.monotonic() + 10
        while broker.core.stats(index)["inflight"] < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert broker.core.stats(index)["inflight"] == 2
        _, out = broker.run(table({"getppid": "deny"}), *loop(100))
        assert result(out) == -EPERM
        with fifo.open("w") as writer:
            time.sleep(0.2)
            writer.write("x")
        full.process.kill()
        full.finish()


def test_a_listener_that_is_removed_answers_nothing() -> None:
    """Its calls fail as without anybody listening."""
    with serving() as broker:
        gated = Gated(["getppid"], *loop())
        broker.core.remove(broker.add(gated, table({"getppid": "continue"})))
        time.sleep(0.5)
        gated.release()
        assert result(gated.finish()[1]) == -38  # ENOSYS


def test_the_end_of_a_container_is_told() -> None:
    """When the last process under the filter has ended."""
    with serving() as broker:
        gated = Gated(["getppid"], *loop())
        broker.add(gated, table({"getppid": "continue"}))
        gated.release()
        gated.finish()
        assert wait_for(broker, GONE).pid == gated.process.pid


@pytest.mark.slow
def test_no_end_is_lost_however_many_there_are() -> None:
    """More listeners than the ring of events has places end at once, while nobody reads: each end is told, and once."""
    count = 3000
    with serving() as broker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.run([str(probe.built("listeners")), str(count)], stdin=theirs.fileno(), check=True, timeout=60)
        with ours:
            content = memory_file(encode_table(table({"getppid": "continue"})))
            expected = {}
            for key in range(1, count + 1):
                pid, fds, _flags, _address = socket.recv_fds(ours, 4, 1)
                expected[key] = int.from_bytes(pid, sys.byteorder)
                broker.core.add(key, fds[0], content, (expected[key], 0, 0))
            os.close(content)
        deadline = time.monotonic() + 60
        while any(_runs(pid) for pid in expected.values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)  # until the core has heard of all
        told: list[Event] = []
        while select.select([broker.core.wake_fd()], [], [], 1)[0]:
            told += broker.core.events()
    assert sorted((event.key, event.pid) for event in told if event.kind == GONE) == sorted(expected.items())


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_audit_says_what_would_have_been_refused(tmp_path: Path) -> None:
    """The errno of the policy, while the call goes through."""
    (tmp_path / "file").write_text("seen")
    policy = table(OPENED, read=paths(*SYSTEM), write=paths("/nothing"), mode="audit")
    script = f"cat {tmp_path}/file; echo new > {tmp_path}/made; cat {tmp_path}/made"
    with serving() as broker:
        assert broker.run(policy, "exec", "/bin/sh", "-c", script) == (0, "seennew\n")
        told = [(event.text, event.verdict, event.denied) for event in broker.events() if event.kind == DECISION]
    expected = [f"read {tmp_path}/file", f"write {tmp_path}/made", f"read {tmp_path}/made"]
    assert sorted(told) == sorted([(text, EACCES, True) for text in expected])  # two workers, no order between them


def test_an_error_of_the_call_is_no_denial(tmp_path: Path) -> None:
    """A file that is not there is not refused."""
    with serving() as broker:
        broker.run(table(OPENED, audit="decisions"), "exec", "/bin/cat", str(tmp_path / "none"))
        last = [event for event in broker.events() if "none" in event.text]
    assert [(event.verdict, event.denied) for event in last] == [(ENOENT, False)]


@pytest.mark.parametrize(
    ("read", "expected"), [([[["/etc", 1]], [["/usr", 2]]], None), ([[["/nothing", 1]]], None)], ids=["second", "only"]
)
def test_the_lack_of_a_rule_is_no_rule(read: list[Any], expected: int | None) -> None:
    """A path that some layer allows and another one does not is refused by no rule."""
    system = [[path, 9] for path in ("/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache")]
    layers = [[*layer, *system] for layer in read]
    with serving() as broker:
        broker.run(table(OPENED, read=layers), "exec", "/bin/cat", "/etc/hostname")
        denied = [event for event in broker.events() if event.denied and event.text == "read /etc/hostname"]
    assert [event.rule for event in denied] == [expected]


def test_a_device_may_be_written_to_where_files_may_not() -> None:
    """As on a read-only mount."""
    policy = table(OPENED, read=paths("/"), write=paths("/nothing"))
    with serving() as broker:
        code, out = broker.run(policy, "exec", "/bin/sh", "-c", "echo x > /dev/null && echo fine")
    assert (code, out) == (0, "fine\n")


def test_a_broker_without_root_takes_no_table_that_it_cannot_serve() -> None:
    """It could do nothing for anybody, so the container is refused and not each of its calls."""
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from integration.framework.gate import memory_file, table\n"
        "from runtime.broker.native import Core\n"
        "from runtime.broker.table import encode_table\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "with Core(os.memfd_create('journal'), 1) as core:\n"
        "    fd = memory_file(encode_table(table({'openat': 'open'})))\n"
        "    try: core.add(1, os.dup(0), fd, (os.getpid(), 0, 0))\n"
        "    except OSError as error: print(error.errno)\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parents[2])]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert result.stdout == f"{EPERM}\n"
