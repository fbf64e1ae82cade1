"""/dev: the default nodes and links, configured nodes, the device rules, masked and read-only paths."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.kernel import not_in_user_mode_linux

DEFAULT = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
EPERM, EACCES = 1, 13


@pytest.mark.parametrize("userns", [False, True], ids=["host ids", "mapped ids"])
def test_default_nodes(container: Container, userns: bool) -> None:
    """The specification's devices are there for everybody to use, and the links beside them."""
    if userns:
        container.bundle.user_namespace()
    facts = container.answers("stat", *(f"/dev/{name}" for name in (*DEFAULT, *LINKS)))
    for name, numbers in DEFAULT.items():
        node = facts[f"/dev/{name}"]
        assert (node["type"], tuple(node["rdev"]), node["mode"]) == (stat.S_IFCHR, numbers, 0o666), name
    assert {name: facts[f"/dev/{name}"]["target"] for name in LINKS} == LINKS


@pytest.mark.parametrize(
    "device",
    [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 5, "gid": 6},
        {"path": "/dev/deep/er/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o644},
        {"path": "/dev/block", "type": "b", "major": 7, "minor": 0, "fileMode": 0o640},
        {"path": "/dev/fifo", "type": "p", "fileMode": 0o622},
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 7},
        {"path": "/etc/elsewhere", "type": "c", "major": 1, "minor": 3},
    ],
    ids=lambda device: device["path"],
)
@differs("crun", reason="crun knows no type u, and has another default mode", strict=False)
def test_configured_node(container: Container, device: dict[str, Any]) -> None:
    """linux.devices: type, numbers, mode and owner, in directories that are made."""
    container.bundle.linux["devices"] = [device]
    node = container.answers("stat", device["path"])[device["path"]]
    kind = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}[device["type"]]
    assert (node["type"], node["uid"], node["gid"]) == (kind, device.get("uid", 0), device.get("gid", 0))
    assert "fileMode" not in device or node["mode"] == device["fileMode"]
    assert device["type"] == "p" or node["rdev"] == [device["major"], device["minor"]]


@differs("crun", "runc", reason="these take what is there", strict=False)
def test_existing_file_that_differs(container: Container) -> None:
    """A file in the place of a device that is not that device is an error."""
    container.bundle.file("etc/node")
    container.bundle.linux["devices"] = [{"path": "/etc/node", "type": "c", "major": 1, "minor": 3}]
    container.refuses_creation("/etc/node")


def allow(**rule: Any) -> dict[str, Any]:
    """One allowing device rule."""
    return {"allow": True, **rule}


def rules(container: Container, *entries: dict[str, Any]) -> Container:
    """Deny all, then these rules."""
    container.bundle.linux["resources"]["devices"] = [{"allow": False, "access": "rwm"}, *entries]
    container.bundle.caps("CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYSLOG")
    return container


def test_default_rules(container: Container) -> None:
    """With everything denied the default devices still work, nodes can be made, and others cannot be opened."""
    container.bundle.linux["devices"] = [{"path": "/dev/kmsg-like", "type": "c", "major": 1, "minor": 11}]
    answers = rules(container).answers(
        "paths", "w:/dev/null", "r:/dev/zero", "r:/dev/urandom", "n:/tmp/node", "o:/dev/kmsg-like"
    )
    assert answers == {
        "w:/dev/null": 0,
        "r:/dev/zero": 0,
        "r:/dev/urandom": 0,
        "n:/tmp/node": 0,
        "o:/dev/kmsg-like": EPERM,
    }


