"""A broker in the foreground, as a service runs it: it does not end because another one serves, and never takes its containers from it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from integration.broker.test_survive import Loop, await_progress, end, policy
from integration.framework.broker import Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="the broker is postern's")

WAITS = "another broker serves here; this one waits until it has ended"


@contextmanager
def foreground(container: Container, broker: Broker) -> Iterator[subprocess.Popen[str]]:
    """`postern broker --foreground` of the container's state root; ended at the end."""
    words = [str(container.runtime.path), "--root", str(broker.root), "broker", "--foreground"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=20)


def await_word(process: subprocess.Popen[str]) -> None:
    """Until it has said that it waits."""
    assert process.stderr is not None
    assert WAITS in process.stderr.readline()


def test_a_service_waits_for_its_turn(make: Callable[[], Container], broker: Broker) -> None:
    """The keeper that a worker has started serves on; when it has ended with its containers, the service does."""
    first, second = make(), make()
    broker.end()
    with foreground(first, broker) as service:
        wait_until((broker.directory / "socket").exists, "it listens")
        loop = Loop(first)
        await_progress(broker, first, 50)
        with foreground(first, broker) as next_service:
            await_word(next_service)
            for _ in range(3):  # the service's own keeper, and two that the worker has started
                [keeper] = [pid for pid in broker.keepers() if pid != next_service.pid]
                end(broker, keeper)
                wait_until(lambda: len(broker.keepers()) == 2 and len(broker.workers()) == 2, "everybody is there")
                await_progress(broker, first, 50)
            assert service.wait(20) == -signal.SIGKILL
            assert next_service.poll() is None
            rounds, failed, out = loop.result()
            assert failed == 0, out
            assert rounds >= 100
            [keeper] = [pid for pid in broker.keepers() if pid != next_service.pid]
            os.kill(keeper, signal.SIGTERM)
            wait_until(lambda: broker.keepers() == [next_service.pid], "the other one has ended")
            second.bundle.file("/etc/hello")
            second.bundle.args("/bin/cat", "/etc/hello")
            assert second.run(*policy(second)).ok().out == "content\n"
            assert broker.keepers() == [next_service.pid]


def test_a_service_that_waits_can_be_ended(container: Container, broker: Broker) -> None:
    """Without a trace: the other one does not notice."""
    subprocess.run([str(container.runtime.path), "--root", str(broker.root), "broker"], check=True, timeout=20)
    keepers = wait_until(broker.keepers, "one is there")
    with foreground(container, broker) as service:
        await_word(service)
        os.kill(service.pid, signal.SIGTERM)
        assert service.wait(20) == -signal.SIGTERM
    assert broker.keepers() == keepers
