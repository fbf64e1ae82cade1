"""The reader of the broker's tables under ASan and UBSan on tens of thousands of mutated ones: it refuses or accepts, and never crashes."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.broker.tables import TABLES

CHECKOUT = Path(__file__).resolve().parents[3]
NATIVE = CHECKOUT / "runtime/native"
SOURCES = [
    *(NATIVE / f"broker_{name}_host.c" for name in ("table", "paths", "glob")),
    CHECKOUT / "tests/native/broker_table_fuzz.c",
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
    binary = CHECKOUT / "build/tests/broker_table_fuzz"
    binary.parent.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in [*SOURCES, *NATIVE.glob("*.h")])
    with binary.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists() or binary.stat().st_mtime < newest:
            warnings = ["-std=gnu11", "-Wall", "-Wextra"]
            command = [compiler, *warnings, *SANITIZERS, *map(str, SOURCES), "-o", str(binary)]
            subprocess.run(command, check=True, timeout=100)
    return binary


def test_mutated_tables_are_refused_or_safe(harness: Path, tmp_path: Path) -> None:
    """Whatever a table says, asking it touches nothing outside; the seed makes a failure repeatable."""
    files = []
    for name, table in TABLES.items():
        (tmp_path / name).write_bytes(table)
        files.append(str(tmp_path / name))
    seed = os.environ.get("POSTERN_FUZZ_SEED", "20260102")
    result = subprocess.run(
        [str(harness), str(ROUNDS), seed, *files],
        check=False,
        capture_output=True,
        text=True,
        timeout=None if ROUNDS > 20000 else 60,
    )
    assert result.returncode == 0, f"seed {seed}: {result.stdout}{result.stderr[-4000:]}"
    accepted, refused = map(int, re.findall(r"(\d+) \w+", result.stdout))
    assert accepted + refused == ROUNDS * len(files)
    assert accepted > 0 < refused
