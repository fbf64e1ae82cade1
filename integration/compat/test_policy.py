"""Policies through engines: by annotation, and by the arguments that a daemon gives its runtime."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from integration.framework import probe
from integration.framework.engines import IMAGE, POLICED, Docker, Podman
from integration.framework.flavours import only
from integration.framework.programs import tree_or_skip
from integration.security.attack_rows import BUILT_IN

pytestmark = only("postern", reason="policies are postern's")

# the annotation needs Docker 24, which the virtual machine has
AGENT = ("--annotation", "io.postern.policy=agent")
RUNTIME = ("--runtime", f"{POLICED}agent")
SOCKET_NUMBER = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
SOCKET = f"{SOCKET_NUMBER},2,1,0"


def says_agent(calls: dict[str, Any], paths: dict[str, Any]) -> None:
    """What the policy `agent` makes of a socket and of two places to write to."""
    assert calls == {SOCKET: errno.EAFNOSUPPORT}
    assert paths == {"c:/etc/new": errno.EROFS, "c:/tmp/new": 0}


SCRIPT = f"/usr/bin/probe calls {SOCKET}; /usr/bin/probe paths c:/etc/new c:/tmp/new"
HOWS = [pytest.param(AGENT, marks=pytest.mark.vm, id="annotation"), pytest.param(RUNTIME, id="runtime arguments")]


def probe_volume() -> tuple[str, str]:
    """The probe where the policy lets programs be executed."""
    return ("-v", f"{probe.built('probe')}:/usr/bin/probe:ro")


@pytest.mark.parametrize("words", HOWS)
def test_docker(docker: Docker, words: tuple[str, ...]) -> None:
    """A runtime of daemon.json with runtimeArgs, and docker run --annotation: init and exec are under the policy."""
    words = (*words, *probe_volume())
    name = docker("run", "-d", *words, IMAGE, "/bin/sh", "-c", f"{SCRIPT}; exec /bin/sleep 60").ok().out.strip()
    executed = docker("exec", name, "/bin/sh", "-c", f"/bin/rm -f /tmp/new; {SCRIPT}").ok().out
    logs = docker("logs", name).ok().out
    docker("rm", "-f", name).ok()
    for output in (logs, executed):
        calls, paths = (json.loads(line) for line in output.splitlines())
        says_agent(calls, paths)


def test_docker_without(docker: Docker) -> None:
    """A container of the same daemon that asks for no policy has none."""
    calls, paths = (
        json.loads(line)
        for line in docker("run", "--rm", *probe_volume(), IMAGE, "/bin/sh", "-c", SCRIPT).ok().out.splitlines()
    )
    assert calls == {SOCKET: 0}
    assert paths == {"c:/etc/new": 0, "c:/tmp/new": 0}


@pytest.mark.vm
def test_docker_unknown(docker: Docker) -> None:
    """An annotation may name built-in policies alone; the container does not start with less."""
    result = docker("run", "--rm", "--annotation", "io.postern.policy=/etc/passwd", IMAGE, "/bin/true")
    assert result.rc == 125
    assert '"/etc/passwd" may not be chosen' in result.message


@pytest.mark.parametrize("policy", BUILT_IN)
@pytest.mark.parametrize("program", ["/usr/bin/python3 /opt/samples/sample.py", "/usr/bin/node /opt/samples/sample.js"])
def test_docker_programs(docker: Docker, policy: str, program: str) -> None:
    """Python and Node do their work in Docker's containers under each built-in policy."""
    lower: Path = tree_or_skip()
    volumes = [
        word
        for inside, place in (("/usr", "usr"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64"), ("/opt", "opt"))
        for word in ("-v", f"{lower}/{place}:{inside}:ro")
    ]
    words = ("run", "--rm", "--network", "none", "--runtime", POLICED + policy, *volumes, IMAGE)
    assert docker(*words, *program.split()).ok().out == "sum 42\n"


def test_podman(podman: Podman) -> None:
    """podman run --annotation."""
    words = podman.run_words("--rm", *AGENT, *probe_volume())
    output = podman(*words, "localhost/box:latest", "/bin/sh", "-c", SCRIPT).ok().out
    calls, paths = (json.loads(line) for line in output.splitlines())
    says_agent(calls, paths)
