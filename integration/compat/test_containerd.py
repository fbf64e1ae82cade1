"""containerd: ctr with the runc.v2 shim and BinaryName set to the runtime under test."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework.bundle import Bundle
from integration.framework.engines import Containerd
from integration.framework.flavours import differs
from integration.framework.terminal import Terminal


@pytest.fixture
def name(containerd: Containerd) -> Iterator[str]:
    """A container name; the container is removed at the end, whatever state it is in."""
    fresh = f"c{time.monotonic_ns()}"
    yield fresh
    containerd("task", "kill", "-s", "KILL", fresh)
    containerd("task", "rm", "-f", fresh)
    containerd("container", "rm", fresh)


@pytest.fixture
def box(engine_directory: Path, engine_cgroup: str, name: str) -> Bundle:
    """A bundle whose config ctr hands on as it is."""
    return Bundle(engine_directory / "ctr" / name, f"{engine_cgroup}/{name}")


@pytest.mark.parametrize("code", [0, 5, 255])
def test_exit_code(containerd: Containerd, box: Bundle, name: str, code: int) -> None:
    """ctr run --rm gives the process's exit code."""
    box.probe("exit", str(code))
    assert containerd(*containerd.run_bundle(box, "--rm"), name).rc == code


def test_facts(containerd: Containerd, box: Bundle, name: str) -> None:
    """The config arrives, and both outputs come back through the shim's fifos."""
    box.shell("/probe facts; sleep 0.1")  # ctr gives up its end of a fifo that it has not opened when the process ends
    facts = json.loads(containerd(*containerd.run_bundle(box, "--rm"), name).ok().out)
    assert facts["ppid"] == 1
    assert facts["nnp"] == 1
    assert facts["open"] == [0, 1, 2]


@differs("crun", reason="crun says operation not permitted", strict=False)
@pytest.mark.parametrize(
    ("program", "words"), [("/missing", "no such file or directory"), ("/etc/passwd", "permission denied")]
)
def test_cannot_execute(containerd: Containerd, box: Bundle, name: str, program: str, words: str) -> None:
    """The runtime's words reach the user through the shim and its JSON log."""
    result = containerd(*containerd.run_bundle(box.args(program), "--rm"), name)
    assert result.rc == 1
    assert words in result.err.lower()
    assert "unable to retrieve OCI runtime error" not in result.err


def test_terminal(containerd: Containerd, box: Bundle, name: str) -> None:
    """ctr run -t relays a terminal."""
    terminal = Terminal.open(22, 66)
    box.args("/bin/sh").process["terminal"] = True
    words = (*containerd.run_bundle(box, "--rm", "-t"), name)
    process = containerd.spawn(
        *words, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, start_new_session=True
    )
    terminal.expect("# ")
    terminal.type("echo $((6*7))-sum\n")
    terminal.expect("42-sum")
    terminal.type("exit 3\n")
    assert process.wait(timeout=20) == 3
    terminal.close()


def test_detached_life(containerd: Containerd, box: Bundle, name: str) -> None:
    """run -d, task ls, exec, task ps, kill, delete: every call of the shim."""
    containerd(*containerd.run_bundle(box.probe("wait"), "-d"), name).ok()
    assert "RUNNING" in containerd("task", "ls").ok().out
    result = containerd("task", "exec", "--exec-id", "e1", name, "/bin/echo", "inside")
    assert (result.rc, result.out) == (0, "inside\n")
    assert containerd("task", "exec", "--exec-id", "e2", name, "/probe", "exit", "8").rc == 8
    assert len(containerd("task", "ps", name).ok().out.splitlines()) == 2
    containerd("task", "kill", "-s", "KILL", name).ok()
    deadline = time.monotonic() + 10
    while f"{name}" not in containerd("task", "ls").ok().out or "STOPPED" not in containerd("task", "ls").out:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    containerd("task", "rm", name)
    assert list((containerd.directory / "runc").rglob(f"*{name}*")) == []


def test_pause_is_refused_or_works(containerd: Containerd, box: Bundle, name: str) -> None:
    """A verb the runtime may not have comes back as an error, never as a container that hangs."""
    containerd(*containerd.run_bundle(box.probe("wait"), "-d"), name).ok()
    paused = containerd("task", "pause", name)
    if paused.rc == 0:
        assert "PAUSED" in containerd("task", "ls").ok().out
        containerd("task", "resume", name).ok()
    containerd("task", "kill", "-s", "KILL", name).ok()


@pytest.mark.vm
def test_image(containerd: Containerd, name: str) -> None:
    """ctr's own config, with its cpu shares and default seccomp profile, on an imported image."""
    image = next(line.split()[0] for line in containerd("images", "ls").ok().out.splitlines()[1:])
    words = (*containerd.run_words("--rm", "--seccomp"), image, name, "/probe", "calls", "39", "246")
    assert json.loads(containerd(*words).ok().out) == {"39": 0, "246": 1}
