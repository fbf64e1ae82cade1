"""The plan reader under ASan and UBSan on tens of thousands of mutated images: it refuses or accepts, and never crashes."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.native.plans import images

CHECKOUT = Path(__file__).resolve().parents[3]
SOURCES = [
    CHECKOUT / "runtime/native/reader.c",
    CHECKOUT / "runtime/native/bpf_table.c",
    CHECKOUT / "tests/native/reader_fuzz.c",
]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]
# `make fuzz` sets this to millions
ROUNDS = int(os.environ.get("POSTERN_FUZZ_ROUNDS", "20000"))


@pytest.fixture(scope="session")
def harness() -> Path:
    """The harness, built once for every worker and again only when its sources change."""
    compiler = shutil.which("gcc")  # what the build uses; its sanitizers come with it
    if not compiler:
        pytest.skip("no gcc")
    binary = CHECKOUT / "build/tests/reader_fuzz"
    binary.parent.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in [*SOURCES, *(CHECKOUT / "runtime/native").glob("*.h")])
    with binary.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists() or binary.stat().st_mtime < newest:
            warnings = ["-std=c11", "-Wall", "-Wextra", "-fno-builtin"]
            command = [compiler, *warnings, *SANITIZERS, *map(str, SOURCES), "-o", str(binary)]
            subprocess.run(command, check=True, timeout=100)
    return binary


def test_mutated_images_are_refused_or_safe(harness: Path, tmp_path: Path) -> None:
    """What is accepted keeps the promises that the executor relies on; the seed makes a failure repeatable."""
    paths = []
    for name, image in images().items():
        (tmp_path / name).write_bytes(image)
        paths.append(str(tmp_path / name))
    seed = os.environ.get("POSTERN_FUZZ_SEED", "20260102")
    result = subprocess.run(
        [str(harness), str(ROUNDS), seed, *paths],
        check=False,
        capture_output=True,
        text=True,
        timeout=None if ROUNDS > 20000 else 60,
    )
    assert result.returncode == 0, f"seed {seed}: {result.stdout}{result.stderr[-4000:]}"
    accepted, refused = map(int, re.findall(r"(\d+) \w+", result.stdout))
    assert accepted + refused == ROUNDS * len(paths)
    assert refused > accepted > 0  # the mutations neither break everything nor nothing
