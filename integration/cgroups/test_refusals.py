"""Cgroups that take no container: the error names the cgroup and says why."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework import hierarchy
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="runc's words name no cgroup")

DOMAIN = ("hugetlb", "memory", "io")  # controllers that processes beside nested cgroups forbid


@pytest.fixture
def place(container: Container) -> Iterator[Path]:
    """The container's cgroup, made beforehand."""
    container.cgroup.mkdir(parents=True)
    yield container.cgroup
    for directory in sorted((path for path in container.cgroup.rglob("*") if path.is_dir()), reverse=True):
        directory.rmdir()
    if container.cgroup.exists():
        container.cgroup.rmdir()


def controller(place: Path) -> str:
    """A controller that is not for threads alone, given to all cgroups above."""
    found = next((name for name in DOMAIN if name in hierarchy.controllers()), None)
    if found is None:
        pytest.skip("this host's unified hierarchy has no controller but those of threads")
    for above in reversed(place.parents):
        if above.is_relative_to(hierarchy.CGROUP_MOUNT):
            (above / "cgroup.subtree_control").write_text(f"+{found}")
    return found


def below(container: Container, name: str) -> Path:
    """Let the container have a cgroup in the one that is there."""
    container.bundle.linux["cgroupsPath"] = str(Path(container.bundle.linux["cgroupsPath"]) / name)
    return container.cgroup


def test_controllers_of_nested_cgroups(container: Container, place: Path) -> None:
    """Where cgroups below have controllers no process may be."""
    name = controller(place)
    (place / "nested").mkdir()
    (place / "cgroup.subtree_control").write_text(f"+{name}")
    container.bundle.args("/bin/true")
    refused = container.create(check=False)
    why = f"takes no processes, since those below it have controllers ({name}): device or resource busy"
    assert f"unable to start the container's init: cgroup {place} {why}" in refused.err
    assert container.status() == "missing"
    (place / "nested").rmdir()


def test_a_cgroup_beside_those_of_threads(container: Container, place: Path) -> None:
    """Below a threaded one, and not threaded itself."""
    (place / "threads").mkdir()
    (place / "threads/cgroup.type").write_text("threaded")
    inner = below(container, "inner")
    container.bundle.args("/bin/true")
    refused = container.create(check=False)
    why = "takes no processes, since its type is domain invalid: operation not supported"
    assert f"unable to start the container's init: cgroup {inner} {why}" in refused.err
    assert container.status() == "missing"
    (place / "threads").rmdir()


def test_a_cgroup_with_processes_above(container: Container, place: Path) -> None:
    """It has no controllers to give."""
    name = controller(place)
    limits = {
        "hugetlb": {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]},
        "memory": {"memory": {"limit": 64 << 20}},
        "io": {"blockIO": {"weight": 100}},
    }
    below(container, "inner")
    container.bundle.linux["resources"] = limits[name]
    container.bundle.args("/bin/true")
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        (place / "cgroup.procs").write_text(str(process.pid))
        refused = container.create(check=False)
        process.kill()
    assert f"cgroup {place} has processes of its own and so gives this controller to none below it" in refused.err
    assert "no such file or directory" in refused.err
    assert container.status() == "missing"
