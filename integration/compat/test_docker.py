"""Docker: dockerd runs containers on the runtime under test, with its default seccomp profile."""

from __future__ import annotations

import json
import time

import pytest

from integration.framework.engines import IMAGE, NAME, Docker
from integration.framework.flavours import differs
from integration.framework.terminal import Terminal

pytestmark = differs(
    "crun", reason="crun refuses dockerd's empty blockIO where the io controller is missing", strict=False
)


def wait_running(docker: Docker, name: str) -> None:
    """Poll until the container runs."""
    deadline = time.monotonic() + 10
    while docker("inspect", "-f", "{{.State.Running}}", name).out.strip() != "true":
        assert time.monotonic() < deadline, docker("inspect", name)
        time.sleep(0.05)


def detached(docker: Docker, *command: str, flags: tuple[str, ...] = ()) -> str:
    """The ID of a fresh detached container."""
    return docker("run", "-d", *flags, IMAGE, *(command or ("/probe", "wait"))).ok().out.strip()


def test_runtime_is_ours(docker: Docker) -> None:
    """dockerd knows the runtime and runs it by default."""
    info = json.loads(docker("info", "--format", "{{json .}}").ok().out)
    assert info["DefaultRuntime"] == NAME
    container = detached(docker)
    assert docker("inspect", "-f", "{{.HostConfig.Runtime}}", container).out.strip() == NAME
    docker("rm", "-f", container).ok()


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code(docker: Docker, code: int) -> None:
    """docker run gives the process's exit code."""
    assert docker("run", "--rm", IMAGE, "/probe", "exit", str(code)).rc == code


def test_output(docker: Docker) -> None:
    """Output and errors arrive apart, input is passed on."""
    result = docker("run", "--rm", "-i", IMAGE, "/probe", "echo", stdin=b"through docker")
    assert (result.rc, result.out, result.err) == (0, "through docker", "end\n")


@pytest.mark.parametrize(
    ("program", "code"),
    [("/missing", 127), ("missing", 127), ("/not-executable", 126), ("/etc", 126), ("/bad-format", (1, 126, 255))],
)
def test_cannot_execute(docker: Docker, program: str, code: int | tuple[int, ...]) -> None:
    """127 for a missing program, 126 for one that cannot be executed; the container is left created, not running."""
    result = docker("run", "--rm", IMAGE, program)
    assert result.rc in (code if isinstance(code, tuple) else (code,)), result


def test_default_profile(docker: Docker) -> None:
    """Docker's default seccomp profile and capabilities are in force."""
    facts = json.loads(docker("run", "--rm", IMAGE, "/probe", "facts").ok().out)
    status = dict(line.split(":\t", 1) for line in facts["status"].splitlines() if ":\t" in line)
    assert status["Seccomp"] == "2"
    assert facts["caps"]["effective"] == 0xA80425FB
    calls = json.loads(docker("run", "--rm", IMAGE, "/probe", "calls", "246", "165", "39", "272,0x10000000").ok().out)
    assert calls == {"246": 1, "165": 1, "39": 0, "272,0x10000000": 1}


@pytest.mark.parametrize(
    ("flags", "key", "want"),
    [
        (("-u", "1000:1000"), "uid", [1000, 1000, 1000]),
        (("-w", "/made/by/docker"), "cwd", "/made/by/docker"),
        (("-h", "named"), "hostname", "named"),
        (("--ulimit", "nofile=100:200"), "rlimits", None),
        (("--security-opt", "no-new-privileges"), "nnp", 1),
        (("--group-add", "77"), "groups", None),
    ],
)
def test_flags(docker: Docker, flags: tuple[str, ...], key: str, want: object) -> None:
    """Flags that become config reach the process."""
    facts = json.loads(docker("run", "--rm", *flags, IMAGE, "/probe", "facts").ok().out)
    if key == "rlimits":
        assert facts[key]["RLIMIT_NOFILE"] == [100, 200]
    elif key == "groups":
        assert 77 in facts[key]
    else:
        assert facts[key] == want


@differs("runc", "crun", reason="these fail where the machine itself has not all capabilities", strict=False)
def test_privileged(docker: Docker) -> None:
    """All capabilities that the machine has, and no filter."""
    assert docker("run", "--rm", "--privileged", IMAGE, "/bin/mount", "-t", "tmpfs", "t", "/tmp").rc == 0


@pytest.mark.parametrize(
    "flag",
    ["--read-only", "--init", "--pid=host", "--ipc=host", "--net=host", "--uts=host", "--cgroupns=host", "--tmpfs=/t"],
)
def test_modes(docker: Docker, flag: str) -> None:
    """The modes that change namespaces and mounts work."""
    if flag == "--init" and docker("info", "-f", "{{.InitBinary}}").out.strip() == "":
        pytest.skip("no docker-init here")
    result = docker("run", "--rm", flag, IMAGE, "/bin/echo", "works")
    assert result.out == "works\n", result


