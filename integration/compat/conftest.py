"""The engines, one of each per worker, started when the first test asks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework import engines
from integration.framework.runtime import Runtime
from integration.security.attack_rows import BUILT_IN


@pytest.fixture(scope="session")
def engine_directory() -> Iterator[Path]:
    """A short directory for sockets and state."""
    directory = Path(tempfile.mkdtemp(prefix="pie-", dir="/tmp"))
    directory.chmod(0o711)
    yield directory
    engines.clear(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def archive(engine_directory: Path) -> Path:
    """The image's root file system."""
    return engines.image_archive(engine_directory)


@pytest.fixture(scope="session")
def engine_cgroup(engine_directory: Path) -> Iterator[str]:
    """The cgroup parent of the engines' containers."""
    name = f"/{engine_directory.name}"
    yield name
    engines.remove_group(name)


@pytest.fixture(scope="session")
def containerd(engine_directory: Path, runtime: Runtime, archive: Path) -> Iterator[engines.Containerd]:
    """containerd and ctr."""
    try:
        engine = engines.Containerd(engine_directory, runtime)
    except engines.MissingEngine as missing:
        pytest.skip(str(missing))
    try:
        engine.import_image(archive)
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def docker(
    engine_directory: Path, runtime: Runtime, containerd: engines.Containerd, archive: Path, engine_cgroup: str
) -> Iterator[engines.Docker]:
    """dockerd and the docker client."""
    try:
        engine = engines.Docker(engine_directory, runtime, containerd, engine_cgroup, BUILT_IN)
    except engines.MissingEngine as missing:
        pytest.skip(str(missing))
    try:
        engine.import_image(archive)
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def podman(engine_directory: Path, runtime: Runtime, archive: Path, engine_cgroup: str) -> Iterator[engines.Podman]:
    """podman."""
    try:
        engine = engines.Podman(engine_directory, runtime, engine_cgroup)
    except engines.MissingEngine as missing:
        pytest.skip(str(missing))
    try:
        engine.import_image(archive)
        yield engine
    finally:
        engine.stop()
