"""Another policy for a container that runs: in effect with its next call, and never a looser one but by root's word."""

from __future__ import annotations

import os
from collections.abc import Callable

from integration.broker.test_survive import policy
from integration.framework.broker import MEDIATED, Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="the broker is postern's")

# opens the file each time that it is told to
SCRIPT = "echo ready; while read word; do cat /etc/hello || echo refused; done"
NARROW = 'name: narrow\nfilesystem: {read: [/bin, /probe, /dev, /proc, /tmp, "/etc/n*"]}\nnetwork: unrestricted\n'


class Talk:
    """A container that opens a file on demand."""

    def __init__(self, container: Container, text: str = MEDIATED) -> None:
        container.bundle.file("/etc/hello", "hello\n")
        container.bundle.shell(SCRIPT)
        self.reader, self.writer = os.pipe()
        self.container = container
        container.create(*policy(container, text), stdin=self.reader)
        container.start()
        container.wait_for_output("ready")
        self.rounds = 0

    def again(self) -> str:
        """What the next round prints."""
        before = len(self.container.output())
        os.write(self.writer, b"again\n")
        text = ""
        while not text.endswith(("hello\n", "refused\n")):
            text = self.container.output()[before:]
        return text

    def close(self) -> None:
        """End it."""
        os.close(self.writer)
        os.close(self.reader)


def file_of(container: Container, name: str, text: str) -> str:
    """A policy's file."""
    path = container.bundle.path / name
    path.write_text(text)
    return str(path)


def test_a_narrower_policy_holds_from_the_next_call(container: Container, broker: Broker) -> None:
    """Without a restart; the one that held still holds, and exec and a new worker get both."""
    talk = Talk(container)
    assert talk.again() == "hello\n"
    result = container.call("policy", "apply", container.id, file_of(container, "narrow.yaml", NARROW)).ok()
    assert "table of 1 listener exchanged" in result.out
    assert "refused" in talk.again()
    assert container.exec("/bin/cat", "/etc/hello").rc == 1
    os.kill(broker.serving(), 9)
    assert "refused" in talk.again()
    assert {row["policy"] for row in broker.served(container.id)} == {"mediated+narrow"}
    talk.close()


def test_root_may_loosen_and_says_so(container: Container) -> None:
    """--loosen replaces what holds."""
    talk = Talk(container, NARROW)
    assert "refused" in talk.again()
    path = file_of(container, "wide.yaml", NARROW.replace("narrow", "wide").replace("/etc/n*", "/etc/h*"))
    container.call("policy", "apply", container.id, path).ok()
    assert "refused" in talk.again()
    container.call("policy", "apply", "--loosen", container.id, path).ok()
    assert talk.again() == "hello\n"
    talk.close()


def test_what_cannot_change_is_refused_with_the_rule(container: Container) -> None:
    """The filter and the mounts of a running process stay; nothing is done by halves."""
    talk = Talk(container)
    text = 'name: other\nfilesystem: {write: [/tmp], read: [/bin, /probe, /dev, /proc, /tmp, "/etc/n*"]}\nsyscalls: {default: allow, deny: [mlock]}\n'
    path = file_of(container, "other.yaml", text)
    container.call("policy", "apply", container.id, path).refused(
        r"other\.yaml:3: syscalls\.deny: mlock: the seccomp filter cannot be changed in a running container"
    )
    assert talk.again() == "hello\n"
    talk.close()


def test_a_refusal_is_short_and_names_the_mechanism(container: Container) -> None:
    """Of many rules three are named; only sections that would need a change are."""
    talk = Talk(container)
    calls = "mlock, munlock, sync, acct, chroot, reboot"
    text = f"name: many\nnetwork: unrestricted\nfilesystem: {{write: [/tmp, /probe]}}\nsyscalls: {{default: allow, deny: [{calls}]}}\nprctl: [PR_SET_NAME]\n"
    refused = container.call("policy", "apply", container.id, file_of(container, "many.yaml", text))
    refused.refused("the seccomp filter cannot be changed in a running container")
    assert len(refused.err) < 800
    assert "network" not in refused.err
    talk.close()


def test_what_is_hidden_stays_what_it_is(container: Container) -> None:
    """Paths are covered when a container is made; the refusal says that it is a matter of mounts."""
    talk = Talk(container)
    text = "name: cover\nnetwork: unrestricted\nfilesystem: {hide: [/etc/hello], write: [/]}\n"
    container.call("policy", "apply", container.id, file_of(container, "cover.yaml", text)).refused(
        r"cover\.yaml:3: filesystem\.hide: /etc/hello: what is mounted read-only, noexec or hidden cannot be changed in a running container"
    )
    talk.close()


