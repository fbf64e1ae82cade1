"""kill: every way to name a signal, --all, and the refusals."""

from __future__ import annotations

import re
import signal

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs

CRUN_NUMBER = differs("crun", reason="crun reads a number as strtol does and ignores what follows")


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("15", 15),
        ("USR1", 10),
        ("SIGUSR1", 10),
        ("10", 10),
        ("SIGHUP", 1),
        ("1", 1),
        ("INT", 2),
    ],
)
def test_signal_names(container: Container, word: str, number: int) -> None:
    """Names with and without SIG, and numbers, all reach init."""
    container.waiting()
    container.kill(word).ok()
    container.wait_for_output(f"signal {number}\n")


@pytest.mark.parametrize("word", ["term", "SigUsr1", "sighup"])
@differs("crun", reason="crun knows upper-case names only", strict=False)
def test_signal_names_any_case(container: Container, word: str) -> None:
    """Case does not matter."""
    container.waiting()
    container.kill(word).ok()
    number = int(getattr(signal, "SIG" + word.upper().removeprefix("SIG")))
    container.wait_for_output(f"signal {number}\n")


def test_default_is_term(container: Container) -> None:
    """Without a signal it is SIGTERM."""
    container.waiting()
    container.kill().ok()
    container.wait_for_output("signal 15\n")
    assert container.exit_code() == 0


@pytest.mark.parametrize(
    "word", ["NOSUCH", "SIGNOSUCH", "99999", "-9x", *(pytest.param(word, marks=CRUN_NUMBER) for word in ("0x9", "9 9"))]
)
def test_unknown_signal(container: Container, word: str) -> None:
    """A word that names no signal is refused and nothing is sent."""
    container.waiting()
    result = container.call("kill", container.id, word)
    assert result.rc == 1, result
    if word in ("NOSUCH", "SIGNOSUCH"):
        assert re.search(container.says(f'unknown signal "{word}"', "signal"), result.message)
    assert container.status() == "running"


def test_created_container(container: Container) -> None:
    """A created container can be killed."""
    container.create()
    container.kill("KILL").ok()
    assert container.exit_code() == 137
    container.wait_for("stopped")


def test_stopped_container(container: Container) -> None:
    """A stopped one cannot, in words the shim knows."""
    container.bundle.args("/bin/true")
    container.create()
    container.start()
    container.exit_code()
    result = container.kill("KILL").refused(
        "container not running|process already finished|not running|No such process"
    )
    assert result.out == ""


@pytest.mark.parametrize("flag", ["--all", "-a"])
def test_all(container: Container, flag: str) -> None:
    """--all reaches every process of the container."""
    container.bundle.without_namespace("pid").probe("spawn")
    container.up()
    container.wait_for_output("ready")
    assert len((container.cgroup / "cgroup.procs").read_text().split()) == 2
    container.call("kill", flag, container.id, "KILL").ok()
    container.exit_code()
    container.wait_for("stopped").delete().ok()


@differs("crun", reason="crun refuses to kill all of a stopped container", strict=False)
def test_all_of_stopped(container: Container) -> None:
    """With --all a stopped container is no error: the shim calls it after the exit."""
    container.bundle.args("/bin/true")
    container.create()
    container.start()
    container.exit_code()
    container.call("kill", "--all", container.id, "9").ok()


def test_shim_form(container: Container) -> None:
    """The decimal form every engine uses."""
    container.waiting()
    container.kill("9").ok()
    assert container.exit_code() == 137
