"""Values made to break a runtime: lengths around 16 bits, NUL bytes, capabilities that come from the caller."""

from __future__ import annotations

import ctypes
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.runtime import CLEAN_ENV


@pytest.mark.parametrize("callers", [0, 1 << 21 | 1 << 12])
def test_inheritable_capabilities(container: Container, callers: int) -> None:
    """CVE-2022-29162, CVE-2022-27650, CVE-2025-27612: inheritable is empty, even when the caller's is not."""
    container.bundle.probe("facts").save()
    argv = container.runtime.argv("run", "--bundle", str(container.bundle.path), container.id)
    done = subprocess.run(
        argv, capture_output=True, env=CLEAN_ENV, timeout=60, check=True, preexec_fn=lambda: raise_inheritable(callers)
    )
    caps = json.loads(done.stdout)["caps"]
    assert caps["inheritable"] == caps["ambient"] == 0


def raise_inheritable(mask: int) -> None:
    """Give the calling process these inheritable capabilities."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    data[2] |= mask
    assert libc.capset(header, data) == 0


@pytest.mark.parametrize(
    "field",
    ["hostname", "cwd", "env", "args", "destination", "cgroupsPath", "masked", "annotation"],
)
@pytest.mark.parametrize("length", [65_535 + 8, 1 << 20])
def test_long_values(container: Container, field: str, length: int) -> None:
    """CVE-2021-43784: lengths around 16 bits are honoured or refused, never cut into something else."""
    text = "/" + "a" * length
    config = container.bundle.config
    edits: dict[str, Callable[[], object]] = {
        "hostname": lambda: config.update(hostname=text),
        "cwd": lambda: config["process"].update(cwd=text),
        "env": lambda: config["process"]["env"].append("LONG=" + text),
        "args": lambda: config["process"]["args"].append(text),
        "destination": lambda: container.bundle.mount(text, "tmpfs", "tmpfs"),
        "cgroupsPath": lambda: config["linux"].update(cgroupsPath=text),
        "masked": lambda: config["linux"]["maskedPaths"].append(text),
        "annotation": lambda: config.update(annotations={"a": text}),
    }
    edits[field]()
    result = container.run()
    if field == "cgroupsPath":
        config["linux"]["cgroupsPath"] = "/short"
    assert "Traceback" not in result.err
    if result.rc == 0:
        facts = json.loads(result.out)
        assert field != "args" or facts["args"] == [text]
        assert field != "env" or "LONG=" + text in facts["env"]
    else:
        assert field != "annotation"


@pytest.mark.parametrize("field", ["destination", "source", "args", "env", "cwd", "hostname", "masked"])
def test_nul_bytes(container: Container, field: str) -> None:
    """CVE-2021-43784: a NUL inside a string is refused, never a shorter string."""
    config = container.bundle.config
    edits: dict[str, Callable[[], object]] = {
        "destination": lambda: container.bundle.mount("/tmp\0/x", "tmpfs", "tmpfs"),
        "source": lambda: container.bundle.bind(Path("/etc\0/x"), "/tmp"),
        "args": lambda: config["process"].update(args=["/bin/true", "a\0b"]),
        "env": lambda: config["process"]["env"].append("A=b\0C=d"),
        "cwd": lambda: config["process"].update(cwd="/tmp\0/x"),
        "hostname": lambda: config.update(hostname="a\0b"),
        "masked": lambda: config["linux"]["maskedPaths"].append("/etc\0/x"),
    }
    edits[field]()
    result = container.run()
    if container.runtime.flavour == "postern":
        assert result.rc == 1, result
    assert "Traceback" not in result.err
