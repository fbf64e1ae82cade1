"""Limits of a policy against programs that take all they get."""

from __future__ import annotations

import errno
import json

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="policies are postern's")


def flag(container: Container, text: str) -> tuple[str, str]:
    """The words that choose a policy of this text."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(f"name: limits\nnetwork: unrestricted\n{text}")
    return ("--policy", str(path))


@pytest.mark.vm
def test_fork_bomb(container: Container) -> None:
    """`resources.pids`: forking ends with EAGAIN, in init and in exec, and the container lives on."""
    words = flag(container, "resources: {pids: 32}\n")
    container.bundle.probe("forks", "300")
    result = container.run(*words).json()
    assert result["errno"] == errno.EAGAIN
    assert result["made"] < 32
    container.bundle.probe("wait")
    container.up(*words)
    result = json.loads(container.exec("/probe", "forks", "300").out.splitlines()[0])
    assert result["errno"] == errno.EAGAIN
    assert container.status() == "running"


@pytest.mark.vm
def test_memory(container: Container) -> None:
    """`resources.memory`: whoever takes more is ended, and a larger limit of the config does not help."""
    container.bundle.linux["resources"]["memory"] = {"limit": 1 << 30, "swap": 1 << 30}
    container.bundle.probe("hog", "200")
    result = container.run(*flag(container, "resources: {memory: 32MiB, swap: 0}\n"))
    assert result.rc == 137, result
    assert "held" not in result.out


def test_open_files(container: Container) -> None:
    """`limits.open_files`: both limits, in init and in exec, however much the config gives."""
    container.bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 900, "hard": 1000}]
    container.bundle.probe("wait")
    container.up(*flag(container, "limits: {open_files: 64}\n"))
    assert container.exec_facts()["rlimits"]["RLIMIT_NOFILE"] == [64, 64]
    process = container.process_file(
        args=["/probe", "facts"], rlimits=[{"type": "RLIMIT_NOFILE", "soft": 500, "hard": 800}]
    )
    facts = json.loads(container.call("exec", "--process", process, container.id).ok().out)
    assert facts["rlimits"]["RLIMIT_NOFILE"] == [64, 64]
