"""What one container does to the broker, and what another one notices of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from integration.framework.gate import OPENS, Broker, Gated, paths, serving, table
from runtime.broker.native import GONE

OPENED = dict.fromkeys(OPENS, "open")


def test_calls_that_wait_leave_room_for_others(tmp_path: Path) -> None:
    """Two containers with more of them than there are workers: a third one can still wait for its own."""
    for name in ("never", "soon"):
        os.mkfifo(tmp_path / name)
    script = f"i=0; while [ $i -lt 160 ]; do (read x <{tmp_path}/never) 2>&- & i=$((i+1)); done; echo; wait"
    with serving() as broker:
        hogs = [Gated(list(OPENS), "exec", "/bin/sh", "-c", script) for _ in range(2)]
        indices = []
        for hog in hogs:
            indices.append(broker.add(hog, table(OPENED, max_inflight=300)))
            hog.release()
        deadline = time.monotonic() + 20
        while sum(broker.core.stats(index)["inflight"] for index in indices) < 160 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)  # until each has tried all of them
        modest = Gated(list(OPENS), "exec", "/bin/sh", "-c", f"read x <{tmp_path}/soon && echo got $x")
        broker.add(modest, table(OPENED))
        modest.release()
        soon = os.open(tmp_path / "soon", os.O_RDWR)  # waits for nobody
        os.write(soon, b"it\n")
        said = modest.finish()[1]
        os.close(soon)
        never = os.open(tmp_path / "never", os.O_RDWR)
        os.close(never)  # who waits goes
        for hog in hogs:
            hog.finish()
        assert said == "got it\n"


def listeners() -> int:
    """How many this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += "seccomp notify" in os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # closed meanwhile
    return found


def test_a_wait_keeps_nothing_of_other_containers(tmp_path: Path) -> None:
    """One waits for the other side of a FIFO while others come and go: their listeners and roots are let go of all the same."""
    os.mkfifo(tmp_path / "never")
    with serving() as broker:
        waiting = Gated(list(OPENS), "exec", "/bin/sh", "-c", f"read x <{tmp_path}/never")
        index = broker.add(waiting, table(OPENED))
        for _ in range(4):
            broker.run(table(OPENED), "exec", "/bin/cat", "/etc/hostname")
        waiting.release()
        deadline = time.monotonic() + 30
        while broker.core.stats(index)["inflight"] < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(4):
            broker.run(table(OPENED), "exec", "/bin/cat", "/etc/hostname")
        while listeners() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert listeners() == 1
        assert broker.core.stats(index)["inflight"] == 1
        never = os.open(tmp_path / "never", os.O_RDWR)
        os.close(never)
        waiting.finish()


FLOOD = "exec 2>&-; i=0; while [ $i -lt {0} ]; do read x <{1}/secret; i=$((i+1)); done; echo done"


def flooding(broker: Broker, calls: int, place: Path) -> tuple[Gated, int]:
    """A program that is denied so many opens, one after the other; and its index."""
    gated = Gated(list(OPENS), "exec", "/bin/sh", "-c", FLOOD.format(calls, place))
    return gated, broker.add(gated, table(OPENED, read=paths("/bin", "/lib", "/lib64", "/usr", "/etc")))


@pytest.mark.parametrize("hogs", [1, 3])
def test_a_flood_pushes_out_no_neighbours_denials(tmp_path: Path, hogs: int) -> None:
    """Nobody reads while some containers are denied thousands of calls: what another one is denied then is all there."""
    (tmp_path / "secret").write_text("")
    with serving() as broker:
        floods = [flooding(broker, 4000, tmp_path) for _ in range(hogs)]
        for hog, _ in floods:
            hog.release()
        for hog, index in floods:
            assert hog.finish()[1] == "done\n"
            assert broker.core.stats(index)["lost_events"] > 1000
        modest, index = flooding(broker, 100, tmp_path)
        modest.release()
        assert modest.finish()[1] == "done\n"
        assert broker.core.stats(index)["lost_events"] == 0
        lost = broker.core.stats()["lost_events"]
        assert lost == sum(broker.core.stats(index)["lost_events"] for _, index in floods)
        events = broker.events()
        # the keys are given in the order of adding
        denied = [event for event in events if event.key == hogs + 1 and event.denied]
        assert len(denied) == 100
        assert {f"{tmp_path}/secret" in event.text for event in denied} == {True}
        for key in range(1, hogs + 1):
            assert sum(event.key == key for event in events) > 200  # it had its share
            assert sum(event.key == key and event.kind == GONE for event in events) == 1  # and its end was told


def test_a_share_is_given_back(tmp_path: Path) -> None:
    """Once its events are read a container has room for others: read often enough, none is lost."""
    (tmp_path / "secret").write_text("")
    with serving() as broker:
        hog, index = flooding(broker, 4000, tmp_path)
        hog.release()
        seen = 0
        while hog.process.poll() is None:
            seen += sum(event.denied for event in broker.events())
        hog.finish()
        seen += sum(event.denied for event in broker.events())
        assert seen + broker.core.stats(index)["lost_events"] == 4000
        assert seen > 2048
