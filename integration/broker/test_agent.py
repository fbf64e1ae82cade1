"""The broker alone, as the seccomp agent of runc and crun: listenerPath leads to it, listenerMetadata names the policy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from integration.framework.broker import MEDIATED, Broker, wait_until
from integration.framework.bundle import Bundle
from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.runtime import CLEAN_ENV

pytestmark = only("postern", reason="the broker is postern's")

REFERENCES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "postern/reference/bin"
OPENS = ["open", "openat", "openat2", "creat"]
NO_DIRECTORIES = "name: flat\nsyscalls: {default: allow, deny: [mkdir, mkdirat]}\nnetwork: unrestricted\n"


@pytest.fixture
def agent(container: Container, broker: Broker) -> Broker:
    """A broker that runs without a container of ours."""
    if not broker.keepers():
        subprocess.run([str(container.runtime.path), "--root", str(broker.root), "broker"], check=True, timeout=20)
    return broker


@pytest.fixture(params=["runc", "crun"])
def reference(request: pytest.FixtureRequest) -> Path:
    """Another runtime."""
    path: Path = REFERENCES / str(request.param)
    if not path.exists():
        pytest.skip(f"{path} is not there: make reference")
    return path


def under_agent(bundle: Bundle, broker: Broker, metadata: str, calls: list[str]) -> None:
    """Send calls to the broker, and name its policy."""
    (bundle.rootfs / "bin/hostname").symlink_to("busybox")
    bundle.file("/etc/hello")
    bundle.file("/etc/secret")
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(broker.directory / "socket"),
        "listenerMetadata": metadata,
        "syscalls": [{"names": calls, "action": "SCMP_ACT_NOTIFY"}],
    }
    bundle.save()


def run(reference: Path, container: Container, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a container of the other runtime."""
    container.bundle.shell(script)
    container.bundle.save()
    root = container.bundle.path / "other-root"
    words = [str(reference), "--root", str(root), "run", "--bundle", str(container.bundle.path), container.id]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=CLEAN_ENV)


def test_a_policy_is_enforced_behind_another_runtime(reference: Path, container: Container, agent: Broker) -> None:
    """The file is compiled, and decides; the log names container, policy and rule."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(NO_DIRECTORIES)
    under_agent(container.bundle, agent, f"policy={path}", ["mkdir", "mkdirat", "sethostname"])
    done = run(reference, container, "mkdir /tmp/new; hostname; echo end")
    assert done.stdout == "gate\nend\n", done
    assert "can't create directory '/tmp/new': Operation not permitted" in done.stderr
    [denied] = [record for record in agent.records(container.id) if record["syscall"].startswith("mkdir")]
    assert (denied["policy"], denied["verdict"], denied["errno"], denied["handler"]) == (
        "flat",
        "deny",
        "EPERM",
        "deny",
    )
    assert denied["rule"].endswith("policy.yaml:2: syscalls.deny: mkdir")


def test_opens_are_mediated_behind_crun(container: Container, agent: Broker) -> None:
    """Its init opens nothing under the filter but the program, so paths can be judged; the log names path and rule."""
    reference = REFERENCES / "crun"
    if not reference.exists():
        pytest.skip(f"{reference} is not there: make reference")
    path = container.bundle.path / "policy.yaml"
    path.write_text(MEDIATED)
    under_agent(container.bundle, agent, f"policy={path}", OPENS)
    done = run(reference, container, "cat /etc/hello; cat /etc/secret; echo end")
    assert done.stdout == "content\nend\n", done
    assert "can't open '/etc/secret': Permission denied" in done.stderr
    records = {record["target"]: record for record in agent.records(container.id)}
    [denied] = [record for target, record in records.items() if "/etc/secret" in target]
    assert (denied["policy"], denied["verdict"], denied["errno"]) == ("mediated", "deny", "EACCES")


def test_a_policy_that_cannot_be_had_lets_nothing_pass(reference: Path, container: Container, agent: Broker) -> None:
    """Its listener is closed: the calls fail, and the broker's own log says why."""
    under_agent(container.bundle, agent, "policy=no-such-policy", ["mkdir"])
    done = run(reference, container, "mkdir /tmp/new && echo made")
    assert "made" not in done.stdout
    assert "not implemented" in done.stderr
    log = agent.directory / "broker.log"
    wait_until(lambda: "no-such-policy" in log.read_text(), "the broker says why")


def test_a_listener_without_a_policy_is_refused(reference: Path, container: Container, agent: Broker) -> None:
    """Nothing could be decided: the connection is closed, and the calls fail."""
    under_agent(container.bundle, agent, json.dumps({"some": "thing"}), ["mkdir"])
    done = run(reference, container, "mkdir /tmp/new && echo made")
    assert "made" not in done.stdout
    assert "not implemented" in done.stderr
