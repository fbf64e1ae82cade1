"""The keeper: who may bring a listener, what it takes, and that workers come and go without it losing anything."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.broker import keeper_wire
from runtime.launch import broker

# a worker that writes down what it is told; commands come through files in its directory
WORKER = """
import json, os, socket, sys
sys.path.insert(0, {checkout!r})
from runtime.broker import keeper_wire as wire
channel = socket.socket(fileno=int(sys.argv[-1]))
def note(**what):
    with open({notes!r}, "a") as file:
        file.write(json.dumps(what | {{"worker": os.getpid()}}) + "\\n")
while True:
    message = wire.receive(channel)
    if message is None:
        note(kind="end")
        break
    note(kind=message.kind, key=message.key, id=message.container_id, metadata=message.metadata, pid=message.pid,
         fds=len(message.fds), flags=message.flags, exe=[message.exe_device, message.exe_inode],
         content=os.pread(message.fds[-1], 100, 0).decode() if message.kind == wire.ADD and message.flags & 1 else "")
    if message.kind == wire.HELLO:
        wire.send(channel, wire.Message(wire.READY))
    if message.kind == wire.SERVE:
        wire.send(channel, wire.Message(wire.SETTLED))
    if message.metadata.startswith("policy=gone"):
        wire.send(channel, wire.Message(wire.GONE, key=message.key))
    if message.metadata.startswith("policy=short"):
        import time
        wire.send(channel, wire.Message(wire.LIMIT, key=message.key, deadline_ns=time.monotonic_ns() + 50_000_000))
    if message.metadata.startswith("policy=table"):
        fd = os.memfd_create("table"); os.write(fd, b"compiled")
        wire.send(channel, wire.Message(wire.TABLE, key=message.key, fds=(fd,)))
"""


class Notes:
    """What workers on a root of their own were told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes_file = root / "notes"
        entry = root / "worker.py"
        checkout = str(Path(__file__).resolve().parents[3])
        entry.write_text(WORKER.format(checkout=checkout, notes=str(self.notes_file)))
        self.words = ["--root", str(root), "broker", "--foreground", "--python", sys.executable, "--entry", str(entry)]

    @staticmethod
    def wait(holds: Callable[[], object]) -> None:
        """Until it holds, for ten seconds."""
        for _ in range(1000):
            if holds():
                return
            time.sleep(0.01)
        raise AssertionError("it never came to that")

    def notes(self, kind: int | str | None = None) -> list[dict[str, Any]]:
        """What workers were told so far."""
        lines = self.notes_file.read_text().splitlines() if self.notes_file.exists() else []
        return [note for note in map(json.loads, lines) if kind is None or note["kind"] == kind]

    def await_notes(self, kind: int | str, count: int) -> list[dict[str, Any]]:
        """So many notes of a kind."""
        self.wait(lambda: len(self.notes(kind)) >= count)
        return self.notes(kind)


