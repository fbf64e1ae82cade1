"""What the broker writes down, and how people read it."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from integration.broker.test_survive import policy
from integration.framework.broker import MEDIATED, Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="the broker is postern's")

FIELDS = {
    "time",
    "container",
    "policy",
    "mode",
    "init",
    "pid",
    "program",
    "syscall",
    "args",
    "decoded",
    "target",
    "rule",
    "layer",
    "handler",
    "verdict",
    "micros",
}


def prepared(container: Container) -> Container:
    """A container that opens one file that it may and one that it may not."""
    container.bundle.file("/etc/hello")
    container.bundle.file("/etc/secret")
    container.bundle.shell("cat /etc/hello; cat /etc/secret; true")
    return container


def test_every_decision_is_one_record(container: Container, broker: Broker) -> None:
    """All fields, decoded arguments, the rule's own text and line, the errno that the program got."""
    assert prepared(container).run(*policy(container)).ok().out == "content\n"
    records = {str(record["target"]): record for record in broker.records(container.id)}
    [allowed] = [record for target, record in records.items() if "/etc/hello" in target]
    [denied] = [record for target, record in records.items() if "/etc/secret" in target]
    assert set(allowed) == FIELDS
    assert set(denied) == FIELDS | {"errno"}
    assert (allowed["verdict"], denied["verdict"], denied["errno"]) == ("allow", "deny", "EACCES")
    assert allowed["rule"].endswith("policy.yaml:2: filesystem.read: /etc/h*")
    assert denied["container"] == container.id
    assert (denied["policy"], denied["layer"], denied["handler"]) == ("mediated", "broker", "open")
    assert denied["decoded"] == {"flags": "O_RDONLY"}


def test_the_level_decides_what_is_noted(container: Container, broker: Broker) -> None:
    """Denials alone, unless the policy asks for more."""
    text = MEDIATED.replace("decisions", "denials")
    prepared(container).run(*policy(container, text)).ok()
    assert {record["verdict"] for record in broker.records(container.id)} == {"deny"}


def test_nothing_is_noted_at_level_none(container: Container, broker: Broker) -> None:
    """A policy may want no log at all."""
    prepared(container).run(*policy(container, MEDIATED.replace("decisions", "none"))).ok()
    assert broker.records(container.id) == []


def test_people_read_sentences(container: Container, broker: Broker) -> None:
    """`policy log`: program, call, path, verdict and why; --json gives the lines as they are."""
    prepared(container).run(*policy(container)).ok()
    count = len(broker.records(container.id))
    shown = container.call("policy", "log", container.id).ok().out.splitlines()
    assert shown[0].startswith("--- ")
    assert shown[0].endswith(f"UTC: container {container.id}, policy mediated")
    assert len(shown) == count + 1
    [line] = [line for line in shown if "/etc/secret" in line]
    assert "openat" in line
    assert "denied (EACCES)" in line
    raw = container.call("policy", "log", "--json", container.id).ok().out.splitlines()
    assert len(raw) == count
    container.call("policy", "log", "nobody").refused("container nobody has no log")


def test_following_shows_what_comes(container: Container, broker: Broker) -> None:
    """--follow waits for the container's first denial, and for the next one."""
    container.bundle.file("/etc/secret")
    container.bundle.shell("while [ ! -e /tmp/stop ]; do sleep 0.05; done; cat /etc/secret; true")
    container.create(*policy(container))
    words = [str(container.runtime.path), "--root", str(broker.root), "policy", "log", "--follow", container.id]
    follower = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert follower.stdout is not None
    try:
        container.start()
        time.sleep(0.2)
        (container.bundle.rootfs / "tmp/stop").write_text("")
        while b"/etc/secret" not in (line := follower.stdout.readline()):
            assert line
        assert b"denied (EACCES)" in line
    finally:
        os.kill(follower.pid, signal.SIGINT)
        assert follower.wait(10) == 0
        follower.stdout.close()


def test_following_ends_with_the_container(container: Container, broker: Broker) -> None:
    """When it is gone nothing more can come; a container that never was is refused; the second of an ID is told from the first."""
    for _ in range(2):
        prepared(container).run(*policy(container)).ok()
        broker.records(container.id)
    shown = container.call("policy", "log", "--follow", container.id).ok().out
    assert shown.count("--- ") == 2
    container.call("policy", "log", "--follow", "nobody").refused(
        "container nobody has no log below .*there is no such"
    )


def test_why_nothing_is_recorded(container: Container) -> None:
    """No mistake: in words, on standard error; --follow waits only where something may come."""
    quiet = MEDIATED.replace("audit: decisions", "audit: none")
    rules = {
        "": "no policy is in force for it",
        "name: x\nfilesystem: {write: [/tmp]}\n": "its policy has no need of the broker, and what the kernel denies",
        quiet: "nothing that its policy has noted",
    }
    container.bundle.args("/bin/true")
    for text, words in rules.items():
        container.create(*(policy(container, text) if text else ()))
        for flags in ((), ("--json",)) if text == quiet else ((), ("--json",), ("--follow",)):
            shown = container.call("policy", "log", *flags, container.id).ok()
            assert shown.out == ""
            assert shown.err.startswith(f"nothing is recorded of container {container.id}: {words}")
        container.call("delete", "--force", container.id).ok()
    gone = container.call("policy", "log", container.id)
    gone.refused("no log below .* there is no such container: .* or is gone and nothing was recorded")
    assert gone.err.count("\n") == 1


def test_what_only_failed_is_no_denial(container: Container, broker: Broker) -> None:
    """A file that a rule covers and that is not there."""
    container.bundle.shell("cat /etc/hnone; true")
    container.run(*policy(container)).ok()
    [record] = [one for one in broker.records(container.id) if "/etc/hnone" in one.get("target", "")]
    assert (record["verdict"], record["errno"]) == ("fail", "ENOENT")
    assert "failed (ENOENT)" in container.call("policy", "log", container.id).ok().out


def test_hostile_names_give_no_orders_to_a_terminal(container: Container, broker: Broker) -> None:
    """A path with control characters and bytes that are no UTF-8 is shown harmlessly."""
    container.bundle.shell("cat \"$(printf '/etc/\\033[31m\\377')\"; true")
    container.run(*policy(container)).ok()
    assert broker.records(container.id)
    shown = container.call("policy", "log", container.id).ok().out
    assert "\x1b" not in shown
    assert "[31m" in shown


def test_the_kernels_own_denials_are_beside_the_brokers(container: Container, broker: Broker) -> None:
    """A call that the filter kills for comes from the kernel's audit, if the kernel lets us hear it."""
    prepared(container)
    wait_until(lambda: broker.keepers() or container.run(*policy(container)).ok(), "a broker runs")
    if not broker.ask({"op": "status"})["kernel_audit"]:
        return
    container.bundle.shell("cat /etc/secret; exec mkdir /tmp/x")
    text = MEDIATED + "syscalls: {default: allow, kill: [mkdir]}\n"
    assert container.run(*policy(container, text)).rc == 128 + signal.SIGSYS
    records = [record for record in broker.records(container.id) if record["layer"] == "seccomp"]
    assert [(record["syscall"], record["verdict"]) for record in records] == [("mkdir", "kill")]
