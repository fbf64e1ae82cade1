"""The checks that span several properties: what each refuses, and what it lets pass."""

from typing import Any

import pytest

from tests.oci_schemas.documents import PROCESS
from tests.oci_schemas.loading import violations


def _config(**linux: Any) -> dict[str, Any]:
    return {"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "linux": linux}


def _process(**changes: Any) -> dict[str, Any]:
    return {"cwd": "/", "args": ["sh"], **changes}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2}, ["/rlimits/1/type"]),
        ({"rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}, ["/rlimits/0/soft"]),
        ({"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_AS", "soft": 0, "hard": 0}]}, []),
        ({"terminal": True, "consoleSize": {"height": 65536, "width": 1}}, ["/consoleSize/height"]),
        ({"terminal": False, "consoleSize": {"height": 65536, "width": 1}}, []),
        ({"consoleSize": {"height": 65536, "width": 1}}, []),
        ({"scheduler": {"policy": "SCHED_OTHER", "nice": -20}}, []),
        ({"scheduler": {"policy": "SCHED_BATCH", "nice": 20}}, ["/scheduler/nice"]),
        ({"scheduler": {"policy": "SCHED_IDLE", "nice": 1}}, ["/scheduler/nice"]),
        ({"scheduler": {"policy": "SCHED_FIFO", "priority": 99}}, []),
        ({"scheduler": {"policy": "SCHED_FIFO"}}, ["/scheduler/priority"]),
        ({"scheduler": {"policy": "SCHED_RR", "priority": 100}}, ["/scheduler/priority"]),
        ({"scheduler": {"policy": "SCHED_OTHER", "priority": 1}}, ["/scheduler/priority"]),
        ({"scheduler": {"policy": "SCHED_OTHER", "priority": 0, "runtime": 0}}, []),
        (
            {"scheduler": {"policy": "SCHED_FIFO", "priority": 1, "runtime": 1, "deadline": 1, "period": 1}},
            ["/scheduler/deadline", "/scheduler/period", "/scheduler/runtime"],
        ),
        ({"env": []}, []),
        ({"env": ["A==", "B="]}, []),
    ],
)
def test_process_rules(changes: dict[str, Any], where: list[str]) -> None:
    """config.md#process."""
    assert list(violations("process", _process(**changes))) == where


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"memory": {"swappiness": 100}}, []),
        ({"memory": {"swappiness": 101}}, ["/memory/swappiness"]),
        ({"cpu": {"quota": 100, "burst": 100}}, []),
        ({"cpu": {"quota": 100, "burst": 101}}, ["/cpu/burst"]),
        ({"cpu": {"quota": -1, "burst": 101}}, []),
        ({"cpu": {"burst": 101}}, []),
        ({"blockIO": {"weightDevice": [{"major": 1, "minor": 1}]}}, ["/blockIO/weightDevice/0"]),
        ({"blockIO": {"weightDevice": [{"major": 1, "minor": 1, "leafWeight": 0}]}}, []),
        ({"rdma": {"mlx": {}}}, ["/rdma/mlx"]),
        ({"rdma": {"mlx": {"hcaObjects": 0}}}, []),
        (
            {"unified": {"a/b": "1", "..": "1", ".": "1", "memory.high": "1"}},
            ["/unified/.", "/unified/..", "/unified/a~1b"],
        ),
    ],
)
def test_resource_rules(section: dict[str, Any], where: list[str]) -> None:
    """config-linux.md#control-groups; the same alone and inside a configuration."""
    assert list(violations("resources", section)) == where
    assert list(violations("config", _config(resources=section))) == [f"/linux/resources{place}" for place in where]


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"namespaces": [{"type": "pid"}, {"type": "uts"}, {"type": "pid", "path": "/x"}]}, ["namespaces/2/type"]),
        ({"netDevices": {"eth0": {}, "a" * 15: {"name": ""}, "x": {"name": "eth%d"}}}, []),
        ({"netDevices": {"a" * 16: {}}}, ["netDevices/" + "a" * 16]),
        ({"netDevices": {"é" * 8: {}}}, ["netDevices/" + "é" * 8]),
        ({"netDevices": {"eth0": {"name": ".."}}}, ["netDevices/eth0/name"]),
        ({"netDevices": {"a b": {}, "a:b": {}}}, ["netDevices/a b", "netDevices/a:b"]),
        ({"intelRdt": {"closID": "/"}}, []),
        ({"intelRdt": {"closID": ""}}, []),
        ({"intelRdt": {"closID": ".."}}, ["intelRdt/closID"]),
        ({"intelRdt": {"closID": "/a"}}, ["intelRdt/closID"]),
        ({"intelRdt": {"schemata": ["a", "b\n"]}}, ["intelRdt/schemata/1"]),
        ({"memoryPolicy": {"mode": "MPOL_DEFAULT", "nodes": "0"}}, ["memoryPolicy/nodes"]),
        ({"memoryPolicy": {"mode": "MPOL_LOCAL"}}, []),
        ({"memoryPolicy": {"mode": "MPOL_BIND"}}, ["memoryPolicy/nodes"]),
        ({"memoryPolicy": {"mode": "MPOL_PREFERRED"}}, []),
        ({"personality": {"domain": "LINUX", "flags": ["X"]}}, ["personality/flags/0"]),
        ({"seccomp": {"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 1}}, []),
        ({"seccomp": {"defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 0}}, ["seccomp/defaultErrnoRet"]),
        (
            {
                "seccomp": {
                    "defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG", "errnoRet": 1}],
                }
            },
            ["seccomp/syscalls/0/errnoRet"],
        ),
        ({"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}}, ["seccomp/listenerPath"]),
        ({"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": ""}}, []),
    ],
)
def test_linux_rules(section: dict[str, Any], where: list[str]) -> None:
    """config-linux.md."""
    assert list(violations("config", _config(**section))) == [f"/linux/{place}" for place in where]


@pytest.mark.parametrize("missing", ["uidMappings", "gidMappings"])
def test_a_mount_has_both_mappings_or_none(missing: str) -> None:
    """config.md#mounts."""
    mapping = [{"containerID": 0, "hostID": 1, "size": 1}]
    mount = {"destination": "/x", "uidMappings": mapping, "gidMappings": mapping}
    document = {**_config(), "mounts": [mount, {**mount, missing: []}]}
    assert list(violations("config", document)) == [f"/mounts/1/{missing}"]


def test_a_process_inside_a_configuration_obeys_the_same_rules() -> None:
    """Its places begin with /process."""
    document = {**_config(), "process": {**PROCESS, "env": ["x"]}}
    assert list(violations("config", document)) == ["/process/env/0"]
