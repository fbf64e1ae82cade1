"""Bundles: a directory with a busybox root file system and a config that tests edit before it is written."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

from integration.framework import probe

APPLETS = (
    "sh",
    "true",
    "false",
    "cat",
    "echo",
    "ls",
    "id",
    "sleep",
    "mkdir",
    "touch",
    "mount",
    "umount",
    "env",
    "ps",
    "stty",
    "ip",
    "readlink",
    "pwd",
    "ln",
    "rm",
)
DEFAULT_CAPS = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOUNTS: list[dict[str, Any]] = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/dev/pts",
        "type": "devpts",
        "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {
        "destination": "/dev/shm",
        "type": "tmpfs",
        "source": "shm",
        "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    },
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    {
        "destination": "/sys/fs/cgroup",
        "type": "cgroup",
        "source": "cgroup",
        "options": ["nosuid", "noexec", "nodev", "relatime", "ro"],
    },
]
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def default_config(cgroups_path: str) -> dict[str, Any]:
    """The config of an ordinary engine's container; each call gives a fresh copy."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/probe", "facts"],
            "env": [f"PATH={PATH}", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {name: list(DEFAULT_CAPS) for name in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs"},
        "hostname": "gate",
        "mounts": copy.deepcopy(MOUNTS),
        "linux": {
            "cgroupsPath": cgroups_path,
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READONLY),
        },
    }


class Bundle:
    """A bundle directory; `config` is plain data to edit, written by `save` (the container does that)."""

    def __init__(self, directory: Path, cgroups_path: str) -> None:
        """Fill `directory` with a root file system that holds busybox and the probe."""
        self.path, self.rootfs = directory, directory / "rootfs"
        self.config = default_config(cgroups_path)
        for name in ("bin", "dev", "proc", "sys", "etc", "tmp", "root", "run"):
            (self.rootfs / name).mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        (self.rootfs / "tmp").chmod(0o1777)
        shutil.copy(probe.busybox(), self.rootfs / "bin/busybox")
        shutil.copy(probe.built("probe"), self.rootfs / "probe")
        for applet in APPLETS:
            (self.rootfs / "bin" / applet).symlink_to("busybox")
        (self.rootfs / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n"
        )
        (self.rootfs / "etc/group").write_text("root:x:0:\nworker:x:1000:\n")

    @property
    def process(self) -> dict[str, Any]:
        """`process` of the config."""
        section: dict[str, Any] = self.config["process"]
        return section

    @property
    def linux(self) -> dict[str, Any]:
        """`linux` of the config."""
        section: dict[str, Any] = self.config["linux"]
        return section

    def args(self, *words: str) -> Bundle:
        """Set process.args; gives the bundle back."""
        self.process["args"] = list(words)
        return self

    def probe(self, *words: str) -> Bundle:
        """Set process.args to a probe sub-command."""
        return self.args("/probe", *words)

    def shell(self, script: str) -> Bundle:
        """Set process.args to a busybox shell script."""
        return self.args("/bin/sh", "-c", script)

    def caps(self, *names: str) -> Bundle:
        """Give bounding, effective and permitted exactly these capabilities."""
        self.process["capabilities"] = {kind: list(names) for kind in ("bounding", "effective", "permitted")}
        return self

    def mount(self, destination: str, kind: str, source: str, *options: str, **more: Any) -> Bundle:
        """Append one entry to mounts."""
        self.config["mounts"].append(
            {"destination": destination, "type": kind, "source": source, "options": list(options), **more}
        )
        return self

    def bind(self, source: Path, destination: str, *options: str, **more: Any) -> Bundle:
        """Append a bind mount."""
        return self.mount(destination, "bind", str(source), *(options or ("rbind",)), **more)

    def without_namespace(self, *kinds: str) -> Bundle:
        """Share these namespaces with the host."""
        self.linux["namespaces"] = [entry for entry in self.linux["namespaces"] if entry["type"] not in kinds]
        return self

    def namespace(self, kind: str, path: str | None = None) -> Bundle:
        """Ask for a namespace, new or joined by path, in place of what is asked for now."""
        self.without_namespace(kind)
        self.linux["namespaces"].append({"type": kind, **({"path": path} if path else {})})
        return self

    def user_namespace(self, host_id: int = 100000, size: int = 65536) -> Bundle:
        """A new user namespace that maps 0..size to host_id..; the root file system becomes its root's."""
        self.namespace("user")
        entry = {"containerID": 0, "hostID": host_id, "size": size}
        self.linux.update({"uidMappings": [dict(entry)], "gidMappings": [dict(entry)]})
        for path in (self.rootfs, *self.rootfs.rglob("*")):
            _shift_owner(path, host_id)
        return self

    def hook(self, kind: str, *argv: str, **more: Any) -> Bundle:
        """Append a hook."""
        entry = {"path": argv[0], "args": list(argv), **more}
        self.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)
        return self

    def file(self, name: str, content: str = "content\n", mode: int = 0o644) -> Path:
        """Write a file into the root file system; parents are made."""
        path = self.rootfs / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    def directory(self, name: str) -> Path:
        """Make a directory beside the rootfs, to be a bind source."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def save(self) -> None:
        """Write config.json."""
        (self.path / "config.json").write_text(json.dumps(self.config))


def _shift_owner(path: Path, owner: int) -> None:
    os.chown(path, owner, owner, follow_symlinks=False)