class Keeper(Notes):
    """A keeper with a worker that takes notes."""

    def __init__(self, program: list[str], root: Path) -> None:
        super().__init__(root)
        with (root / "stderr").open("w") as stderr:
            self.process = subprocess.Popen([*program, *self.words], stdin=subprocess.DEVNULL, stderr=stderr)
        self.wait((root / "@broker/socket").exists)

    def close(self) -> None:
        """End it as an administrator does."""
        self.process.terminate()
        assert self.process.wait(10) == 0

    def register(self, document: bytes, fds: list[int]) -> int | None:
        """Send a document with descriptors; the keeper's answer, None when it closed without one."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.root / "@broker/socket"))
            try:
                if fds:
                    socket.send_fds(connection, [document], fds)
                else:
                    connection.sendall(document)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(4)
            except ConnectionError:
                return None
            return int.from_bytes(answer, "little", signed=True) if len(answer) == 4 else None


@pytest.fixture
def keeper(program: list[str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Keeper]:
    """A keeper in the foreground."""
    request.getfixturevalue("real_kernel")
    made = Keeper(program, tmp_path)
    yield made
    made.close()


def process_state(**changes: Any) -> dict[str, Any]:
    """What a runtime sends."""
    state = {"ociVersion": "1.2.0", "id": "web", "status": "creating", "pid": os.getpid(), "bundle": "/b"}
    return {
        "ociVersion": "1.2.0",
        "fds": ["seccompFd"],
        "pid": os.getpid(),
        "metadata": "policy=x",
        "state": state,
    } | changes


def encoded(**changes: Any) -> bytes:
    """The same as a document."""
    return json.dumps(process_state(**changes)).encode()


@pytest.fixture
def listener() -> Iterator[int]:
    """Any descriptor: the keeper asks nothing of it."""
    ends = os.pipe()
    yield ends[0]
    for end in ends:
        os.close(end)


def test_a_registration_reaches_the_worker_with_its_listener(keeper: Keeper, listener: int) -> None:
    """Id, pid, metadata, the descriptor, and the program of whoever sent it."""
    assert keeper.register(encoded(metadata='policy=/etc/"ä".yaml'), [listener]) == 0
    note = keeper.await_notes(keeper_wire.ADD, 1)[0]
    own = os.stat("/proc/self/exe")
    assert (note["id"], note["pid"], note["metadata"]) == ("web", os.getpid(), 'policy=/etc/"ä".yaml')
    assert (note["fds"], note["flags"], note["exe"]) == (1, 0, [own.st_dev, own.st_ino])


def test_the_table_of_the_state_directory_goes_with_it(keeper: Keeper, listener: int) -> None:
    """Where the metadata names no policy."""
    (keeper.root / "web").mkdir(mode=0o711)
    table = keeper.root / "web/broker.table"
    table.write_text("a table")
    table.chmod(0o600)
    state = process_state()["state"] | {"status": "running"}
    assert keeper.register(encoded(metadata="", state=state), [listener]) == 0
    note = keeper.await_notes(keeper_wire.ADD, 1)[0]
    assert (note["fds"], note["flags"], note["content"]) == (2, 3, "a table")


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_table_that_others_may_write_is_refused(mode: int, keeper: Keeper, listener: int) -> None:
    """It would decide for everybody."""
    (keeper.root / "web").mkdir()
    (keeper.root / "web/broker.table").write_text("a table")
    (keeper.root / "web/broker.table").chmod(mode)
    assert keeper.register(encoded(metadata=""), [listener]) == 13


def test_no_table_and_no_policy_is_refused(keeper: Keeper, listener: int) -> None:
    """Nothing could be decided: create fails with the errno."""
    assert keeper.register(encoded(metadata=""), [listener]) == 2
    os.symlink("/etc", keeper.root / "link")
    state = process_state()["state"] | {"id": "link"}
    assert keeper.register(encoded(metadata="", state=state), [listener]) in (20, 40)


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": 0},
        {"pid": -1},
        {"pid": "1"},
        {"pid": 1 << 40},
        {"fds": []},
        {"fds": "seccompFd"},
        {"fds": ["other"]},
        {"fds": ["a", "b", "c", "d", "seccompFd"]},
        {"state": {}},
        {"state": {"id": "../x"}},
        {"state": {"id": "a\0"}},
        {"state": {"id": "a" * 1024}},
        {"metadata": "x" * 1024},
        {"metadata": 5},
    ],
)
def test_a_state_that_is_none_is_refused(changes: dict[str, Any], keeper: Keeper, listener: int) -> None:
    """Every member that the keeper needs must be there and be of its type."""
    assert keeper.register(encoded(**changes), [listener]) == 74
    assert keeper.register(encoded(), [listener]) == 0


def test_a_state_without_a_descriptor_is_refused(keeper: Keeper) -> None:
    """It names one that did not come."""
    assert keeper.register(encoded(), []) == 74


def test_too_many_descriptors_close_the_connection(keeper: Keeper, listener: int) -> None:
    """None of them is kept."""
    before = len(os.listdir(f"/proc/{keeper.process.pid}/fd"))
    assert keeper.register(encoded(), [listener] * 5) is None
    keeper.wait(lambda: len(os.listdir(f"/proc/{keeper.process.pid}/fd")) <= before)


def test_a_peer_that_says_nothing_hinders_nobody(keeper: Keeper, listener: int) -> None:
    """Others are served meanwhile; there is room for sixteen at once."""
    silent = []
    for _ in range(8):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(keeper.root / "@broker/socket"))
        silent.append(connection)
    assert keeper.register(encoded(), [listener]) == 0
    for connection in silent:
        connection.close()


def test_the_next_worker_gets_every_registration(keeper: Keeper, listener: int) -> None:
    """SIGKILL of the serving one: the standby serves at once, and a new standby starts."""
    for number in range(20):
        state = process_state()["state"] | {"id": f"c{number}"}
        assert keeper.register(encoded(state=state), [listener]) == 0
    first = keeper.await_notes(keeper_wire.ADD, 20)[0]["worker"]
    standby = next(note["worker"] for note in keeper.await_notes(keeper_wire.HELLO, 2) if note["worker"] != first)
    os.kill(first, signal.SIGKILL)
    again = [note for note in keeper.await_notes(keeper_wire.ADD, 40) if note["worker"] == standby]
    assert sorted(note["id"] for note in again) == sorted(f"c{number}" for number in range(20))
    assert len({note["worker"] for note in keeper.await_notes(keeper_wire.HELLO, 3)}) == 3


def test_a_new_table_is_kept_for_the_next_worker(keeper: Keeper, listener: int) -> None:
    """What a worker compiled or was told to use outlives it."""
    assert keeper.register(encoded(metadata="policy=table"), [listener]) == 0
    first = keeper.await_notes(keeper_wire.ADD, 1)[0]
    keeper.await_notes(keeper_wire.HELLO, 2)
    time.sleep(0.1)  # the worker's message has no answer
    os.kill(first["worker"], signal.SIGKILL)
    note = keeper.await_notes(keeper_wire.ADD, 2)[1]
    assert (note["flags"], note["content"], note["key"]) == (1, "compiled", first["key"])


def test_a_registration_that_is_gone_is_given_up(keeper: Keeper, listener: int) -> None:
    """Its descriptors are closed, and the next worker does not hear of it."""
    keeper.await_notes(keeper_wire.SERVE, 1)
    before = len(os.listdir(f"/proc/{keeper.process.pid}/fd"))
    assert keeper.register(encoded(metadata="policy=gone"), [listener]) == 0
    keeper.await_notes(keeper_wire.ADD, 1)
    keeper.wait(lambda: len(os.listdir(f"/proc/{keeper.process.pid}/fd")) <= before + 2)


def test_a_listener_that_comes_again_is_one_listener(keeper: Keeper, listener: int) -> None:
    """Whoever did not hear the answer asks again; a process of the container that joined later is another one."""
    keeper.await_notes(keeper_wire.SERVE, 1)
    before = len(os.listdir(f"/proc/{keeper.process.pid}/fd"))
    joined = {**process_state()["state"], "status": "running"}
    documents = [encoded(), encoded(), encoded(state=joined), encoded(state=joined), encoded()]
    assert [keeper.register(document, [listener]) for document in documents] == [0] * 5
    keeper.await_notes(keeper_wire.ADD, 2)
    assert keeper.register(encoded(pid=1), [listener]) == 0
    assert [note["pid"] for note in keeper.await_notes(keeper_wire.ADD, 3)] == [os.getpid(), os.getpid(), 1]
    keeper.wait(lambda: len(os.listdir(f"/proc/{keeper.process.pid}/fd")) <= before + 3 * 2 + 2)  # and the standby's


def test_a_container_whose_time_is_up_is_killed(keeper: Keeper, listener: int) -> None:
    """By its pidfd where no state says what else there is; and the worker is told."""
    victim = subprocess.Popen(["sleep", "100"])
    assert keeper.register(encoded(pid=victim.pid, metadata="policy=short"), [listener]) == 0
    assert victim.wait(10) == -signal.SIGKILL
    assert keeper.await_notes(keeper_wire.OVER, 1)


def test_processes_of_one_container_leave_room_for_others(keeper: Keeper, listener: int) -> None:
    """What execs left behind takes half of the places, not all: new containers find one, and so do their processes."""
    running = {**process_state()["state"], "status": "running"}
    answers = [keeper.register(encoded(pid=(1 << 22) - at, state=running), [listener]) for at in range(2050)]
    assert answers == [0] * 2048 + [errno.ENOSPC] * 2
    assert keeper.register(encoded(state={**running, "id": "other"}), [listener]) == 0
    assert keeper.register(encoded(), [listener]) == 0


def test_a_second_keeper_leaves_the_place_to_the_first(keeper: Keeper, program: list[str]) -> None:
    """One a root; the other one is content, and in the foreground its turn comes when the first has ended."""
    words = [*program, "--root", str(keeper.root), "broker"]
    assert subprocess.run(words, check=False, timeout=20).returncode == 0
    assert broker.is_listening(str(keeper.root))
    with subprocess.Popen([*program, *keeper.words], stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        assert "another broker serves here" in service.stderr.readline()
        keeper.process.terminate()
        assert keeper.process.wait(20) == 0
        keeper.wait(lambda: broker.is_listening(str(keeper.root)))
        service.terminate()
        assert service.wait(20) == 0


def test_a_directory_that_others_can_enter_is_refused(program: list[str], tmp_path: Path) -> None:
    """Whoever gets at the sockets decides what containers may do."""
    (tmp_path / "@broker").mkdir(mode=0o755)
    words = [*program, "--root", str(tmp_path), "broker", "--foreground"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "unable to start the broker: permission denied" in done.stderr


@pytest.fixture(scope="module")
def long_lived(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    """One keeper for all examples."""
    if os.environ.get("POSTERN_FOREIGN"):
        pytest.skip("the emulator does not pass every system call on")
    made = Keeper(program, tmp_path_factory.mktemp("keeper"))
    yield made
    made.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_document_harms_the_keeper(data: st.DataObject, long_lived: Keeper) -> None:
    """Whatever comes, there is an answer or a closed connection, and the next registration is taken."""
    names = ["pid", "fds", "state", "metadata", "ociVersion"]
    changes = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=3))
    document = encoded(**changes)
    cut = data.draw(st.integers(0, len(document)))
    noise = data.draw(st.binary(max_size=8))
    document = data.draw(st.sampled_from([document, document[:cut] + noise + document[cut:], document[:cut], noise]))
    with open("/dev/null", "rb") as null:
        answer = long_lived.register(document, [null.fileno()] if document else [])
    assert answer is not None
    assert long_lived.process.poll() is None
    if answer == 0:
        accepted = json.loads(document)
        assert isinstance(accepted["pid"], int)
        assert "seccompFd" in accepted["fds"]
        assert isinstance(accepted["state"]["id"], str)
