"""A state root with one container that looks like a running one: its init is the test process, its cgroup a plain directory."""

import json
import os
from pathlib import Path

import pytest

from runtime.state.store import process_start_time


class FakeContainer:
    """Where a container's files are; `state` may be changed and saved again."""

    def __init__(self, base: Path, container_id: str) -> None:
        """Make its directories."""
        self.id = container_id
        self.root = base / "root"
        self.directory = self.root / container_id
        self.cgroup = base / "cgroup" / container_id
        self.directory.mkdir(parents=True)
        self.cgroup.mkdir(parents=True)
        self.state: dict[str, object] = {
            "posternState": 1,
            "ociVersion": "1.3.0",
            "id": container_id,
            "phase": "created",
            "pid": os.getpid(),
            "startTime": process_start_time(os.getpid()),
            "bundle": "/b",
            "rootfs": "/b/rootfs",
            "created": "2026-01-02T03:04:05Z",
            "owner": "root",
            "annotations": {"a": "b"},
            "cgroupMount": str(base / "cgroup"),
            "cgroupPath": f"/{container_id}",
            "cgroupManager": "cgroupfs",
            "ownPidNamespace": True,
            "terminal": False,
            "hooks": False,
            "needsPython": False,
            "rootless": False,
        }
        self.save()
        self.put("cgroup.procs", f"{os.getpid()}\n0\n")

    def save(self) -> None:
        """Write state.json."""
        (self.directory / "state.json").write_text(json.dumps(self.state))

    def put(self, name: str, text: str) -> None:
        """Write a file of its cgroup."""
        path = self.cgroup / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def read(self, name: str) -> str:
        """Read a file of its cgroup."""
        return (self.cgroup / name).read_text()

    def stop(self) -> None:
        """Let it look stopped."""
        self.state["startTime"] = 1
        self.save()


@pytest.fixture
def web(tmp_path: Path) -> FakeContainer:
    """A running container `web`."""
    return FakeContainer(tmp_path, "web")
