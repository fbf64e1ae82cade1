"""Workers that wait for one container's next call: everybody else is served as if they did not."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from integration.framework.gate import NUMBERS, OPENS, Broker, Gated, memory_file, paths, serving, table
from integration.framework.slow_files import SlowFiles
from runtime.broker.native import GONE
from runtime.broker.table import encode_table

GETPPID = str(NUMBERS["getppid"])
OPENED = dict.fromkeys(OPENS, "open")
PACED = {"getppid": "continue"}
FOREVER = 50_000_000
EPERM, ENOSYS = 1, 38
SYSTEM = ("/usr", "/lib", "/lib64", "/etc", "/bin", "/dev")
BURST = "i=0; while [ $i -lt 300 ]; do read x <{0}/near; i=$((i+1)); done; "


def threads(name: str) -> list[Path]:
    """The core's threads in this process."""
    return [task for task in Path("/proc/self/task").iterdir() if (task / "comm").read_text().strip() == name]


def waits_for() -> set[str]:
    """The system calls in which workers sleep; `running` for those that do not."""
    return {(task / "syscall").read_text().split()[0] for task in threads("broker")}


def switches(task: Path) -> int:
    """How often a thread has gone to sleep."""
    words = (task / "status").read_text().split()
    return int(words[words.index("voluntary_ctxt_switches:") + 1])


def eventually(check: Callable[[], bool], what: str) -> None:
    """Within half a minute."""
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


def caller(broker: Broker, count: int) -> tuple[Gated, int]:
    """A program that calls getppid so often, released; and its index."""
    gated = Gated(["getppid"], "loop", str(count), GETPPID)
    index = broker.add(gated, table(PACED, audit="none"))
    gated.release()
    return gated, index


def ends(broker: Broker, told: list[int]) -> bool:
    """Whether an end was told; adds whose to `told`."""
    told += [event.pid for event in broker.events() if event.kind == GONE]
    return bool(told)


def end(gated: Gated) -> None:
    """Kill it, and take its pipes away."""
    gated.process.kill()
    gated.process.communicate()


def calls_on(broker: Broker, index: int, more_than: int = 100) -> None:
    """Until a container has made more calls than so many."""
    eventually(lambda: broker.core.stats(index)["received"] > more_than, "it calls")


def result(output: str) -> int:
    """What the last call of `gate loop` returned."""
    return int(output.split(maxsplit=1)[0])


def test_a_worker_stays_while_calls_come_and_not_longer() -> None:
    """In a burst one of them waits in RECV; when it is over all wait for everybody, the clock for nothing."""
    ioctl, epoll = (
        str(NUMBERS["ioctl"]),
        {str(NUMBERS[name]) for name in ("epoll_wait", "epoll_pwait") if name in NUMBERS},
    )
    with serving() as broker:
        busy, index = caller(broker, FOREVER)
        eventually(lambda: ioctl in waits_for(), "a worker waits for this container alone")
        calls_on(broker, index)
        end(busy)
        eventually(lambda: waits_for() <= epoll, "the stay has ended")
        eventually(lambda: bool(threads("broker-clock")), "the clock has begun")
        [clock] = threads("broker-clock")

        def asleep() -> bool:
            before = switches(clock)
            time.sleep(0.5)
            return switches(clock) == before

        eventually(asleep, "the clock sleeps while there is nothing to do")


@pytest.mark.parametrize("callers", [1, 2, 6])
def test_others_are_served_while_workers_stay(callers: int) -> None:
    """However many containers keep the workers busy, the next one's calls are all answered."""
    with serving() as broker:
        busy = [caller(broker, FOREVER) for _ in range(callers)]
        for _ in range(5):
            modest, index = caller(broker, 200)
            assert result(modest.finish()[1]) > 0
            assert broker.core.stats(index)["received"] == 200
        before = [broker.core.stats(index)["received"] for _, index in busy]
        for (_, index), count in zip(busy, before, strict=True):
            calls_on(broker, index, count)
        for gated, _ in busy:
            end(gated)


