"""Ask mode: a call that the policy does not allow waits for somebody's word."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
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


HANDLED = MEDIATED + 'broker: {mode: ask, timeout_ms: 8000, handler: "gate:open"}\n'


def site_of(place: Path, section: str) -> tuple[str, str]:
    """A site's directory with a function that allows everything; the flags that choose it."""
    (place / "handlers").mkdir(parents=True)
    (place / "handlers" / "gate.py").write_text("def open(record): return True\n")
    (place / "config.toml").write_text(f"[broker]\n{section}")
    for path in (place, *place.rglob("*")):
        path.chmod(0o755)
    return ("--policy-dir", str(place))


def asked_of_function(container: Container, site: tuple[str, str]) -> tuple[int, str]:
    """A container that opens a file about which the site's function is asked; its exit code and output."""
    container.bundle.file("/etc/secret")
    container.bundle.args("/bin/cat", "/etc/secret")
    container.bundle.save()
    words = [
        str(container.runtime.path),
        "--root",
        str(container.runtime.root),
        *site,
        "run",
        *policy(container, HANDLED),
    ]
    words += ["--bundle", str(container.bundle.path), container.id]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_the_sites_function_answers(container: Container, broker: Broker, tmp_path: Path) -> None:
    """`--policy-dir` reaches the broker that is started for the container, its next worker and its next keeper."""
    broker.end()
    site = site_of(tmp_path / "site", 'handlers = ["gate:open"]\n')
    assert asked_of_function(container, site) == (0, "content\n")
    os.kill(broker.serving(), signal.SIGKILL)
    wait_until(broker.serving, "another worker serves")
    assert asked_of_function(container, site) == (0, "content\n")
    broker.end()


def test_a_function_that_others_could_write_is_not_asked(container: Container, broker: Broker, tmp_path: Path) -> None:
    """Everything is denied, and the broker's log says why."""
    broker.end()
    site = site_of(tmp_path / "site", 'handlers = ["gate:open"]\n')
    (tmp_path / "site/handlers/gate.py").chmod(0o666)
    code, said = asked_of_function(container, site)
    assert code == 1
    assert "Operation not permitted" in said
    log = broker.directory / "broker.log"
    told = f"ask: gate:open is not loaded: {tmp_path}/site/handlers/gate.py: can be written by others (mode 0666)"
    wait_until(lambda: told in log.read_text(), "the broker's log says why")
    broker.end()


def test_one_broker_goes_by_one_site(container: Container, broker: Broker, tmp_path: Path) -> None:
    """A container whose site wants another broker than the one that runs is refused; one whose site wants the same is not."""
    broker.end()
    first = site_of(tmp_path / "first", 'log = "file"\n')
    asked_of_function(container, first)
    assert broker.keepers()
    assert asked_of_function(container, site_of(tmp_path / "same", 'log = "file"\n'))[0] == 1
    code, said = asked_of_function(container, site_of(tmp_path / "other", 'handlers = ["gate:open"]\n'))
    assert code == 1
    assert f"the broker of {broker.root} goes by [broker] of {tmp_path}/first/config.toml" in said
    assert f"{tmp_path}/other/config.toml says otherwise" in said
    broker.end()
