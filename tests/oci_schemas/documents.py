"""One document of each kind in which every property of the specification has a valid value."""

import copy
from typing import Any

_HOOK = {"path": "/bin/hook", "args": ["hook", "arg"], "env": ["A=b"], "timeout": 5}
_ID_MAP = {"containerID": 0, "hostID": 100000, "size": 65536}
_THROTTLE = {"major": 8, "minor": 0, "rate": 1048576}

PROCESS: dict[str, Any] = {
    "terminal": True,
    "consoleSize": {"height": 25, "width": 80},
    "cwd": "/",
    "env": ["PATH=/usr/bin:/bin", "EMPTY="],
    "args": ["sh", "-c", "true"],
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 2**64 - 1}],
    "apparmorProfile": "profile",
    "capabilities": {
        "effective": ["CAP_KILL"],
        "bounding": ["CAP_KILL", "CAP_OF_THE_FUTURE"],
        "inheritable": [],
        "permitted": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    },
    "noNewPrivileges": True,
    "oomScoreAdj": 100,
    "scheduler": {
        "policy": "SCHED_DEADLINE",
        "nice": 0,
        "priority": 0,
        "flags": ["SCHED_FLAG_RESET_ON_FORK"],
        "runtime": 1000000,
        "deadline": 2000000,
        "period": 3000000,
    },
    "selinuxLabel": "system_u:system_r:container_t:s0",
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
    "execCPUAffinity": {"initial": "0-1,3", "final": "2"},
    "user": {"uid": 1000, "gid": 1000, "umask": 18, "additionalGids": [5, 6]},
}

RESOURCES: dict[str, Any] = {
    "devices": [{"allow": False, "type": "a", "major": -1, "minor": -1, "access": "rwm"}],
    "memory": {
        "limit": 536870912,
        "reservation": 268435456,
        "swap": -1,
        "kernel": -1,
        "kernelTCP": -1,
        "swappiness": 60,
        "disableOOMKiller": False,
        "useHierarchy": False,
        "checkBeforeUpdate": True,
    },
    "cpu": {
        "shares": 1024,
        "quota": 100000,
        "burst": 50000,
        "period": 100000,
        "realtimeRuntime": 950000,
        "realtimePeriod": 1000000,
        "cpus": "0-1",
        "mems": "0",
        "idle": 1,
    },
    "blockIO": {
        "weight": 10,
        "leafWeight": 10,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
        "throttleReadBpsDevice": [_THROTTLE],
        "throttleWriteBpsDevice": [_THROTTLE],
        "throttleReadIOPSDevice": [_THROTTLE],
        "throttleWriteIOPSDevice": [_THROTTLE],
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 9223372036854771712}],
    "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
    "pids": {"limit": 32771},
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
    "unified": {"memory.high": "1073741824"},
}

