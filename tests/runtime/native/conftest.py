"""The built program, called as an engine calls it, on a state root of its own; no test here needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime.native.containers import Containers

CHECKOUT = Path(__file__).resolve().parents[3]
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def program() -> list[str]:
    """The words that start the program: build/postern, or one of another architecture under an emulator."""
    foreign = os.environ.get("POSTERN_FOREIGN")
    words = foreign.split() if foreign else [os.environ.get("POSTERN_PROGRAM", str(CHECKOUT / "build/postern"))]
    if not os.access(words[-1], os.X_OK):
        pytest.skip(f"{words[-1]} is not built: make build")
    return words


@pytest.fixture
def check(program: list[str], tmp_path: Path) -> Callable[[bytes], str]:
    """What `plan-check` says about an image: "" when it is accepted."""

    def run(image: bytes) -> str:
        path = tmp_path / "image"
        path.write_bytes(image)
        result = subprocess.run(
            [*program, "plan-check", str(path)], check=False, capture_output=True, text=True, timeout=60
        )
        assert result.returncode == (1 if result.stderr else 0)
        return result.stderr.partition(f'msg="{path}: ')[2].rpartition('"')[0] or result.stderr

    return run


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    """An empty state root."""
    made = Containers(tmp_path / "root")
    made.root.mkdir()
    yield made
    made.close()


@pytest.fixture
def call(program: list[str], containers: Containers) -> Call:
    """Run one command line on the state root; the environment is as empty as podman leaves it."""

    def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, "--root", str(containers.root), *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            env=env or {},
        )

    return run


@pytest.fixture
def real_kernel() -> None:
    """Skips under an emulator, which may lack openat2 and renumber real-time signals."""
    if os.environ.get("POSTERN_FOREIGN"):
        pytest.skip("the emulator does not pass every system call on")