def test_volume(docker: Docker) -> None:
    """A volume is written by one container and read by the next."""
    docker("volume", "create", "vol").ok()
    docker("run", "--rm", "-v", "vol:/v", IMAGE, "/bin/sh", "-c", "echo kept > /v/file").ok()
    assert docker("run", "--rm", "-v", "vol:/v:ro", IMAGE, "/bin/cat", "/v/file").ok().out == "kept\n"
    assert docker("run", "--rm", "-v", "vol:/v:ro", IMAGE, "/bin/touch", "/v/file").rc == 1
    docker("volume", "rm", "vol").ok()


def test_terminal(docker: Docker) -> None:
    """docker run -it relays a terminal, its size and control-C."""
    terminal = Terminal.open(31, 97)
    process = docker.spawn(
        "run",
        "--rm",
        "-it",
        IMAGE,
        "/bin/sh",
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
        start_new_session=True,
    )
    terminal.expect("# ")
    terminal.type("echo $((6*7))-sum\n")
    terminal.expect("42-sum")
    terminal.type("stty size\n")
    terminal.expect("31 97")
    terminal.type("exit 9\n")
    assert process.wait(timeout=20) == 9
    terminal.close()


def test_detached_life(docker: Docker) -> None:
    """run -d, exec, logs, top, stop, rm."""
    container = detached(docker)
    wait_running(docker, container)
    assert docker("exec", container, "/bin/echo", "inside").ok().out == "inside\n"
    assert "/probe wait" in docker("top", container).ok().out
    docker("stop", "-t", "5", container).ok()
    assert docker("logs", container).ok().out == "ready\nsignal 15\n"
    assert docker("inspect", "-f", "{{.State.ExitCode}}", container).out.strip() == "0"
    docker("rm", container).ok()


@pytest.mark.parametrize(("words", "code"), [((), "137"), (("-s", "TERM"), "0"), (("-s", "USR1"), "running")])
def test_kill(docker: Docker, words: tuple[str, ...], code: str) -> None:
    """docker kill with and without a signal."""
    container = detached(docker)
    wait_running(docker, container)
    docker("kill", *words, container).ok()
    if code == "running":
        wait_running(docker, container)
    else:
        assert docker("wait", container).ok().out.strip() == code
    docker("rm", "-f", container).ok()


@pytest.mark.parametrize("code", [0, 3])
def test_exec_exit_code(docker: Docker, code: int) -> None:
    """docker exec gives the exit code of its process."""
    container = detached(docker)
    assert docker("exec", container, "/probe", "exit", str(code)).rc == code
    docker("rm", "-f", container).ok()


@pytest.mark.parametrize(("program", "code"), [("/missing", 127), ("missing", 127), ("/not-executable", 126)])
def test_exec_cannot_execute(docker: Docker, program: str, code: int) -> None:
    """126 and 127 of docker exec; the container goes on."""
    container = detached(docker)
    result = docker("exec", container, program)
    assert result.rc in (126, code), result
    wait_running(docker, container)
    docker("rm", "-f", container).ok()


def test_exec_flags(docker: Docker) -> None:
    """User, working directory, environment and input of docker exec."""
    container = detached(docker)
    facts = json.loads(docker("exec", "-u", "5:6", "-w", "/tmp", "-e", "A=b", container, "/probe", "facts").ok().out)
    assert (facts["uid"][0], facts["gid"][0], facts["cwd"]) == (5, 6, "/tmp")
    assert "A=b" in facts["env"]
    assert docker("exec", "-i", container, "/bin/cat", stdin=b"in").ok().out == "in"
    docker("exec", "-d", container, "/bin/touch", "/tmp/done").ok()
    docker("rm", "-f", container).ok()


def test_exec_terminal(docker: Docker) -> None:
    """docker exec -it relays a terminal."""
    container = detached(docker)
    terminal = Terminal.open(20, 70)
    process = docker.spawn(
        "exec",
        "-it",
        container,
        "/bin/sh",
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
        start_new_session=True,
    )
    terminal.expect("# ")
    terminal.type("echo $((6*7))-sum; exit 4\n")
    terminal.expect("42-sum")
    assert process.wait(timeout=20) == 4
    terminal.close()
    docker("rm", "-f", container).ok()


def test_rm_force(docker: Docker) -> None:
    """docker rm -f ends a running container, and nothing of it is left in the runtime's state."""
    container = detached(docker)
    docker("rm", "-f", container).ok()
    assert docker("inspect", container).rc == 1
    left = [path for path in docker.directory.rglob(f"*{container}*") if "shim" not in str(path)]
    assert [path for path in left if path.is_dir() and "runtime-" in str(path)] == []


def test_restart(docker: Docker) -> None:
    """docker stop and start again use the same ID twice."""
    container = detached(docker)
    docker("restart", "-t", "1", container).ok()
    wait_running(docker, container)
    docker("rm", "-f", container).ok()


def test_many_at_once(docker: Docker) -> None:
    """Six containers started at the same moment."""
    processes = [
        docker.spawn("run", "--rm", IMAGE, "/probe", "exit", str(10 + n), stdout=-3, stderr=-3) for n in range(6)
    ]
    assert [process.wait(timeout=60) for process in processes] == [10 + n for n in range(6)]
