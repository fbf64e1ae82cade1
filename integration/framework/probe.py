"""Builds the static guest programs once per content and keeps them under build/integration."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

GUEST = Path(__file__).parents[1] / "guest"
CACHE = Path(__file__).parents[2] / "build" / "integration"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
NO_LIBRARY = {"noop": ("-nostdlib", "-nostartfiles", "-fno-stack-protector")}


def built(name: str) -> Path:
    """Path of the guest program `name`, compiled if its source is new; two workers never build it twice."""
    source = GUEST / f"{name}.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    target = CACHE / f"{name}-{digest}"
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            fresh = target.with_suffix(".new")
            compiler = shutil.which("gcc") or "cc"
            subprocess.run([compiler, *FLAGS, *NO_LIBRARY.get(name, ()), "-o", str(fresh), str(source)], check=True)
            os.rename(fresh, target)
    return target


def busybox() -> Path:
    """The static busybox of the machine; LookupError says what to install."""
    for candidate in ("/bin/busybox", "/usr/bin/busybox"):
        if Path(candidate).exists():
            return Path(candidate)
    message = "no busybox here: install the package busybox-static"
    raise LookupError(message)