LINUX: dict[str, Any] = {
    "namespaces": [{"type": "pid", "path": "/proc/1234/ns/pid"}, {"type": "network"}, {"type": "time"}],
    "uidMappings": [_ID_MAP],
    "gidMappings": [_ID_MAP],
    "timeOffsets": {"monotonic": {"secs": 172800, "nanosecs": 0}, "boottime": {"secs": -604800, "nanosecs": 999999999}},
    "devices": [
        {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0},
    ],
    "netDevices": {"eth0": {"name": "container_eth0"}, "ens4": {}},
    "cgroupsPath": "/my/container",
    "resources": RESOURCES,
    "intelRdt": {
        "closID": "guaranteed_group",
        "schemata": ["L3:0=7f0;1=1f"],
        "l3CacheSchema": "L3:0=7f0;1=1f",
        "memBwSchema": "MB:0=20;1=70",
        "enableMonitoring": True,
    },
    "memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
    "sysctl": {"net.ipv4.ip_forward": "1"},
    "seccomp": {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_RISCV64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "listenerPath": "/run/agent.sock",
        "listenerMetadata": "text",
        "syscalls": [
            {
                "names": ["getcwd", "chmod"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 38,
                "args": [{"index": 1, "value": 2**64 - 1, "valueTwo": 5, "op": "SCMP_CMP_MASKED_EQ"}],
            }
        ],
    },
    "rootfsPropagation": "slave",
    "maskedPaths": ["/proc/kcore"],
    "readonlyPaths": ["/proc/sys"],
    "mountLabel": "system_u:object_r:container_file_t:s0",
    "personality": {"domain": "LINUX", "flags": []},
}

CONFIG: dict[str, Any] = {
    "ociVersion": "1.3.0",
    "root": {"path": "rootfs", "readonly": True},
    "mounts": [
        {
            "destination": "/data",
            "source": "/volumes/data",
            "options": ["rbind", "ro"],
            "type": "none",
            "uidMappings": [_ID_MAP],
            "gidMappings": [_ID_MAP],
        }
    ],
    "process": PROCESS,
    "hostname": "guest",
    "domainname": "example.org",
    "hooks": {
        "prestart": [_HOOK],
        "createRuntime": [_HOOK],
        "createContainer": [_HOOK],
        "startContainer": [_HOOK],
        "poststart": [_HOOK],
        "poststop": [_HOOK],
    },
    "annotations": {"com.example.key": "value", "empty": ""},
    "linux": LINUX,
}

STATE: dict[str, Any] = {
    "ociVersion": "1.3.0",
    "id": "container",
    "status": "running",
    "pid": 4242,
    "bundle": "/run/bundle",
    "annotations": {"com.example.key": "value"},
}

FEATURES: dict[str, Any] = {
    "ociVersionMin": "1.0.0",
    "ociVersionMax": "1.3.0",
    "hooks": ["prestart", "createRuntime"],
    "mountOptions": ["ro", "rro"],
    "linux": {
        "namespaces": ["cgroup", "time"],
        "capabilities": ["CAP_CHOWN"],
        "cgroup": {"v1": False, "v2": True, "systemd": True, "systemdUser": True, "rdma": True},
        "seccomp": {
            "enabled": True,
            "actions": ["SCMP_ACT_ALLOW"],
            "operators": ["SCMP_CMP_NE"],
            "archs": ["SCMP_ARCH_X86_64"],
            "knownFlags": ["SECCOMP_FILTER_FLAG_LOG"],
            "supportedFlags": ["SECCOMP_FILTER_FLAG_LOG"],
        },
        "apparmor": {"enabled": True},
        "selinux": {"enabled": True},
        "intelRdt": {"enabled": True, "schemata": True, "monitoring": True},
        "memoryPolicy": {"modes": ["MPOL_BIND"], "flags": ["MPOL_F_STATIC_NODES"]},
        "mountExtensions": {"idmap": {"enabled": True}},
        "netDevices": {"enabled": True},
    },
    "annotations": {"org.opencontainers.runc.version": "1.3.0"},
    "potentiallyUnsafeConfigAnnotations": ["bundle"],
}

DOCUMENTS: dict[str, dict[str, Any]] = {
    "config": CONFIG,
    "process": PROCESS,
    "resources": RESOURCES,
    "state": STATE,
    "features": FEATURES,
}

Place = tuple[str | int, ...]


def places(value: object, at: Place = ()) -> list[Place]:
    """The place of every value inside `value`, outer ones first."""
    if isinstance(value, dict):
        items: list[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return []
    return [place for key, item in items for place in [(*at, key), *places(item, (*at, key))]]


def value_at(document: object, place: Place) -> Any:
    """The value at `place`."""
    value: Any = document
    for step in place:
        value = value[step]
    return value


def changed(document: Any, place: Place, value: object) -> Any:
    """A copy of `document` with `value` at `place`; everything else is shared."""
    if not place:
        return value
    copied = copy.copy(document)
    copied[place[0]] = changed(document[place[0]], place[1:], value)
    return copied


def without(document: Any, place: Place) -> Any:
    """A copy of `document` with nothing at `place`."""
    parent = copy.copy(value_at(document, place[:-1]))
    del parent[place[-1]]
    return changed(document, place[:-1], parent)


def pointer(place: Place) -> str:
    """`place` as a JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
