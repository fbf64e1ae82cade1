"""Swaps that race with create: a process exchanges parts of the root file system while mounts and nodes are made.

A createContainer hook runs in the container's mount namespace before the root is changed: there a mount that went
astray can still be seen.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.framework import probe
from integration.framework.container import Container
from integration.framework.flavours import only

ROUNDS = 12


@pytest.fixture
def victim(work: Path) -> Iterator[Path]:
    """A host directory that must stay as it is."""
    directory = work / "raced"
    (directory / "inner").mkdir(parents=True)
    (directory / "inner/file").write_text("host\n")
    (directory / "null").write_text("host null\n")
    before = sorted(
        (str(path), path.lstat().st_ino, path.lstat().st_mode, path.lstat().st_uid) for path in directory.rglob("*")
    )
    yield directory
    after = sorted(
        (str(path), path.lstat().st_ino, path.lstat().st_mode, path.lstat().st_uid) for path in directory.rglob("*")
    )
    shutil.rmtree(directory)
    assert after == before, "the race made or changed files of the host"


class Swapper:
    """Exchanges a directory of the root file system with a link to the victim, as fast as it can."""

    def __init__(self, rootfs: Path, name: str, target: str) -> None:
        real, link = rootfs / name, rootfs / f"{name}.link"
        (real / "inner").mkdir(parents=True, exist_ok=True)
        (real / "inner/file").write_text("container\n")
        link.symlink_to(target)
        self.process = subprocess.Popen(
            [str(probe.built("probe")), "swap", str(real), str(link)], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"swapping\n"

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def tmpfs(container: Container) -> None:
    """A tmpfs below the swapped directory."""
    container.bundle.mount("/swap/inner", "tmpfs", "astray")


def bind(container: Container) -> None:
    """A bind mount below it."""
    container.bundle.bind(container.bundle.directory("astray"), "/swap/inner")


def bind_file(container: Container) -> None:
    """A file over a file."""
    source = container.bundle.directory("astray") / "file"
    source.write_text("astray")
    container.bundle.bind(source, "/swap/inner/file")


def missing_target(container: Container) -> None:
    """A mount point that must be made (CVE-2024-45310)."""
    container.bundle.mount("/swap/made/deep", "tmpfs", "astray")


def devices(container: Container) -> None:
    """Device nodes that are made below it."""
    container.bundle.linux["devices"] = [{"path": "/swap/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]


def working_directory(container: Container) -> None:
    """A working directory that is made below it."""
    container.bundle.process["cwd"] = "/swap/made"


def masks(container: Container) -> None:
    """Masked and read-only paths below it."""
    container.bundle.linux["maskedPaths"].append("/swap/inner/file")
    container.bundle.linux["readonlyPaths"].append("/swap/inner")


def volume_in_volume(container: Container) -> None:
    """A mount below a volume that another container shares: the original attack of CVE-2021-30465."""
    container.bundle.bind(container.bundle.rootfs, "/volume")
    container.bundle.mount("/volume/swap/inner", "tmpfs", "astray")


@pytest.mark.parametrize(
    "attack",
    [tmpfs, bind, bind_file, missing_target, devices, working_directory, masks, volume_in_volume],
    ids=lambda attack: attack.__name__,
)
@pytest.mark.parametrize("link", ["absolute", "dots"])
@only("postern", "crun", "runc>=1.2", reason="this runc loses some of the races, to the host's harm")
def test_swap(make: Callable[[], Container], victim: Path, attack: Callable[[Container], None], link: str) -> None:
    """CVE-2021-30465, CVE-2024-45310, CVE-2025-31133: create wins every race or fails; the host never changes."""
    container = make()
    attack(container)
    seen = container.bundle.path / "mounts"
    script = f"cat /proc/self/mountinfo > {seen}; cat {victim}/inner/file >> {seen}.host"
    container.bundle.hook("createContainer", "/bin/sh", "-c", script)
    container.bundle.shell("cat /swap/inner/file 2>/dev/null")
    swapper = Swapper(
        container.bundle.rootfs, "swap", str(victim) if link == "absolute" else "../" * 12 + str(victim).lstrip("/")
    )
    try:
        for _ in range(ROUNDS):
            result = container.run()
            assert "host" not in result.out, "the container reads the host's file"
            if seen.exists():
                astray = [line for line in seen.read_text().splitlines() if line.split()[4].startswith(str(victim))]
                assert astray == []
                seen.unlink()
    finally:
        swapper.stop()
    host = Path(f"{seen}.host")
    assert not host.exists() or set(host.read_text().split()) == {"host"}


def test_swapped_proc(make: Callable[[], Container], victim: Path) -> None:
    """/proc exchanged with a link while create mounts it: procfs lands on the directory or create fails."""
    container = make()
    real, link = container.bundle.rootfs / "proc", container.bundle.rootfs / "proc.link"
    link.symlink_to(victim)
    swapper = subprocess.Popen([str(probe.built("probe")), "swap", str(real), str(link)], stdout=subprocess.DEVNULL)
    seen = container.bundle.path / "mounts"
    container.bundle.hook("createContainer", "/bin/sh", "-c", f"cat /proc/self/mountinfo > {seen}")
    container.bundle.shell("true")
    try:
        for _ in range(ROUNDS):
            container.run()
            lines = seen.read_text().splitlines() if seen.exists() else []
            assert [line for line in lines if line.split()[4].startswith(str(victim))] == []
    finally:
        swapper.kill()
        swapper.wait()
