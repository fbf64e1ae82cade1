"""Ask mode: a call that the policy does not allow waits for somebody's word."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import Any

from integration.broker.test_survive import policy
from integration.framework.broker import MEDIATED, Broker, read_line, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="the broker is postern's")

ASKING = MEDIATED + "broker: {mode: ask, timeout_ms: 8000, handler: unix:/nowhere}\n"
HASTY = MEDIATED + "broker: {mode: ask, timeout_ms: 300, handler: unix:/nowhere}\n"


class Handler:
    """A client of the control socket that answers."""

    def __init__(self, broker: Broker, **limits: Any) -> None:
        self.connection = broker.connect()
        self.send(op="ask", **limits)
        assert read_line(self.connection) == {"ok": True}

    def send(self, **message: Any) -> None:
        """One line."""
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def question(self) -> dict[str, Any]:
        """The next one."""
        return read_line(self.connection)

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


def asking(container: Container, text: str = ASKING) -> subprocess.Popen[bytes]:
    """A container that opens a file that its policy does not cover."""
    container.bundle.file("/etc/secret")
    container.bundle.args("/bin/cat", "/etc/secret")
    return container.foreground(*policy(container, text), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def with_broker(container: Container, broker: Broker) -> None:
    """Somebody has to run one before a handler can connect."""
    if not broker.keepers():
        subprocess.run([str(container.runtime.path), "--root", str(broker.root), "broker"], check=True, timeout=20)
    wait_until(broker.serving, "a worker serves")


def test_a_handler_allows(container: Container, broker: Broker) -> None:
    """It is told what is asked, and the call is carried out as if the policy had allowed it."""
    with_broker(container, broker)
    handler = Handler(broker)
    process = asking(container)
    question = handler.question()
    assert question["container"] == container.id
    assert (question["syscall"], question["verdict"], question["program"]) == ("openat", "ask", "cat")
    assert "/etc/secret" in question["target"]
    assert 0 < question["timeout_ms"] <= 8000
    handler.send(answer=question["ask"], verdict="allow")
    assert process.communicate(timeout=30)[0] == b"content\n"
    assert [record["verdict"] for record in broker.records(container.id) if "secret" in record["target"]] == ["allow"]
    handler.close()


def test_a_handler_denies_with_its_errno(container: Container, broker: Broker) -> None:
    """Whatever errno it chooses is the program's."""
    with_broker(container, broker)
    handler = Handler(broker, containers=[container.id])
    process = asking(container)
    handler.send(answer=handler.question()["ask"], verdict="deny", errno="ENOENT")
    assert b"No such file or directory" in process.communicate(timeout=30)[0]
    assert process.returncode == 1
    handler.close()


def test_a_question_waits_for_a_handler(container: Container, broker: Broker) -> None:
    """One that connects within the time limit is asked what was asked before; one for others is not."""
    with_broker(container, broker)
    stranger = Handler(broker, policies=["another"])
    process = asking(container)
    wait_until(lambda: any(row.get("asked") for row in broker.served(container.id)), "the question is there")
    handler = Handler(broker, policies=["mediated"])
    question = handler.question()
    handler.send(answer=question["ask"], verdict="allow")
    assert process.communicate(timeout=30)[0] == b"content\n"
    stranger.send(answer=question["ask"], verdict="allow")
    assert "nobody waits" in stranger.question()["error"]
    for client in (stranger, handler):
        client.close()


def test_nobody_answers(container: Container, broker: Broker) -> None:
    """The time limit ends it, as on_failure says."""
    process = asking(container, HASTY)
    assert b"Permission denied" in process.communicate(timeout=30)[0]
    assert [record["verdict"] for record in broker.records(container.id) if "secret" in record["target"]] == ["deny"]


def test_an_answer_that_is_none_changes_nothing(container: Container, broker: Broker) -> None:
    """Malformed answers are told, and the question stays open."""
    with_broker(container, broker)
    handler = Handler(broker)
    process = asking(container)
    ticket = handler.question()["ask"]
    for wrong in ({"verdict": "maybe"}, {"verdict": "deny", "errno": "EWHAT"}, {"verdict": "allow", "errno": "EPERM"}):
        handler.send(answer=ticket, **wrong)
        assert "an answer is" in handler.question()["error"]
    handler.connection.sendall(b"{\n")
    assert handler.question() == {"error": "not JSON"}
    handler.send(answer=ticket, verdict="allow")
    assert process.communicate(timeout=30)[0] == b"content\n"
    handler.close()


def test_the_policys_own_handler_is_called(container: Container, broker: Broker) -> None:
    """`handler: unix:PATH`: the broker connects there, and asks."""
    path = container.bundle.path / "h.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(20)
        process = asking(container, ASKING.replace("/nowhere", str(path)))
        connection, _ = listening.accept()
    with connection:
        connection.settimeout(20)
        question = read_line(connection)
        assert question["container"] == container.id
        connection.sendall(json.dumps({"op": "status"}).encode() + b"\n")
        assert "unknown op" in read_line(connection)["error"]
        connection.sendall(json.dumps({"answer": question["ask"], "verdict": "allow"}).encode() + b"\n")
        assert process.communicate(timeout=30)[0] == b"content\n"
    assert broker.records(container.id)
