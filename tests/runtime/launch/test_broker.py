"""Making sure that a keeper listens: one, however many ask for it at once."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import BrokerError
from runtime.launch import broker

CHECKOUT = Path(__file__).resolve().parents[3]
# as the front calls the bundle, whose path is that of the module here
CALLER = """
import os, sys
if "--worker" in sys.argv:  # started by the keeper: listens and does nothing
    while os.read(int(sys.argv[-1]), 1 << 16):
        pass
    raise SystemExit
sys.path.insert(0, {checkout!r})
from runtime.launch.broker import ensure_broker
ensure_broker(sys.argv[2], int(sys.argv[1]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A state root whose keeper is ended afterwards."""
    place = tmp_path / "root"
    place.mkdir()
    yield place
    for pid in keepers(place):
        os.kill(pid, signal.SIGTERM)
    for _ in range(500):
        if not keepers(place):
            return
        time.sleep(0.01)
    raise AssertionError("a keeper did not end")


def keepers(root: Path) -> list[int]:
    """The pids of the keepers of a root."""
    found = []
    for name in os.listdir("/proc"):
        try:
            words = Path("/proc", name, "cmdline").read_bytes().split(b"\0") if name.isdigit() else []
        except OSError:
            continue
        if words[:4] == [b"postern", b"--root", os.fsencode(root), b"broker"]:
            found.append(int(name))
    return found


def the_keeper(root: Path) -> int:
    """The pid of the only one; its workers look like it until they have executed their program."""
    found: list[int] = []
    for _ in range(1000):
        found = keepers(root)
        if len(found) == 1:
            return found[0]
        time.sleep(0.005)
    raise AssertionError(f"{len(found)} keepers")


def callers(root: Path, count: int, tmp_path: Path) -> list[subprocess.Popen[bytes]]:
    """So many processes that need a broker at once."""
    program = CHECKOUT / "build/postern"
    if not program.exists():
        pytest.skip("build/postern is not built: make build")
    entry = tmp_path / "entry.py"
    entry.write_text(CALLER.format(checkout=str(CHECKOUT)))
    python = os.path.realpath("/proc/self/exe")
    exe_fd = os.open(program, os.O_RDONLY)
    words = [python, "-I", "-S", "-B", str(entry), str(exe_fd), str(root)]
    try:
        return [subprocess.Popen(words, pass_fds=(exe_fd,), stderr=subprocess.PIPE) for _ in range(count)]
    finally:
        os.close(exe_fd)


def complaints(stderr: bytes) -> list[bytes]:
    """What was said, but for where the keeper stays: in a container's tree the hierarchy's root is not to be entered."""
    return [line for line in stderr.splitlines() if b"the broker stays in the cgroup of its caller" not in line]


def test_one_keeper_however_many_ask(root: Path, tmp_path: Path) -> None:
    """Twenty at once: all go on, one keeper is there, and it listens."""
    started = callers(root, 20, tmp_path)
    for process in started:
        _, stderr = process.communicate(timeout=60)
        assert (process.returncode, complaints(stderr)) == (0, [])
    assert the_keeper(root)
    assert broker.is_listening(str(root))


def test_a_dead_keeper_is_replaced(root: Path, tmp_path: Path) -> None:
    """Its socket is still there and its lock is not."""
    for _ in range(2):
        process = callers(root, 1, tmp_path)[0]
        _, stderr = process.communicate(timeout=60)
        assert (process.returncode, complaints(stderr)) == (0, [])
        pid = the_keeper(root)
        os.kill(pid, signal.SIGKILL)
        for _ in range(1000):  # its command line is gone before its lock is
            if pid not in keepers(root) and not broker.is_listening(str(root)):
                break
            time.sleep(0.01)
        assert not broker.is_listening(str(root))


def test_the_successor_of_a_dead_keeper_is_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker is about to start one, which has all containers: no other one is to be started beside it."""
    directory = tmp_path / "@broker"
    directory.mkdir()
    (directory / "socket").touch()
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
    asked = []

    def take_over(_seconds: float) -> None:
        asked.append(True)
        if len(asked) == 3:
            os.write(lock, b"\n7\n8\n9\n10")
            fcntl.flock(lock, fcntl.LOCK_EX)

    monkeypatch.setattr(broker, "sleep", take_over)
    monkeypatch.setattr(broker, "start_keeper", lambda *_words: pytest.fail("another one is started"))
    assert broker.ensure_broker(str(tmp_path), 0) == broker.Keeper("/etc/postern", 7, 8, 9)
    os.close(lock)


def test_the_keeper_keeps_nothing_of_its_caller(root: Path, tmp_path: Path) -> None:
    """A session and a working directory of its own, no descriptor of the caller's, standard error to its own log."""
    process = callers(root, 1, tmp_path)[0]
    assert complaints(process.communicate(timeout=60)[1]) == []
    pid = the_keeper(root)
    process_directory = Path("/proc", str(pid))
    assert os.getsid(pid) not in (os.getsid(0), process.pid)
    assert os.readlink(process_directory / "cwd") == "/"
    targets = {int(name): os.readlink(process_directory / "fd" / name) for name in os.listdir(process_directory / "fd")}
    assert (targets[0], targets[1]) == ("/dev/null", "/dev/null")
    assert targets[2] == f"{root}/@broker/broker.log"
    assert not any("pipe:" in target for target in targets.values())


def test_nothing_is_started_without_the_program(tmp_path: Path) -> None:
    """No descriptor of it was handed over; or it is not the stock interpreter that asks."""
    with pytest.raises(BrokerError, match="call the postern program"):
        broker.ensure_broker(str(tmp_path), -1)
    with pytest.raises(BrokerError, match="stock interpreter"):
        broker.start_keeper(str(tmp_path), 0)
