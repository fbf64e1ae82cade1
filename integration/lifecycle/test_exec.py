"""exec: a second process in a container, inline or from a process file, in the foreground or detached."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.runtime import next_line

EXEC_FAILED = 255
CRUN_RC = differs("crun", reason="crun exits with 1 when exec fails")

GROUPS = differs("crun", reason="crun has no --additional-gids")


@pytest.fixture
def running(container: Container) -> Container:
    """A container whose init waits."""
    return container.waiting()


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code(running: Container, code: int) -> None:
    """The exit code is the process's."""
    assert running.exec("/probe", "exit", str(code)).rc == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_death_by_signal(running: Container, number: int) -> None:
    """128 plus the signal."""
    assert running.exec("/probe", "die", str(int(number))).rc == 128 + number


def test_streams(running: Container) -> None:
    """Standard streams are the runtime's."""
    result = running.exec("/probe", "echo", stdin=b"hello")
    assert (result.rc, result.out, result.err) == (0, "hello", "end\n")


def test_joins_every_namespace(running: Container) -> None:
    """The process sees the init's namespaces, cgroup and root."""
    facts = running.exec_facts()
    init = {
        name: os.readlink(f"/proc/{running.pid}/ns/{name}")
        for name in ("mnt", "pid", "net", "ipc", "uts", "cgroup", "user")
    }
    assert {name: facts["namespaces"][name] for name in init} == init
    assert facts["cgroup"].splitlines()[-1] == "0::/"
    assert facts["hostname"] == "gate"


@differs("crun", reason="crun's inline exec does not take no_new_privs from the container")
def test_process_defaults_to_the_containers(running: Container) -> None:
    """env, cwd, capabilities, no-new-privileges and umask are the container's process's."""
    facts = running.exec_facts()
    assert "TERM=xterm" in facts["env"]
    assert facts["cwd"] == "/"
    assert facts["nnp"] == 1
    assert facts["umask"] == 0o022
    assert facts["caps"]["effective"] == 1 << 29 | 1 << 5 | 1 << 10
    assert facts["caps"]["inheritable"] == 0


@pytest.mark.parametrize(
    ("flags", "key", "want"),
    [
        (("--cwd", "/tmp"), "cwd", "/tmp"),
        (("--cwd=/proc",), "cwd", "/proc"),
        (("--user", "1000"), "uid", [1000, 1000, 1000]),
        (("-u", "1000:1001"), "gid", [1001, 1001, 1001]),
        pytest.param(
            ("--user", "7:8", "--additional-gids", "20", "--additional-gids", "21"), "groups", [20, 21], marks=GROUPS
        ),
        pytest.param(("-u", "5", "-g", "30"), "groups", [30], marks=GROUPS),
    ],
)
def test_identity_flags(running: Container, flags: tuple[str, ...], key: str, want: object) -> None:
    """--cwd, --user and --additional-gids do what they say."""
    facts = running.exec_facts(*flags)
    got = sorted(set(facts[key]) - {8}) if key == "groups" else facts[key]
    assert got == want


@pytest.mark.parametrize("user", ["1000:", ":5", "1x", "0x10", "1000:abc", "-1", "4294967296", "root"])
@differs("runc", "crun", reason="runc and crun read what they can of a malformed number or name", strict=False)
def test_malformed_user(running: Container, user: str) -> None:
    """A user that is not UID[:GID] in decimal is an error, never a prefix of it."""
    result = running.exec("/probe", "facts", flags=("--user", user))
    assert result.rc == EXEC_FAILED, result
    assert result.out == ""


def test_env(running: Container) -> None:
    """-e adds variables to the container's environment; the last of a name wins."""
    env = running.exec_facts("-e", "A=1", "-e", "B=x=y", "-e", "A=2", "-e", "TERM=dumb")["env"]
    assert "B=x=y" in env
    assert [entry for entry in env if entry.startswith(("A=", "TERM="))] in (["A=2", "TERM=dumb"], ["TERM=dumb", "A=2"])


@differs("crun", reason="crun drops the container's own capabilities when --cap is given")
def test_cap(running: Container) -> None:
    """--cap adds to bounding, effective and permitted and never to inheritable (CVE-2022-29162)."""
    caps = running.exec_facts("--cap", "CAP_SYS_CHROOT")["caps"]
    assert caps["effective"] == caps["permitted"] == caps["bounding"] == 1 << 29 | 1 << 5 | 1 << 10 | 1 << 18
    assert caps["inheritable"] == caps["ambient"] == 0


def test_process_file(running: Container) -> None:
    """--process takes a whole process of its own."""
    path = running.process_file(
        args=["/probe", "facts"], env=["ONLY=this"], cwd="/tmp", user={"uid": 3, "gid": 4, "umask": 0o077}
    )
    facts = running.call("exec", "--process", path, running.id).json()
    assert [entry for entry in facts["env"] if not entry.startswith("HOME=")] == ["ONLY=this"]
    assert (facts["cwd"], facts["uid"][0], facts["gid"][0]) == ("/tmp", 3, 4)


