"""What happens to containers when parts of the broker die: nothing as long as one part is left, and no call passes when none is."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.framework.broker import MEDIATED, Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="the broker is postern's")

# every round opens a file through the broker; the marker file ends it
LOOP = """
rounds=0; failed=0
while [ ! -e /tmp/stop ]; do
    read line < /etc/hello || failed=$((failed+1))
    rounds=$((rounds+1))
done
echo "rounds $rounds failed $failed"
"""


def policy(container: Container, text: str = MEDIATED) -> tuple[str, str]:
    """The flags that put a policy over a container."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(text)
    return ("--policy", str(path))


class Loop:
    """A container that opens a file again and again."""

    def __init__(self, container: Container) -> None:
        container.bundle.file("/etc/hello")
        container.bundle.shell(LOOP)
        self.marker: Path = container.bundle.rootfs / "tmp/stop"
        self.process = container.foreground(*policy(container), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def result(self) -> tuple[int, int, str]:
        """(rounds, failed, all that it printed) after it was told to stop."""
        self.marker.write_text("")
        out = self.process.communicate(timeout=60)[0].decode()
        words = out.split()
        assert words[-4::2] == ["rounds", "failed"], out
        return int(words[-3]), int(words[-1]), out


def opened(broker: Broker, container: Container) -> int:
    """How many calls the serving worker has had from a container."""
    return sum(row.get("received", 0) for row in broker.served(container.id))


def await_progress(broker: Broker, container: Container, calls: int) -> None:
    """Until the worker that serves now has answered so many calls."""
    wait_until(lambda: opened(broker, container) >= calls, f"{container.id} makes {calls} calls")


def end(broker: Broker, victim: int) -> None:
    """SIGKILL, and wait until the process is gone."""
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in (*broker.keepers(), *broker.workers()), "it has ended")


def test_no_call_fails_when_the_worker_is_killed(container: Container, broker: Broker) -> None:
    """SIGKILL under load, five times: the next worker goes on, and nothing is lost."""
    loop = Loop(container)
    seen = set()
    for _ in range(5):
        await_progress(broker, container, 200)
        worker = broker.serving()
        seen.add(worker)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: broker.serving() not in seen, "another worker serves")
    await_progress(broker, container, 200)
    rounds, failed, out = loop.result()
    assert failed == 0, out
    assert rounds >= 1200
    assert len(seen) == 5


def test_no_call_fails_when_the_keeper_is_killed(make: Callable[[], Container], broker: Broker) -> None:
    """The worker starts another keeper, gives it everything and goes on serving; the next container finds it."""
    first = make()
    loop = Loop(first)
    wait_until(lambda: broker.keepers() and opened(broker, first), "the first container is served")
    [keeper] = broker.keepers()
    worker = broker.serving()
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: broker.keepers() not in ([], [keeper]), "another keeper is there")
    await_progress(broker, first, 200)
    second = make()
    second.bundle.file("/etc/hello")
    second.bundle.args("/bin/cat", "/etc/hello")
    assert second.run(*policy(second)).ok().out == "content\n"
    assert len(broker.keepers()) == 1
    assert broker.serving() == worker
    rounds, failed, out = loop.result()
    assert failed == 0, out
    assert rounds >= 200


def test_no_call_fails_when_all_die_in_turn(make: Callable[[], Container], broker: Broker) -> None:
    """Keeper, then the worker that started the next one, then that keeper: each time somebody is left who knows everything."""
    container, idle = make(), make()
    loop = Loop(container)
    idle.bundle.args("/bin/sleep", "1000")
    idle.up(*policy(idle))
    for find in (broker.keepers, lambda: [broker.serving()]) * 2:
        wait_until(lambda: len(broker.keepers()) == 1 and len(broker.workers()) == 2, "everybody is there")
        [victim] = find()
        end(broker, victim)
        await_progress(broker, container, opened(broker, container) + 200)
    assert broker.served(idle.id)
    rounds, failed, out = loop.result()
    assert failed == 0, out
    assert rounds >= 400


