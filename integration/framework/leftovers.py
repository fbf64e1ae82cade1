"""What a container may leave behind on the host, looked for where the kernel keeps it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from integration.framework.hierarchy import CGROUP_MOUNT, mounts_under, unmount

PATIENCE_S = 3.0


def processes_of(container_id: str) -> list[str]:
    """Processes whose cgroup or command line names the container; zombies have neither."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            cgroup = Path(entry.path, "cgroup").read_text()
            command = Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if container_id in command or (f"/{container_id}" in cgroup and command):
            found.append(f"process {entry.name}: {command}")
    return found


def leftovers(container_id: str, state_root: Path, bundle: Path, cgroup: str) -> list[str]:
    """One line for every remnant of the container; empty when there is none."""
    state = state_root / container_id
    found = [f"state directory {state}"] if state.exists() else []
    directory = CGROUP_MOUNT / cgroup.lstrip("/")
    found += [f"cgroup {directory}"] if directory.exists() else []
    found += [f"mount {point}" for prefix in (bundle, state) for point in mounts_under(prefix)]
    return found + processes_of(container_id)


def assert_nothing_left(container_id: str, state_root: Path, bundle: Path, cgroup: str) -> None:
    """AssertionError listing the remnants that are still there after a moment of patience."""
    deadline = time.monotonic() + PATIENCE_S
    while found := leftovers(container_id, state_root, bundle, cgroup):
        if time.monotonic() > deadline:
            message = f"container {container_id} left behind: " + "; ".join(found)
            raise AssertionError(message)
        time.sleep(0.02)


def remove_cgroup(directory: Path) -> None:
    """Kill what lives in a cgroup, then remove it with everything below; one that is missing is fine."""
    if not directory.exists():
        return
    (directory / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + PATIENCE_S
    while "populated 1" in (directory / "cgroup.events").read_text():
        assert time.monotonic() < deadline, f"{directory} stays populated"
        reap_orphans()
        time.sleep(0.01)
    for below, _, _ in os.walk(directory, topdown=False):
        Path(below).rmdir()


def scrub(container_id: str, state_root: Path, bundle: Path, cgroup: Path) -> None:
    """Remove whatever a failed test's container left, so that the next test starts from a clean machine."""
    reap_orphans()
    if cgroup != CGROUP_MOUNT:
        remove_cgroup(cgroup)
    for prefix in (bundle, state_root / container_id):
        for point in reversed(mounts_under(prefix)):
            unmount(point)
    shutil.rmtree(state_root / container_id, ignore_errors=True)


def reap_orphans() -> None:
    """Collect zombies that were reparented to this process; processes that subprocess knows are left to it."""
    for task in Path("/proc/self/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except FileNotFoundError:
            continue
        for child in children:
            _reap_if_zombie(int(child))


def _reap_if_zombie(pid: int) -> None:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            os.waitpid(pid, os.WNOHANG)
    except (FileNotFoundError, ProcessLookupError, ChildProcessError):
        return
