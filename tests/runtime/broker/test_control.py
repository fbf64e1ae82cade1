"""The control socket's lines, and the packets between keeper and worker."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.broker import agent, keeper_wire, kernel_audit
from runtime.broker.audit import CallNames
from runtime.broker.control import LONGEST_LINE, Client, Refused, accept, connect_handler


@pytest.fixture
def pair() -> Iterator[tuple[Client, socket.socket]]:
    """A client of ours, and whoever connected."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    ours.setblocking(False)
    theirs.settimeout(5)
    client = Client(ours)
    yield client, theirs
    client.close()
    theirs.close()


def echo(_client: Client, request: dict[str, Any]) -> dict[str, Any]:
    """Answers with what it was asked."""
    return {"ok": True, "got": request}


def refuse(_client: Client, _request: dict[str, Any]) -> dict[str, Any]:
    """Never does it."""
    raise Refused("not today")


OPERATIONS: dict[str, Any] = {"echo": echo, "refuse": refuse}


def test_requests_are_answered_in_order(pair: tuple[Client, socket.socket]) -> None:
    """Several in one packet, one in several packets."""
    client, theirs = pair
    theirs.sendall(b'{"op":"echo","n":1}\n\n{"op":"refuse"}\n{"op":"ec')
    assert client.serve(OPERATIONS)
    theirs.sendall(b'ho","n":2}\n')
    assert client.serve(OPERATIONS)
    lines = [json.loads(line) for line in theirs.recv(65536).splitlines()]
    assert [line.get("got", {}).get("n", line.get("error")) for line in lines] == [1, "not today", 2]


@pytest.mark.parametrize("line", [b"[]", b"{", b"5", b'{"op":5}', b'{"op":"none"}', b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_request_is_told(line: bytes, pair: tuple[Client, socket.socket]) -> None:
    """And the connection stays."""
    client, theirs = pair
    theirs.sendall(line + b"\n")
    assert client.serve(OPERATIONS)
    assert "error" in json.loads(theirs.recv(65536))


def test_a_line_has_an_end(pair: tuple[Client, socket.socket]) -> None:
    """Who never ends one is hung up on."""
    client, theirs = pair
    theirs.setblocking(False)
    alive = True
    for _ in range(LONGEST_LINE // 8192 + 4):
        try:
            theirs.send(b"x" * 8192)
        except BlockingIOError:
            pass
        alive = client.serve(OPERATIONS)
        if not alive:
            break
    assert not alive


def test_the_end_of_a_connection(pair: tuple[Client, socket.socket]) -> None:
    """Nothing is left of it."""
    client, theirs = pair
    theirs.close()
    assert not client.serve(OPERATIONS)


def test_passed_descriptors_are_taken_or_closed(pair: tuple[Client, socket.socket]) -> None:
    """In order; more than four hang up."""
    client, theirs = pair
    reader, writer = os.pipe()
    socket.send_fds(theirs, [b'{"op":"echo"}\n'], [reader])
    assert client.serve(OPERATIONS)
    os.close(client.take_fd())
    with pytest.raises(Refused, match="no descriptor"):
        client.take_fd()
    for _ in range(2):
        socket.send_fds(theirs, [b'{"op":"echo"}\n'], [reader] * 3)
    assert not client.serve(OPERATIONS) or not client.serve(OPERATIONS)
    os.close(reader)
    os.close(writer)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_upset_it(data: bytes) -> None:
    """Whatever root's own programs send by mistake."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        ours.setblocking(False)
        if data:
            theirs.sendall(data)
        Client(ours).serve(OPERATIONS)


def test_who_may_listen_for_questions(tmp_path: Path) -> None:
    """A handler's socket must be there; connections are limited in number."""
    with pytest.raises(OSError, match="No such file"):
        connect_handler(str(tmp_path / "none"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        connect_handler(str(tmp_path / "s")).close()
        assert accept(listening, 64) is None
        listening.setblocking(False)
        assert accept(listening, 0) is None


MESSAGES = st.builds(
    keeper_wire.Message,
    kind=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 2**32 - 1),
    key=st.integers(0, 2**64 - 1),
    pid=st.integers(-(2**31), 2**31 - 1),
    exe_device=st.integers(0, 2**64 - 1),
    exe_inode=st.integers(0, 2**64 - 1),
    deadline_ns=st.integers(-(2**63), 2**63 - 1),
    registrations=st.integers(0, 2**32 - 1),
    container_id=st.text("abc0._+-", max_size=50),
    metadata=st.text(st.characters(codec="utf-8"), max_size=50),
)


@given(message=MESSAGES)
def test_messages_come_back(message: keeper_wire.Message) -> None:
    """Encoded and decoded."""
    assert keeper_wire.decode(keeper_wire.encode(message)) == message


@given(data=st.binary(max_size=200))
def test_other_packets_are_refused(data: bytes) -> None:
    """With a ValueError and nothing else."""
    try:
        keeper_wire.decode(data)
    except ValueError:
        return


def test_the_wire_is_the_keepers_own() -> None:
    """The size of the C structure, field for field."""
    header = (Path(__file__).parents[3] / "runtime/native/keeper.h").read_text()
    body = header[header.index("struct keeper_message {") :].partition("};")[0]
    sizes = {"uint32_t": 4, "int32_t": 4, "uint64_t": 8, "int64_t": 8}
    total = 0
    for line in body.splitlines()[1:]:
        kind, _, names = line.strip().partition(" ")
        total += sizes.get(kind, 0) * len(names.partition(";")[0].split(","))
    assert total == keeper_wire.MESSAGE_SIZE == 56


@pytest.mark.parametrize(
    ("metadata", "policy"), [("policy=agent", "agent"), ("policy=/a=b.yaml", "/a=b.yaml"), ("other=x", ""), ("", "")]
)
def test_a_policy_in_the_metadata(metadata: str, policy: str) -> None:
    """One key, everything behind it."""
    assert agent.policy_of(metadata) == policy


AUDIT = 'audit(1795255086.731:1053): auid=1 uid=0 pid=42 comm="cat" exe="/bin/cat" sig=31 arch=c000003e syscall=257 compat=0 ip=0x7f code=0x80000000'


def test_records_of_the_kernels_audit() -> None:
    """seccomp's and Landlock's; others are none of ours."""
    names = CallNames("x86_64")
    killed = kernel_audit.describe(kernel_audit.SECCOMP, AUDIT, names)
    assert killed == {
        "pid": 42,
        "program": "cat",
        "layer": "seccomp",
        "verdict": "kill",
        "syscall": "openat",
        "exe": "/bin/cat",
    }
    landlock = 'audit(1:2): domain=195ba459b blockers=fs.read_file path="/etc/x" dev="sda1" ino=5 pid=7 comm="cat"'
    denied = kernel_audit.describe(kernel_audit.LANDLOCK_ACCESS, landlock, names)
    assert denied == {
        "pid": 7,
        "program": "cat",
        "layer": "landlock",
        "verdict": "deny",
        "blockers": "fs.read_file",
        "target": "/etc/x",
    }
    assert kernel_audit.describe(kernel_audit.SECCOMP, "audit(1:2): nothing", names) is None


@given(data=st.binary(max_size=300))
def test_any_datagram_is_taken_apart(data: bytes) -> None:
    """Netlink's framing holds, or there is nothing in it."""
    names = CallNames("x86_64")
    for kind, text in kernel_audit.messages(data):
        kernel_audit.fields(text)
        if kind == kernel_audit.LANDLOCK_ACCESS:
            kernel_audit.describe(kind, text, names)