def test_a_worker_that_waits_in_vain_is_not_missed() -> None:
    """With one more worker only: a container that paused in a burst holds up nobody, and goes on later."""
    with serving(threads=2) as broker:
        quiet, index = caller(broker, FOREVER)
        calls_on(broker, index)
        for _ in range(20):
            os.kill(quiet.process.pid, 19)  # SIGSTOP
            modest, other = caller(broker, 50)
            assert result(modest.finish()[1]) > 0
            assert broker.core.stats(other)["received"] == 50
            before = broker.core.stats(index)["received"]
            os.kill(quiet.process.pid, 18)  # SIGCONT
            calls_on(broker, index, before)
        end(quiet)


def test_a_slow_open_does_not_hold_up_other_threads(tmp_path: Path) -> None:
    """After a burst, an open in a file system that another process of the same container has to move: nobody waits for ever."""
    (tmp_path / "near").write_text("near\n")
    with serving() as broker, SlowFiles(tmp_path / "far") as far:
        near = f"{tmp_path}/near"
        script = f"(read go; read x <{near}; echo other $x) & {BURST.format(tmp_path)} read x <{far.place}/slow; echo $x; wait"
        gated = Gated(list(OPENS), "exec", "/bin/sh", "-c", f"exec 3<&0; {script.replace('read go;', 'read go <&3;')}")
        broker.add(gated, table(OPENED, timeout_ms=60000))
        gated.release()
        far.await_opens(1)
        assert gated.process.stdin is not None
        assert gated.process.stdout is not None
        gated.process.stdin.write(b"go\n")
        assert select.select([gated.process.stdout], [], [], 30)[0], "the other one waits behind the slow open"
        assert gated.process.stdout.readline() == b"other near\n"
        far.release()
        assert gated.finish() == (0, "at last\n")


def test_both_sides_of_a_fifo(tmp_path: Path) -> None:
    """After a burst a thread waits for the other side, which another one of the same container opens."""
    (tmp_path / "near").write_text("near\n")
    os.mkfifo(tmp_path / "fifo")
    script = f"{BURST} for n in 1 2 3 4 5 6 7 8; do (echo $n >{{0}}/fifo) & {BURST} read x <{{0}}/fifo; echo got $x; done; wait"
    with serving() as broker:
        code, out = broker.run(table(OPENED, timeout_ms=60000), "exec", "/bin/sh", "-c", script.format(tmp_path))
    assert (code, out) == (0, "".join(f"got {n}\n" for n in range(1, 9)))


def test_the_end_is_noticed_while_a_worker_stays() -> None:
    """A caller that dies in the midst of a burst: its end is told, and the workers are there for others."""
    with serving() as broker:
        for _ in range(20):
            busy, index = caller(broker, FOREVER)
            calls_on(broker, index)
            end(busy)
            told: list[int] = []
            eventually(partial(ends, broker, told), "the end is told")
            assert told == [busy.process.pid]
            broker.core.remove(index)


def test_a_listener_that_is_removed_in_a_burst() -> None:
    """What comes later is answered by nobody, and the next container is served."""
    with serving() as broker:
        for _ in range(5):
            busy, index = caller(broker, 2_000_000)
            calls_on(broker, index)
            broker.core.remove(index)
            assert result(busy.finish()[1]) == -ENOSYS
        modest, _ = caller(broker, 100)
        assert result(modest.finish()[1]) > 0


def test_a_swap_holds_for_the_very_next_call(tmp_path: Path) -> None:
    """A program opens a file whenever it is told to: after each swap the answer is the new table's, though a worker waits for it."""
    (tmp_path / "file").write_text("x\n")
    script = f"exec 2>&-; while read line; do if read x <{tmp_path}/file; then echo yes; else echo no; fi; done"
    tables = {
        word: memory_file(encode_table(table(OPENED, read=paths(*allowed), audit="none")))
        for word, allowed in {b"yes\n": (*SYSTEM, str(tmp_path)), b"no\n": SYSTEM}.items()
    }
    with serving() as broker:
        gated = Gated(list(OPENS), "exec", "/bin/sh", "-c", script)
        index = broker.add(gated, table(OPENED))
        gated.release()
        assert gated.process.stdin is not None
        assert gated.process.stdout is not None
        for _ in range(200):
            for word, fd in tables.items():
                broker.core.swap(index, fd)
                for _ in range(3):
                    gated.process.stdin.write(b"go\n")
                    assert gated.process.stdout.readline() == word
        gated.finish()
    for fd in tables.values():
        os.close(fd)