def test_another_keeper_that_came_first(make: Callable[[], Container], broker: Broker) -> None:
    """A worker whose keeper died, and who finds another one in its place, serves its own containers to their end; new ones go there."""
    first, second = make(), make()
    loop = Loop(first)
    wait_until(lambda: broker.keepers() and opened(broker, first), "the first container is served")
    wait_until(lambda: len(broker.workers()) == 2, "the standby is there")
    [keeper], worker = broker.keepers(), broker.serving()
    os.kill(worker, signal.SIGSTOP)  # so that it is late
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: keeper not in broker.keepers(), "the keeper is gone")
    subprocess.run([str(first.runtime.path), "--root", str(broker.root), "broker"], check=True, timeout=20)
    wait_until(lambda: broker.serving() != worker, "the other one's worker serves")
    os.kill(worker, signal.SIGCONT)
    log = broker.directory / "broker.log"
    wait_until(lambda: "another keeper has come" in log.read_text(), "the worker knows of it")
    second.bundle.file("/etc/hello")
    second.bundle.args("/bin/cat", "/etc/hello")
    assert second.run(*policy(second)).ok().out == "content\n"
    assert worker in broker.workers()
    assert broker.served(first.id) == []
    rounds, failed, out = loop.result()
    assert failed == 0, out
    assert rounds >= 200
    wait_until(lambda: worker not in broker.workers(), "it has ended with its last container")
    assert len(broker.keepers()) == 1


def test_without_keeper_and_worker_nothing_passes(container: Container, broker: Broker) -> None:
    """Nobody is left to decide: the calls fail, none is let through, and the container can be deleted."""
    container.bundle.file("/etc/hello")
    container.bundle.shell(
        "while ! [ -e /tmp/stop ]; do /bin/sleep 0.02; done; read x < /etc/hello && echo passed; echo end"
    )
    container.create(*policy(container))
    container.start()
    wait_until(lambda: broker.served(container.id), "the container is served")
    wait_until(lambda: len(broker.workers()) == 2, "the standby is there")
    [keeper] = broker.keepers()
    os.kill(keeper, signal.SIGSTOP)
    for worker in broker.workers():
        os.kill(worker, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    (container.bundle.rootfs / "tmp/stop").write_text("")
    container.wait_for("stopped")
    assert "passed" not in container.output()
    container.delete().ok()


def test_wall_time_kills_the_container(container: Container, broker: Broker) -> None:
    """The limit is the keeper's: it holds though worker and keeper die meanwhile, and the log says so."""
    container.bundle.args("/bin/sleep", "1000")
    process = container.foreground(*policy(container, "name: short\nlimits: {wall_time: 2s}\n"))
    wait_until(lambda: broker.served(container.id), "the container is served")
    killed = broker.serving()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: broker.serving() != killed, "another worker serves")
    os.kill(broker.keepers()[0], signal.SIGKILL)
    assert process.wait(30) == 128 + signal.SIGKILL
    ended = [record for record in broker.records(container.id) if record["verdict"] == "kill"]
    assert [record["rule"] for record in ended] == ["limits.wall_time: 2000 ms"]


@pytest.mark.slow
def test_an_idle_keeper_ends(container: Container, broker: Broker) -> None:
    """With nothing to do it leaves by itself; the next container starts another one."""
    container.bundle.file("/etc/hello")
    container.bundle.args("/bin/cat", "/etc/hello")
    program = str(container.runtime.path)
    broker.end()
    subprocess.run([program, "--root", str(broker.root), "broker", "--idle", "1"], check=True, timeout=20)
    wait_until(broker.keepers, "a keeper is there")
    wait_until(lambda: not broker.keepers(), "it has ended")
    time.sleep(0.05)
    assert not (broker.directory / "socket").exists()
    assert container.run(*policy(container)).ok().out == "content\n"
