"""Real programs of Debian for containers to run: a tree that `integration/programs/make-tree` bootstraps once.

The tree is never written to: each container gets an overlay of its own above it, in the suite's private mount namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from integration.framework import hierarchy
from integration.framework.container import Container

MAKE_TREE = Path(__file__).parents[1] / "programs/make-tree"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def cache() -> Path:
    """Where this project keeps what it downloads and makes once."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "postern"
    return Path(os.environ.get("POSTERN_CACHE") or default)


def tree() -> Path:
    """The tree, made now if it is not there; a minute and a Debian mirror the first time.

    Raises: LookupError where it cannot be made, as in the virtual machine, which has no debootstrap.
    """
    if shutil.which("debootstrap", path=PATH) is None:
        message = "debootstrap is not installed, and the programs are a tree of Debian's: tools/setup programs"
        raise LookupError(message)
    subprocess.run([MAKE_TREE], check=True)
    return cache() / "programs/tree"


def tree_or_skip() -> Path:
    """The tree for a test."""
    try:
        return tree()
    except LookupError as error:
        pytest.skip(str(error))


class ProgramRoot:
    """A writable root file system with the programs for one container; a context that owns the mount."""

    def __init__(self, container: Container, lower: Path) -> None:
        """`lower` is the tree."""
        self.container, self.lower = container, lower
        self.place = container.bundle.path.with_name(f"{container.bundle.path.name}-programs")
        self.path = self.place / "root"

    def __enter__(self) -> Self:
        """Mount, and make it the container's root."""
        for name in ("upper", "work", "root"):
            (self.place / name).mkdir(parents=True)
        options = f"lowerdir={self.lower},upperdir={self.place}/upper,workdir={self.place}/work"
        hierarchy.mount("programs", self.path, "overlay", 0, options)
        bundle = self.container.bundle
        bundle.config["root"]["path"] = str(self.path)
        bundle.process["env"] = [f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm"]
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Remove the container, then the mount; what was written goes with the container's directory."""
        self.container.delete("--force")
        hierarchy.unmount(self.path)
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.place)], check=True)

    def write(self, name: str, content: str, mode: int = 0o644) -> None:
        """A file in the root; parents are made."""
        path = self.path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
