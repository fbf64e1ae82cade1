"""Builds the guest programs, static but where one is about loading, once per content; keeps them in build/integration."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

GUEST = Path(__file__).parents[1] / "guest"
CACHE = Path(__file__).parents[2] / "build" / "integration"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")
STATIC = ("-static",)
LINKED = {"noop": (*STATIC, "-nostdlib", "-nostartfiles", "-fno-stack-protector"), "loaded": ()}


def built(name: str) -> Path:
    """Path of the guest program `name`, compiled if a source is new; two workers never build it twice.

    Its sources are NAME.c and, if there are any, NAME_*.c with NAME.h.
    """
    sources = [GUEST / f"{name}.c", *sorted(GUEST.glob(f"{name}_*.c"))]
    content = b"".join(path.read_bytes() for path in [*sources, *GUEST.glob(f"{name}.h")])
    digest = hashlib.sha256(content).hexdigest()[:12]
    target = CACHE / f"{name}-{digest}"
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            fresh = target.with_suffix(".new")
            compiler = shutil.which("gcc") or "cc"
            linking = LINKED.get(name, STATIC)
            subprocess.run([compiler, *FLAGS, *linking, "-o", str(fresh), *map(str, sources)], check=True)
            os.rename(fresh, target)
    return target


def busybox() -> Path:
    """The static busybox of the machine; LookupError says what to install."""
    for candidate in ("/bin/busybox", "/usr/bin/busybox"):
        if Path(candidate).exists():
            return Path(candidate)
    message = "no busybox here: install the package busybox-static"
    raise LookupError(message)