def test_a_time_limit_holds_from_the_next_moment(container: Container) -> None:
    """Counted from the container's beginning; taken back by root alone."""
    talk = Talk(container)
    long = file_of(container, "long.yaml", NARROW.replace("narrow", "long") + "limits: {wall_time: 10m}\n")
    container.call("policy", "apply", container.id, long).ok()
    assert "refused" in talk.again()
    short = file_of(container, "short.yaml", NARROW.replace("narrow", "short") + "limits: {wall_time: 1ms}\n")
    container.call("policy", "apply", container.id, short).ok()
    wait_until(lambda: container.status() == "stopped", "the container's time is up")
    talk.close()


def test_a_container_without_a_policy_gets_none(container: Container) -> None:
    """Its processes run without a filter that could ask."""
    container.waiting()
    path = file_of(container, "narrow.yaml", NARROW)
    container.call("policy", "apply", container.id, path).refused("was created without a policy")


def test_the_broker_itself_refuses_to_loosen(container: Container, broker: Broker) -> None:
    """A table that does not contain the one that holds is not taken from whoever does not say so."""
    from runtime.broker.table import encode_table

    talk = Talk(container)
    [row] = broker.served(container.id)
    table = {
        "mode": "enforce",
        "timeout_ms": 1000,
        "max_inflight": 8,
        "on_failure": "deny",
        "audit": "none",
        "name": "free",
        "calls": {},
        "rules": [],
        "wall_time_ms": None,
    }
    fd = os.memfd_create("table")
    os.write(fd, encode_table(table))
    assert "--loosen" in broker.ask({"op": "apply", "id": container.id}, (fd,))["error"]
    os.close(fd)
    fd = os.memfd_create("table")
    os.write(fd, b"PBT1" + bytes(100))
    assert "not usable" in broker.ask({"op": "apply", "id": container.id, "loosen": True}, (fd,))["error"]
    os.close(fd)
    assert "no descriptor" in broker.ask({"op": "apply", "id": container.id})["error"]
    assert row["policy"] == broker.served(container.id)[0]["policy"] == "mediated"
    assert talk.again() == "hello\n"
    talk.close()


def applied(container: Container, *words: str) -> str:
    """The policy that holds now, as apply says."""
    out = container.call("policy", "apply", *words).ok().out
    return out.splitlines()[0].removeprefix("policy: ")


def test_a_policy_is_called_the_same_everywhere(container: Container, broker: Broker) -> None:
    """By all policies that hold, each once, what it extends first: at create, by apply, by --loosen, and in what the broker says."""
    file_of(container, "lower.yaml", NARROW.replace("narrow", "lower").replace("/etc/n*", "/etc/*"))
    extending = (
        "name: upper\nextends: lower.yaml\nnetwork: unrestricted\n" + NARROW.splitlines()[1].replace("n*", "h*") + "\n"
    )
    talk = Talk(container, extending)
    [row] = broker.served(container.id)
    assert row["policy"] == "lower+upper"
    path = file_of(container, "narrow.yaml", NARROW.replace("network", "extends: lower.yaml\nnetwork"))
    assert applied(container, container.id, path) == "lower+upper+narrow"
    assert applied(container, container.id, path) == "lower+upper+narrow"
    [row] = broker.served(container.id)
    assert row["policy"] == "lower+upper+narrow"
    assert applied(container, "--loosen", container.id, path) == "lower+narrow"
    [row] = broker.served(container.id)
    assert row["policy"] == "lower+narrow"
    talk.close()


def test_none_is_no_policy_to_add(container: Container) -> None:
    """It is told what would take a policy away; what a running process keeps of it is named."""
    talk = Talk(container)
    container.call("policy", "apply", container.id, "none").refused(
        '"none" adds nothing to mediated: --loosen leaves the site\'s floor alone in force'
    )
    container.call("policy", "apply", "--loosen", container.id, "none").refused(
        "the seccomp filter cannot be taken back in a running container"
    )
    assert talk.again() == "hello\n"
    talk.close()


def test_a_limit_is_taken_back(make: Callable[[], Container]) -> None:
    """The shorter time counts; --loosen gives back the longer one, by the same names."""
    container = make()
    container.waiting(
        "--policy", file_of(container, "limits.yaml", "name: limits\nnetwork: unrestricted\nlimits: {wall_time: 1h}\n")
    )
    assert (
        applied(
            container,
            container.id,
            file_of(container, "more.yaml", "name: more\nnetwork: unrestricted\nlimits: {wall_time: 30m}\n"),
        )
        == "limits+more"
    )
    assert applied(container, "--loosen", container.id, str(container.bundle.path / "limits.yaml")) == "limits"


def test_a_namespace_with_an_empty_path_is_a_new_one(container: Container) -> None:
    """For apply as for create, and for runc."""
    spaces = container.bundle.linux["namespaces"]
    container.bundle.linux["namespaces"] = [{**space, "path": ""} for space in spaces]
    talk = Talk(container)
    container.call("policy", "apply", container.id, file_of(container, "narrow.yaml", NARROW)).ok()
    assert talk.again() == "refused\n"
    talk.close()
