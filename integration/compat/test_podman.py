"""podman: conmon and libpod on the runtime under test."""

from __future__ import annotations

import json
import time

import pytest

from integration.framework.engines import Podman
from integration.framework.terminal import Terminal

IMAGE = "localhost/box:latest"


def detached(podman: Podman) -> str:
    """The ID of a fresh detached container whose init waits."""
    container = podman(*podman.run_words("-d"), IMAGE, "/probe", "wait").ok().out.strip()
    deadline = time.monotonic() + 10
    while "ready" not in podman("logs", container).out:
        assert time.monotonic() < deadline, podman("logs", container)
        time.sleep(0.05)
    return container


@pytest.mark.parametrize("code", [0, 6, 255])
def test_exit_code(podman: Podman, code: int) -> None:
    """podman run gives the process's exit code."""
    assert podman(*podman.run_words("--rm"), IMAGE, "/probe", "exit", str(code)).rc == code


def test_streams(podman: Podman) -> None:
    """Input and both outputs."""
    result = podman(*podman.run_words("--rm", "-i"), IMAGE, "/probe", "echo", stdin=b"through podman")
    assert (result.rc, result.out, result.err) == (0, "through podman", "end\n")


@pytest.mark.parametrize(
    ("program", "code"), [("/missing", 127), ("missing", 127), ("/not-executable", 126), ("/etc", 126)]
)
def test_cannot_execute(podman: Podman, program: str, code: int) -> None:
    """127 and 126, found in the runtime's words."""
    result = podman(*podman.run_words("--rm"), IMAGE, program)
    assert result.rc == code, result


def test_default_profile(podman: Podman) -> None:
    """podman's seccomp profile and capabilities are in force."""
    facts = json.loads(podman(*podman.run_words("--rm"), IMAGE, "/probe", "facts").ok().out)
    status = dict(line.split(":\t", 1) for line in facts["status"].splitlines() if ":\t" in line)
    assert status["Seccomp"] == "2"
    calls = json.loads(podman(*podman.run_words("--rm"), IMAGE, "/probe", "calls", "246", "39").ok().out)
    assert calls["39"] == 0
    assert calls["246"] in (1, 38)


@pytest.mark.parametrize(
    ("flags", "key", "want"),
    [
        (("--user", "1000:1000"), "uid", [1000, 1000, 1000]),
        (("--workdir", "/tmp"), "cwd", "/tmp"),
        (("--hostname", "named"), "hostname", "named"),
        (("--umask", "0077"), "umask", 0o077),
        (("--security-opt", "no-new-privileges"), "nnp", 1),
    ],
)
def test_flags(podman: Podman, flags: tuple[str, ...], key: str, want: object) -> None:
    """Flags that become config reach the process."""
    assert json.loads(podman(*podman.run_words("--rm", *flags), IMAGE, "/probe", "facts").ok().out)[key] == want


@pytest.mark.parametrize(
    "flag",
    ["--read-only", "--init", "--ipc=host", "--uts=host", "--cgroupns=host", "--uidmap=0:100000:5000", "--no-hosts"],
)
def test_modes(podman: Podman, flag: str) -> None:
    """Modes that change namespaces and mounts."""
    result = podman(*podman.run_words("--rm", flag), IMAGE, "/bin/echo", "works")
    if "catatonit" in result.err:
        pytest.skip("no catatonit here")
    assert result.out == "works\n", result


def test_terminal(podman: Podman) -> None:
    """podman run -it relays a terminal of the right size."""
    terminal = Terminal.open(29, 77)
    words = (*podman.run_words("--rm", "-it"), IMAGE, "/bin/sh")
    process = podman.spawn(
        *words, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, start_new_session=True
    )
    terminal.expect("# ")
    terminal.type("echo $((6*7))-sum; stty size\n")
    terminal.expect("42-sum")
    terminal.expect("29 77")
    terminal.type("exit 4\n")
    assert process.wait(timeout=30) == 4
    terminal.close()


def test_detached_life(podman: Podman) -> None:
    """run -d, exec, top, kill, wait, logs, rm."""
    container = detached(podman)
    assert podman("exec", container, "/bin/echo", "inside").ok().out == "inside\n"
    assert podman("exec", container, "/probe", "exit", "7").rc == 7
    assert "/probe wait" in podman("top", container, "args").ok().out
    podman("kill", "-s", "USR1", container).ok()
    podman("stop", "-t", "5", container).ok()
    assert podman("wait", container).ok().out.strip() == "0"
    assert podman("logs", container).ok().out == "ready\nsignal 10\nsignal 15\n"
    podman("rm", container).ok()


@pytest.mark.parametrize(("program", "code"), [("/missing", 127), ("missing", 127), ("/not-executable", 126)])
def test_exec_cannot_execute(podman: Podman, program: str, code: int) -> None:
    """126 and 127 of podman exec."""
    container = detached(podman)
    result = podman("exec", container, program)
    podman("rm", "-f", "-t", "0", container).ok()
    assert result.rc == code, result


def test_exec_terminal(podman: Podman) -> None:
    """podman exec -it relays a terminal."""
    container = detached(podman)
    terminal = Terminal.open(21, 71)
    words = ("exec", "-it", container, "/bin/sh")
    process = podman.spawn(
        *words, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, start_new_session=True
    )
    terminal.expect("# ")
    terminal.type("echo $((6*7))-sum; exit 4\n")
    terminal.expect("42-sum")
    assert process.wait(timeout=30) == 4
    terminal.close()
    podman("rm", "-f", "-t", "0", container).ok()


def test_rm_force(podman: Podman) -> None:
    """rm -f ends a running container."""
    container = detached(podman)
    podman("rm", "-f", "-t", "0", container).ok()
    assert podman("inspect", container).rc != 0


def test_pod(podman: Podman) -> None:
    """Two containers join one network namespace by path, as the containers of a pod do."""
    first = detached(podman)
    result = podman(
        "run",
        "--rm",
        "--cgroup-parent",
        podman.cgroup_parent,
        "--network",
        f"container:{first}",
        IMAGE,
        "/bin/readlink",
        "/proc/self/ns/net",
    )
    inside = podman("exec", first, "/bin/readlink", "/proc/self/ns/net").ok().out
    podman("rm", "-f", "-t", "0", first).ok()
    assert result.ok().out == inside