@differs("runc", reason="runc gives every exec the umask of the container's own process")
def test_process_file_umask(running: Container) -> None:
    """umask of --process."""
    path = running.process_file(args=["/probe", "facts"], user={"uid": 0, "gid": 0, "umask": 0o027})
    assert running.call("exec", "--process", path, running.id).json()["umask"] == 0o027


def test_process_file_rlimits(running: Container) -> None:
    """rlimits of --process."""
    path = running.process_file(args=["/probe", "facts"], rlimits=[{"type": "RLIMIT_NOFILE", "soft": 33, "hard": 44}])
    assert running.call("exec", "--process", path, running.id).json()["rlimits"]["RLIMIT_NOFILE"] == [33, 44]


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("{", "(?i)json|unexpected|EOF"),
        ('{"args": [], "cwd": "/"}', "args must not be empty"),
        ('{"args": ["/bin/true"], "cwd": "tmp"}', "Cwd must be an absolute path"),
    ],
)
@CRUN_RC
def test_bad_process_file(running: Container, content: str, pattern: str) -> None:
    """A broken process file is refused in runc's words and changes nothing."""
    path = running.bundle.path / "bad.json"
    path.write_text(content)
    running.call("exec", "--process", str(path), running.id).refused(pattern, EXEC_FAILED)
    assert running.status() == "running"


@pytest.mark.parametrize(
    ("argv0", "pattern"),
    [
        ("/missing", r'exec: "/missing": stat /missing: no such file or directory'),
        ("missing", r'exec: "missing": executable file not found in \$PATH'),
        ("/etc/passwd", r'exec: "/etc/passwd": permission denied'),
        ("/etc", r'exec: "/etc": (permission denied|is a directory)'),
    ],
)
@CRUN_RC
def test_not_executable(running: Container, argv0: str, pattern: str) -> None:
    """The four ways a program cannot be found have runc's words, and exec ends with 255."""
    running.exec(argv0).refused(pattern, EXEC_FAILED)
    assert running.status() == "running"


def test_detached(running: Container) -> None:
    """--detach returns at once with the pid file written; the process is the engine's child."""
    pid_file = running.bundle.path / "exec.pid"
    started = time.monotonic()
    running.exec("/probe", "wait", flags=("--detach", "--pid-file", str(pid_file))).ok()
    assert time.monotonic() - started < 8
    text = pid_file.read_bytes()
    assert text.isdigit()
    pid = int(text)
    assert int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == os.getpid()
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_shim_call(running: Container) -> None:
    """Exactly what the containerd shim calls: --process F --detach --pid-file P ID."""
    pid_file = running.bundle.path / "shim.pid"
    path = running.process_file(args=["/probe", "exit", "9"])
    running.call("exec", "--process", path, "--detach", "--pid-file", str(pid_file), running.id).ok()
    assert os.waitstatus_to_exitcode(os.waitpid(int(pid_file.read_text()), 0)[1]) == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP])
def test_signal_forwarding(running: Container, number: int) -> None:
    """Signals to a foreground exec reach its process."""
    process = running.spawn_exec("/probe", "wait")
    assert next_line(process) == "ready\n"
    process.send_signal(number)
    assert next_line(process) == f"signal {int(number)}\n"
    process.terminate()
    assert process.wait(timeout=10) in (0, -signal.SIGTERM)


def test_words_after_the_id_are_the_programs(running: Container) -> None:
    """Flags after the ID belong to the program."""
    assert running.exec("/bin/echo", "--detach", "-t", "--", "-x").ok().out == "--detach -t -- -x\n"


def test_created_container_can_be_entered(container: Container) -> None:
    """exec works while the container waits for start."""
    container.bundle.probe("wait")
    container.create()
    assert container.exec("/bin/echo", "in").ok().out == "in\n"


@CRUN_RC
def test_stopped_container_cannot_be_entered(container: Container) -> None:
    """Refused in runc's words."""
    container.bundle.args("/bin/true")
    container.create()
    container.start()
    container.wait_for("stopped")
    container.exec("/bin/true").refused("cannot exec in a stopped container", EXEC_FAILED)


@CRUN_RC
def test_missing_program_words(running: Container) -> None:
    """No program given: an error, not a shell."""
    running.call("exec", running.id).refused("args (cannot|must not) be empty", EXEC_FAILED)


def test_descriptors(running: Container) -> None:
    """An exec has its three streams and nothing else."""
    assert running.exec_facts()["open"] == [0, 1, 2]


def test_exit_of_exec_leaves_the_container(running: Container) -> None:
    """The container goes on after an exec dies, and no cgroup or process of the exec stays."""
    assert running.exec("/probe", "die", "9").rc == 137
    assert running.status() == "running"
    assert (running.cgroup / "cgroup.procs").read_text().split() == [str(running.pid)]


def test_many_execs_at_once(running: Container) -> None:
    """Ten execs started together all answer."""
    processes = [running.spawn_exec("/bin/echo", str(number)) for number in range(10)]
    outputs = sorted(int(process.communicate(timeout=60)[0]) for process in processes)
    assert outputs == list(range(10))


def test_seccomp_of_the_container_applies(container: Container) -> None:
    """An exec runs under the container's filter."""
    container.bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}],
    }
    container.waiting()
    assert json.loads(container.exec("/probe", "calls", "83,0").ok().out) == {"83,0": 77}
