"""containerd: ctr with the runc.v2 shim and BinaryName set to the runtime under test."""

from __future__ import annotations

import json
import time

import pytest

from integration.framework.engines import Containerd
from integration.framework.terminal import Terminal


@pytest.fixture
def name(containerd: Containerd, request: pytest.FixtureRequest) -> str:
    """A container name; the container is removed at the end, whatever state it is in."""
    fresh = f"c{time.monotonic_ns()}"

    def remove() -> None:
        containerd("task", "kill", "-s", "KILL", fresh)
        containerd("task", "rm", "-f", fresh)
        containerd("container", "rm", fresh)

    request.addfinalizer(remove)
    return fresh


@pytest.fixture
def image(containerd: Containerd) -> str:
    """The reference under which the image was imported."""
    return next(line.split()[0] for line in containerd("images", "ls").ok().out.splitlines()[1:])


@pytest.mark.parametrize("code", [0, 5, 255])
def test_exit_code(containerd: Containerd, image: str, name: str, code: int) -> None:
    """ctr run --rm gives the process's exit code."""
    assert containerd(*containerd.run_words("--rm"), image, name, "/probe", "exit", str(code)).rc == code


def test_facts(containerd: Containerd, image: str, name: str) -> None:
    """ctr's config arrives: capabilities, namespaces, masked paths."""
    facts = json.loads(containerd(*containerd.run_words("--rm"), image, name, "/probe", "facts").ok().out)
    assert facts["pid"] == 1
    assert facts["caps"]["effective"] == 0xA80425FB
    assert facts["nnp"] == 1
    assert " /proc/sys " in facts["mountinfo"]


def test_default_seccomp(containerd: Containerd, image: str, name: str) -> None:
    """--seccomp applies containerd's default profile."""
    result = containerd(*containerd.run_words("--rm", "--seccomp"), image, name, "/probe", "calls", "39", "246").ok()
    assert json.loads(result.out) == {"39": 0, "246": 1}


@pytest.mark.parametrize("program", ["/missing", "/not-executable"])
def test_cannot_execute(containerd: Containerd, image: str, name: str, program: str) -> None:
    """The runtime's words reach the user through the shim."""
    result = containerd(*containerd.run_words("--rm"), image, name, program)
    assert result.rc == 1
    assert ("no such file or directory" if program == "/missing" else "permission denied") in result.err.lower()
    assert "unable to retrieve OCI runtime error" not in result.err


def test_terminal(containerd: Containerd, image: str, name: str) -> None:
    """ctr run -t relays a terminal."""
    terminal = Terminal.open(22, 66)
    words = (*containerd.run_words("--rm", "-t"), image, name, "/bin/sh")
    process = containerd.spawn(*words, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, start_new_session=True)
    terminal.expect("# ")
    terminal.type("echo $((6*7))-sum\n")
    terminal.expect("42-sum")
    terminal.type("exit 3\n")
    assert process.wait(timeout=20) == 3
    terminal.close()


def test_detached_life(containerd: Containerd, image: str, name: str) -> None:
    """run -d, task ls, exec, task ps, kill, delete: every call of the shim."""
    containerd(*containerd.run_words("-d"), image, name, "/probe", "wait").ok()
    assert "RUNNING" in containerd("task", "ls").ok().out
    result = containerd("task", "exec", "--exec-id", "e1", name, "/bin/echo", "inside")
    assert (result.rc, result.out) == (0, "inside\n")
    assert containerd("task", "exec", "--exec-id", "e2", name, "/probe", "exit", "8").rc == 8
    assert len(containerd("task", "ps", name).ok().out.splitlines()) == 2
    containerd("task", "kill", "-s", "KILL", name).ok()
    deadline = time.monotonic() + 10
    while "STOPPED" not in containerd("task", "ls").ok().out:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert containerd("task", "rm", name).rc == 137
    assert list((containerd.directory / "runc").rglob(f"*{name}*")) == []


@pytest.mark.parametrize("flag", ["--read-only", "--net-host"])
def test_modes(containerd: Containerd, image: str, name: str, flag: str) -> None:
    """Config variants of ctr run."""
    assert containerd(*containerd.run_words("--rm", flag), image, name, "/bin/echo", "works").ok().out == "works\n"
