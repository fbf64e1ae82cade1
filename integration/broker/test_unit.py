"""The broker as a unit of systemd: `packaging/systemd/postern-broker.service`, installed as it is but for its paths."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.broker.test_survive import Loop, await_progress, policy
from integration.framework.broker import Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = [only("postern", reason="the broker is postern's"), pytest.mark.vm, pytest.mark.systemd]

UNIT = "postern-broker-test.service"
SOURCE = Path(__file__).parents[2] / "packaging/systemd/postern-broker.service"
STARTS = "ExecStart=/usr/local/bin/postern --root /run/postern broker --foreground\n"


def systemctl(*words: str) -> str:
    """What it says."""
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def main_pid() -> int:
    """The unit's main process; 0 for none."""
    return int(systemctl("show", "--property=MainPID", "--value", UNIT))


@pytest.fixture
def unit(container: Container, broker: Broker) -> Iterator[int]:
    """The unit, started; its main process, which is the keeper."""
    if not Path("/run/systemd/system").is_dir():
        pytest.skip("systemd is not init here")
    broker.end()
    path = Path("/run/systemd/system") / UNIT
    text = SOURCE.read_text()
    assert STARTS in text
    path.write_text(
        text.replace(STARTS, f"ExecStart={container.runtime.path} --root {broker.root} broker --foreground\n")
    )
    try:
        systemctl("daemon-reload")
        systemctl("start", UNIT)
        wait_until((broker.directory / "socket").exists, "the unit's keeper listens")
        yield main_pid()
    finally:
        systemctl("stop", UNIT)
        broker.end()
        path.unlink()
        systemctl("daemon-reload")


def test_no_call_is_lost_when_the_units_keeper_is_killed(unit: int, container: Container, broker: Broker) -> None:
    """A container under a policy goes on; the unit waits for the keeper that its worker has started, and then serves."""
    wait_until(lambda: broker.keepers() == [unit], "it is the only keeper")
    loop = Loop(container)
    await_progress(broker, container, 20)
    os.kill(unit, signal.SIGKILL)
    wait_until(lambda: main_pid() not in (0, unit), "the unit has another main process")
    wait_until(lambda: len(broker.keepers()) == 2, "another keeper is there")
    await_progress(broker, container, 20)
    rounds, failed, out = loop.result()
    assert failed == 0, out
    assert rounds >= 20
    [keeper] = [pid for pid in broker.keepers() if pid != main_pid()]
    os.kill(keeper, signal.SIGTERM)
    wait_until(lambda: broker.keepers() == [main_pid()], "the unit's keeper is the only one")
    wait_until(broker.serving, "its worker serves")
    assert systemctl("show", "--property=ActiveState,NRestarts", "--value", UNIT).split() == ["active", "1"]


def test_systemd_starts_a_keeper_again_that_had_nothing_to_hand_on(
    unit: int, container: Container, broker: Broker
) -> None:
    """Without containers its worker ends with it; the next container finds the unit's next keeper."""
    os.kill(unit, signal.SIGKILL)
    wait_until(lambda: main_pid() not in (0, unit), "the unit has another main process")
    wait_until(broker.serving, "its worker serves")
    # a worker looks like a keeper until it has executed
    wait_until(lambda: broker.keepers() == [main_pid()], "it is the only keeper")
    container.bundle.file("/etc/hello")
    container.bundle.args("/bin/cat", "/etc/hello")
    assert container.run(*policy(container)).ok().out == "content\n"
    wait_until(lambda: broker.keepers() == [main_pid()], "it stays the only one")