@pytest.mark.parametrize(
    ("entries", "read", "write"),
    [
        ([], EPERM, EPERM),
        ([allow(type="c", major=1, minor=11, access="r")], 0, EPERM),
        ([allow(type="c", major=1, minor=11, access="rwm")], 0, 0),
        ([allow(type="c", major=1, access="rwm")], 0, 0),
        ([allow(type="b", major=1, minor=11, access="rwm")], EPERM, EPERM),
        ([allow(type="a", access="rwm")], 0, 0),
        ([allow(access="rwm")], 0, 0),
        (
            [
                allow(type="c", major=1, minor=11, access="rwm"),
                {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "w"},
            ],
            0,
            EPERM,
        ),
        (
            [allow(type="c", access="rwm"), {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rwm"}],
            EPERM,
            EPERM,
        ),
    ],
)
@differs("runc", reason="runc refuses rules with holes", strict=False)
def test_rules(container: Container, entries: list[dict[str, Any]], read: int, write: int) -> None:
    """Device rules are enforced in order by the cgroup's program: the last match wins."""
    container.bundle.linux["devices"] = [
        {"path": "/dev/kmsg-like", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}
    ]
    answers = rules(container, *entries).answers("paths", "o:/dev/kmsg-like", "w:/dev/kmsg-like")
    assert answers == {"o:/dev/kmsg-like": read, "w:/dev/kmsg-like": write}


def test_rules_hold_in_exec(container: Container) -> None:
    """An exec is in the same group and under the same rules."""
    container.bundle.linux["devices"] = [
        {"path": "/dev/kmsg-like", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}
    ]
    rules(container).waiting()
    assert container.exec("/probe", "paths", "o:/dev/kmsg-like").json() == {"o:/dev/kmsg-like": EPERM}


@pytest.mark.parametrize("kind", ["file", "directory", "missing", "link"])
def test_masked(container: Container, kind: str) -> None:
    """maskedPaths: a file reads as empty, a directory is empty and read-only, a missing path is no error."""
    if kind == "file":
        container.bundle.file("etc/m/asked", "secret\n")
    elif kind == "directory":
        container.bundle.file("etc/m/asked/file", "secret\n")
    elif kind == "link":
        container.bundle.file("etc/real", "secret\n")
        (container.bundle.rootfs / "etc/m").mkdir()
        (container.bundle.rootfs / "etc/m/asked").symlink_to("../real")
    container.bundle.linux["maskedPaths"] = ["/etc/m/asked"]
    container.bundle.shell(
        "cat /etc/m/asked 2>/dev/null; ls /etc/m/asked/ 2>/dev/null; touch /etc/m/asked/new 2>/dev/null && echo made"
    )
    assert container.run().out.replace("/etc/m/asked/\n", "") == ""


@pytest.mark.parametrize("kind", ["file", "directory", "missing", "mount"])
def test_read_only(container: Container, kind: str) -> None:
    """readonlyPaths can be read and not written."""
    container.bundle.file("etc/r/only/file", "content\n")
    if kind == "mount":
        container.bundle.mount("/etc/r/only", "tmpfs", "tmpfs", "noexec")
    path = {"file": "/etc/r/only/file", "missing": "/etc/nothing"}.get(kind, "/etc/r/only")
    container.bundle.linux["readonlyPaths"] = [path]
    container.bundle.caps("CAP_DAC_OVERRIDE")
    probe = "w:/etc/r/only/file" if kind == "file" else "c:/etc/r/only/new"
    assert (container.answers("paths", probe)[probe] == 30) is (kind != "missing")


@pytest.mark.parametrize("field", ["maskedPaths", "readonlyPaths"])
@differs("runc", "crun", reason="these take a relative path from the root", strict=False)
def test_relative_paths_are_refused(container: Container, field: str) -> None:
    """The specification demands absolute paths."""
    container.bundle.linux[field] = ["etc"]
    container.refuses_creation(field)


@pytest.mark.parametrize(
    ("domain", "machine"),
    [
        ("LINUX", os.uname().machine),
        pytest.param(
            "LINUX32",
            {"x86_64": "i686", "aarch64": "armv8l"}[os.uname().machine],
            marks=not_in_user_mode_linux("uname always says the host's machine"),
        ),
    ],
)
@differs("runc<1.2", reason="this runc has no personality", strict=False)
def test_personality(container: Container, domain: str, machine: str) -> None:
    """linux.personality changes what uname says."""
    container.bundle.linux["personality"] = {"domain": domain}
    facts = container.facts()
    assert facts["machine"] == machine
    assert facts["personality"] & 0xFF == (8 if domain == "LINUX32" else 0)


@pytest.mark.parametrize(
    ("policy", "want"),
    [
        ({"mode": "MPOL_BIND", "nodes": "0"}, [2, 1]), ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, [3, 1]),
        ({"mode": "MPOL_PREFERRED", "nodes": "0"}, [1, 1]), ({"mode": "MPOL_LOCAL"}, [4, 0]), ({"mode": "MPOL_DEFAULT"}, [0, 0]),
        ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, [5, 1]),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, [2 | 1 << 15, 1]),
    ],
    ids=lambda value: value["mode"] if isinstance(value, dict) else None,
)  # fmt: skip
@differs("runc<1.4", "crun", reason="memoryPolicy is of specification 1.3", strict=False)
def test_memory_policy(container: Container, policy: dict[str, Any], want: list[int]) -> None:
    """linux.memoryPolicy through set_mempolicy."""
    if not os.path.exists("/proc/self/numa_maps"):
        pytest.skip("this kernel has no memory policies")
    container.bundle.linux["memoryPolicy"] = policy
    assert container.facts()["mempolicy"] == want
