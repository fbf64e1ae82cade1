"""Docker and podman with memory, cpu and pids limits: run inside the virtual machine."""

from __future__ import annotations

import json

import pytest

from integration.compat.conftest import archive, containerd, docker, engine_cgroup, engine_directory, podman  # noqa: F401
from integration.framework.engines import IMAGE, Docker, Podman

pytestmark = pytest.mark.vm
FLAGS = ("-m", "32m", "--memory-swap", "32m", "--pids-limit", "15", "--cpus", "0.2")
READ = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max"
WANT = ["33554432", "15", "20000", "100000"]


def test_docker_limits(docker: Docker) -> None:  # noqa: F811
    """docker run -m --pids-limit --cpus."""
    assert docker("run", "--rm", *FLAGS, IMAGE, "/bin/sh", "-c", READ).ok().out.split() == WANT


def test_docker_memory_hog(docker: Docker) -> None:  # noqa: F811
    """Docker reports the OOM kill; it forgets one whose event its shim reads later than the container's end."""
    reported = []
    for number in range(5):
        assert docker("run", "--name", f"hog{number}", *FLAGS, IMAGE, "/probe", "hog", "200").rc == 137
        reported.append(docker("inspect", "-f", "{{.State.OOMKilled}}", f"hog{number}").out.strip())
        docker("rm", f"hog{number}").ok()
        if reported[-1] == "true":
            return
    raise AssertionError(reported)


def test_docker_fork_bomb(docker: Docker) -> None:  # noqa: F811
    """--pids-limit stops it."""
    result = docker("run", "--rm", *FLAGS, IMAGE, "/probe", "forks", "300")
    assert json.loads(result.out)["errno"] == 11


def test_podman_limits(podman: Podman) -> None:  # noqa: F811
    """podman run -m --pids-limit --cpus."""
    words = (
        "run",
        "--rm",
        "--network",
        "none",
        "--cgroup-parent",
        podman.cgroup_parent,
        *FLAGS,
        "localhost/box:latest",
        "/bin/sh",
        "-c",
        READ,
    )
    assert podman(*words).ok().out.split() == WANT


def test_podman_memory_hog(podman: Podman) -> None:  # noqa: F811
    """podman gives 137."""
    words = (
        "run",
        "--rm",
        "--network",
        "none",
        "--cgroup-parent",
        podman.cgroup_parent,
        *FLAGS,
        "localhost/box:latest",
        "/probe",
        "hog",
        "200",
    )
    assert podman(*words).rc == 137
