"""Limits that bite, on real controllers: run inside the virtual machine."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.hierarchy import CGROUP_MOUNT

pytestmark = pytest.mark.vm
MIB = 1 << 20


def limited(container: Container, **resources: Any) -> Container:
    """Add resources to the config."""
    container.bundle.linux["resources"].update(resources)
    return container


def written(container: Container, name: str) -> str:
    """A file of the created container's group."""
    return (container.cgroup / name).read_text().strip()


@pytest.mark.parametrize(
    ("resources", "files"),
    [
        ({"memory": {"limit": 64 * MIB}}, {"memory.max": str(64 * MIB)}),
        ({"memory": {"limit": -1}}, {"memory.max": "max"}),
        ({"memory": {"reservation": 32 * MIB}}, {"memory.low": str(32 * MIB)}),
        ({"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}, {"memory.max": str(64 * MIB), "memory.swap.max": str(32 * MIB)}),
        ({"memory": {"limit": 64 * MIB, "swap": -1}}, {"memory.swap.max": "max"}),
        ({"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, {"memory.swap.max": "0"}),
        ({"cpu": {"shares": 1024}}, {"cpu.weight": "100"}),
        ({"cpu": {"shares": 2}}, {"cpu.weight": "1"}),
        ({"cpu": {"shares": 262144}}, {"cpu.weight": "10000"}),
        ({"cpu": {"shares": 512}}, {"cpu.weight": "59"}),
        ({"cpu": {"shares": 0}}, {"cpu.weight": "100"}),
        ({"cpu": {"quota": 20000, "period": 100000}}, {"cpu.max": "20000 100000"}),
        ({"cpu": {"quota": -1, "period": 50000}}, {"cpu.max": "max 50000"}),
        ({"cpu": {"quota": 30000}}, {"cpu.max": "30000 100000"}),
        ({"cpu": {"idle": 1}}, {"cpu.idle": "1"}),
        ({"cpu": {"quota": 50000, "period": 100000, "burst": 10000}}, {"cpu.max.burst": "10000"}),
        ({"pids": {"limit": 20}}, {"pids.max": "20"}),
        ({"pids": {"limit": -1}}, {"pids.max": "max"}),
        ({"blockIO": {"weight": 10}}, {"io.weight": "default 1"}),
        ({"blockIO": {"weight": 1000}}, {"io.weight": "default 10000"}),
        ({"unified": {"memory.high": "50331648", "pids.max": "7"}}, {"memory.high": "50331648", "pids.max": "7"}),
        ({"pids": {"limit": 20}, "unified": {"pids.max": "9"}}, {"pids.max": "9"}),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)  # fmt: skip
@differs("runc", "crun", reason="conversions changed between versions; a weight of 0 of io is refused", strict=False)
def test_written_value(container: Container, resources: dict[str, Any], files: dict[str, str]) -> None:
    """What each v1 setting becomes in the files of v2."""
    result = limited(container, **resources).create(check=False)
    if "blockIO" in resources and result.rc and not list(CGROUP_MOUNT.glob("*/io.weight")):
        assert "io.weight" in result.err
        pytest.skip("this kernel's io controller knows no weights: the refusal names the file")
    result.ok()
    for name, value in files.items():
        assert written(container, name) == value


@pytest.mark.parametrize(
    ("resources", "pattern"),
    [
        ({"memory": {"limit": 64 * MIB, "swap": 32 * MIB}}, "memory\\+swap limit should be >= memory limit"),
        ({"memory": {"swap": 32 * MIB}}, "unable to set swap limit without memory limit"),
        ({"cpu": {"quota": 10, "period": 100000}}, "."),
        ({"cpu": {"period": 1}}, "."),
        ({"unified": {"memory.nonsense": "1"}}, "."),
    ],
    ids=["swap below limit", "swap alone", "tiny quota", "tiny period", "unknown file"],
)
@differs("crun", reason="crun has other words and leaves its group", strict=False)
def test_refused(container: Container, resources: dict[str, Any], pattern: str) -> None:
    """Values the kernel or the conversion refuses fail create and leave nothing."""
    limited(container, **resources).refuses_creation(pattern)


def test_memory_hog_is_killed(container: Container) -> None:
    """A process that wants more than its limit is OOM-killed: 137, and the group counts it."""
    limited(container, memory={"limit": 24 * MIB, "swap": 24 * MIB}).bundle.probe("hog", "200")
    container.create()
    container.start()
    assert container.exit_code() == 137
    events = dict(line.split() for line in written(container, "memory.events").splitlines())
    assert int(events["oom_kill"]) >= 1


def test_memory_below_the_limit(container: Container) -> None:
    """A process within its limit is left alone."""
    limited(container, memory={"limit": 64 * MIB}).bundle.probe("hog", "20")
    assert container.run().out == "held 20\n"


@differs("crun", reason="crun has other words", strict=False)
def test_limit_too_low_for_init(container: Container) -> None:
    """A limit that not even the start survives is reported as such."""
    limited(container, memory={"limit": 4096, "swap": 4096}).bundle.args("/bin/true")
    result = container.run()
    assert result.rc != 0
    assert re.search("OOM-killed|out of memory|[Cc]annot allocate memory|memory", result.err) or result.rc == 137


def test_fork_bomb_stops(container: Container) -> None:
    """pids.max stops a fork bomb with EAGAIN."""
    limited(container, pids={"limit": 12}).bundle.probe("forks", "500")
    answer = json.loads(container.run().out)
    assert answer["errno"] == 11
    assert answer["made"] == 11


def test_cpu_quota_is_measured(container: Container) -> None:
    """A quota of 20 % gives 20 %, with slack for a slow machine."""
    limited(container, cpu={"quota": 20000, "period": 100000}).bundle.probe("burn", "3")
    assert 300 < json.loads(container.run().ok().out)["cpu_ms"] < 1000


def test_exec_is_limited_too(container: Container) -> None:
    """An exec shares the limits."""
    limited(container, pids={"limit": 10}).waiting()
    assert container.exec("/probe", "forks", "100").json()["errno"] == 11


def test_delete_of_a_bomb(container: Container) -> None:
    """delete --force ends every process of a shared pid namespace by the group."""
    limited(container, pids={"limit": 30}).bundle.without_namespace("pid").shell(
        "for i in 1 2 3 4 5; do sleep 1000 & done; sleep 1000"
    )
    container.up()
    time.sleep(0.3)
    container.delete("--force").ok()
    container.assert_gone()


def test_controllers_are_enabled_on_the_way(container: Container) -> None:
    """Parents that were made get the controllers the container needs."""
    path = container.bundle.linux["cgroupsPath"]
    limited(container, memory={"limit": 64 * MIB}, pids={"limit": 5}).create()
    assert {"memory", "pids"} <= set((container.cgroup.parent / "cgroup.subtree_control").read_text().split())
    assert path


def test_unified_root_does_not_hold_limits_of_others(container: Container) -> None:
    """Only the container's own group is written."""
    limited(container, memory={"limit": 64 * MIB}).create()
    assert (container.cgroup.parent / "memory.max").read_text().strip() == "max"
