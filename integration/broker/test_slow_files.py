"""A file system that does not answer: whoever opens a file there waits, and nobody else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.broker.test_survive import policy
from integration.framework.broker import MEDIATED, Broker
from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.gate import OPENS, Gated, serving, table
from integration.framework.slow_files import SlowFiles

pytestmark = only("postern", reason="the broker is postern's")

OPENED = dict.fromkeys(OPENS, "open")
MANY = 12  # more than the core has threads


def test_workers_that_hang_are_replaced(tmp_path: Path) -> None:
    """More opens hang than there are workers: another container's are answered as ever, and those that hang end well."""
    (tmp_path / "near").write_text("near\n")
    with serving(threads=2) as broker, SlowFiles(tmp_path / "far") as far:
        script = f"for n in {' '.join(map(str, range(MANY)))}; do (read x <{far.place}/slow && echo $x) & done; wait"
        hog = Gated(list(OPENS), "exec", "/bin/sh", "-c", script)
        index = broker.add(hog, table(OPENED, timeout_ms=60000))
        hog.release()
        far.await_opens(MANY)
        modest = Gated(
            list(OPENS),
            "exec",
            "/bin/sh",
            "-c",
            f"i=0; while [ $i -lt 200 ]; do read x <{tmp_path}/near; i=$((i+1)); done; echo $x",
        )
        broker.add(modest, table(OPENED))
        modest.release()
        assert modest.finish()[1] == "near\n"
        assert broker.core.stats(index)["inflight"] == MANY
        far.release()
        assert hog.finish() == (0, "at last\n" * MANY)


@pytest.mark.parametrize("kind", ["deny", "kill"])
def test_an_open_that_hangs_too_long_is_answered_for(kind: str, tmp_path: Path) -> None:
    """After `timeout_ms` as `on_failure` says; the thread in the file system is given up, and the core ends all the same."""
    with serving(threads=1) as broker, SlowFiles(tmp_path / "far") as far:
        limits = table(OPENED, timeout_ms=300, on_failure=kind)
        script = f"exec 2>&-; read x <{far.place}/slow || echo refused"
        gated = Gated(list(OPENS), "exec", "/bin/sh", "-c", script)
        index = broker.add(gated, limits)
        gated.release()
        far.await_opens(1)
        assert gated.finish() == ((0, "refused\n") if kind == "deny" else (-9, ""))
        assert broker.core.stats(index)["timed_out"] == 1
        far.release()


def test_a_container_on_a_slow_file_system_holds_up_no_other(
    make: Callable[[], Container], broker: Broker, tmp_path: Path
) -> None:
    """Through the whole service: the neighbour is served meanwhile, and the worker is the same one afterwards."""
    slow, neighbour = make(), make()
    with SlowFiles(tmp_path / "far") as far:
        slow.bundle.bind(far.place, "/etc/hollow")
        slow.bundle.shell("for n in 1 2 3 4 5 6 7 8; do (read x </etc/hollow/slow; echo $x) & done; wait")
        slow.create(*policy(slow, MEDIATED + "broker: {timeout_ms: 60000}\n"))
        slow.start()
        far.await_opens(8)
        worker = broker.serving()
        neighbour.bundle.file("/etc/hello")
        neighbour.bundle.args("/bin/cat", "/etc/hello")
        assert neighbour.run(*policy(neighbour)).ok().out == "content\n"
        far.release()
        slow.wait_for("stopped")
        assert slow.output() == "at last\n" * 8
        assert broker.serving() == worker
        assert os.path.exists(f"/proc/{worker}")
        slow.delete().ok()
