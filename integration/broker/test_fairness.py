"""What one container does to the broker, and what another one notices of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from integration.framework.gate import OPENS, Gated, serving, table

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
