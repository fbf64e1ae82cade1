"""Where memory must not be executable (vm.memfd_noexec): init runs from a read-only mount of the program instead of a sealed copy."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.runtime import Runtime

pytestmark = only("postern", reason="how this runtime protects its own program")


def without_memfd(container: Container, work: Path, *injections: str) -> None:
    """Let the container's runtime be one whose first memfd_create, and whatever else is named, fails."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    faults = ["memfd_create:error=EACCES:when=1", *injections]
    wrapper = work / f"without-memfd-{container.id}"
    words = " ".join(f"-e inject={fault}" for fault in faults)
    wrapper.write_text(f'#!/bin/sh\nexec {strace} -o /dev/null {words} {container.runtime.path} "$@"\n')
    wrapper.chmod(0o755)
    container.runtime = Runtime(wrapper, container.runtime.root)


def open_for_writing(path: str) -> int:
    """The errno of an attempt, 0 when it succeeds."""
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        return error.errno or -1
    return 0


def test_a_waiting_init_runs_from_a_sealed_copy(container: Container) -> None:
    """What /proc/PID/exe of a created container leads to is no file of the host."""
    container.bundle.probe("wait")
    container.create()
    pid = container.state()["pid"]
    assert os.readlink(f"/proc/{pid}/exe").startswith("/memfd:")
    assert open_for_writing(f"/proc/{pid}/exe") == errno.ETXTBSY


def test_the_fallback_is_a_read_only_mount(container: Container, work: Path) -> None:
    """The program itself, but whoever caught it cannot write to it there, also when nothing runs from it any more."""
    program = container.runtime.path
    without_memfd(container, work)
    container.bundle.probe("wait")
    container.create()
    pid = container.state()["pid"]
    exe = os.stat(f"/proc/{pid}/exe")
    assert (exe.st_dev, exe.st_ino) == (os.stat(program).st_dev, os.stat(program).st_ino)
    caught = os.open(f"/proc/{pid}/exe", os.O_PATH)
    container.start()
    container.wait_for("running")
    container.delete("--force").ok()
    deadline = time.monotonic() + 20
    while (refusal := open_for_writing(f"/proc/self/fd/{caught}")) == errno.ETXTBSY:  # other tests run it, too
        assert time.monotonic() < deadline
    os.close(caught)
    assert refusal == errno.EROFS


def test_without_either_nothing_is_started(container: Container, work: Path) -> None:
    """One clear line, and nothing left."""
    without_memfd(container, work, "open_tree:error=EPERM")
    container.create(check=False).refused("cannot make a protected copy of the program: permission denied")
    container.call("state", container.id).refused("container does not exist")
