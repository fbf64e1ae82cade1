"""The config.json that `spec` writes: a shell with the isolation that engines ask for."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
]
_READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
_PTS_OPTIONS = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
_LOCKED = ["nosuid", "noexec", "nodev"]


def _mount(destination: str, kind: str, source: str, options: list[str]) -> "dict[str, Any]":
    entry: dict[str, Any] = {"destination": destination, "type": kind, "source": source}
    if options:
        entry["options"] = options
    return entry


def _mounts(rootless: bool) -> "list[dict[str, Any]]":
    # an unprivileged user has no group 5 to give the terminals to, and may not mount a sysfs without a network namespace
    sysfs = ("none", "/sys", ["rbind", *_LOCKED, "ro"]) if rootless else ("sysfs", "sysfs", [*_LOCKED, "ro"])
    return [
        _mount("/proc", "proc", "proc", []),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", "devpts", _PTS_OPTIONS if rootless else [*_PTS_OPTIONS, "gid=5"]),
        _mount("/dev/shm", "tmpfs", "shm", [*_LOCKED, "mode=1777", "size=65536k"]),  # noqa: S108 - the container's
        _mount("/dev/mqueue", "mqueue", "mqueue", _LOCKED),
        _mount("/sys", *sysfs),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", [*_LOCKED, "relatime", "ro"]),
    ]


def _linux(rootless: bool, uid: int, gid: int) -> "dict[str, Any]":
    isolation = {"maskedPaths": _MASKED, "readonlyPaths": _READONLY}
    if not rootless:
        return {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": name} for name in _NAMESPACES],
            **isolation,
        }
    spaces = [{"type": name} for name in _NAMESPACES if name != "network"]
    return {
        "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
        "namespaces": [*spaces, {"type": "user"}],
        **isolation,
    }


def example_config(rootless: bool, uid: int, gid: int) -> "dict[str, Any]":
    """The document; with `rootless` one for the ordinary user uid:gid."""
    return {
        "ociVersion": "1.3.0",
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": _CAPABILITIES, "effective": _CAPABILITIES, "permitted": _CAPABILITIES},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "runc",
        "mounts": _mounts(rootless),
        "linux": _linux(rootless, uid, gid),
    }
