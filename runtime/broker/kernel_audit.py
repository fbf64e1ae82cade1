"""Denials of the kernel itself, seccomp's and Landlock's, as records beside the broker's own.

The kernel's audit multicasts its records to whoever may read them (CAP_AUDIT_READ).  A record names a thread, not a container: which one
it belongs to is told by the thread's cgroup, as long as the thread is there, or by its being the container's init.  What cannot be told is
counted and left out.
Source: linux/audit.h, linux/netlink.h; record formats of kernel/auditsc.c and security/landlock/audit.c.
"""

import posix
import socket
from _struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.broker.audit import CallNames
    from runtime.broker.registry import Registration, Registry

_NETLINK_AUDIT, _READLOG = 9, 1
SECCOMP, LANDLOCK_ACCESS = 1326, 1423
_HEAD = Struct("<IHHII")
_ACTIONS = {0x80000000: "kill", 0x00000000: "kill", 0x00030000: "trap", 0x00050000: "deny", 0x7FFC0000: "log"}
_MOST = 256


def open_audit() -> socket.socket | None:
    """A socket that hears the kernel's audit; None where we may not, or there is none."""
    try:
        heard = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_AUDIT
        )
    except OSError:
        return None
    try:
        heard.bind((0, _READLOG))
    except OSError:
        heard.close()
        return None
    return heard


def messages(data: bytes) -> "list[tuple[int, str]]":
    """(type, text) of each netlink message in a datagram."""
    found, at = [], 0
    while at + _HEAD.size <= len(data):
        size, kind, *_ = _HEAD.unpack_from(data, at)
        if size < _HEAD.size:
            break
        text = data[at + _HEAD.size : at + size].rstrip(b"\0\n")
        found.append((kind, text.decode("utf-8", "replace")))
        at += (size + 3) & ~3
    return found


def fields(text: str) -> dict[str, str]:
    """The `key=value` words of a record; quoted values without their quotes, the others as they are."""
    found = {}
    for word in text.split(" "):
        key, mark, value = word.partition("=")
        if mark:
            found[key] = value.strip('"')
    return found


def describe(kind: int, text: str, names: "CallNames") -> "dict[str, Any] | None":
    """The record of a denial, without its container; None for what is none."""
    values = fields(text)
    if not values.get("pid", "").isdigit():
        return None
    record: dict[str, Any] = {"pid": int(values["pid"]), "program": values.get("comm", "")}
    if kind == SECCOMP:
        code = int(values.get("code", "0"), 16) & 0xFFFF0000
        if code not in _ACTIONS:
            return None
        record |= {
            "layer": "seccomp",
            "verdict": _ACTIONS[code],
            "syscall": names.name(int(values.get("syscall", "-1"))),
        }
        if values.get("exe"):
            record["exe"] = values["exe"]
        return record
    record |= {"layer": "landlock", "verdict": "deny", "blockers": values.get("blockers", "")}
    if values.get("path"):
        record["target"] = values["path"]
    return record


def cgroup_of(pid: int) -> str:
    """The unified cgroup of a thread; empty when it has ended."""
    try:
        fd = posix.open(f"/proc/{pid}/cgroup", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return ""
    try:
        data = posix.read(fd, 8192).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        posix.close(fd)
    return next((line[3:] for line in data.splitlines() if line.startswith("0::")), "")


class KernelAudit:
    """The listening side: records of containers that are registered."""

    __slots__ = ("_cgroups", "_socket", "unattributed")

    def __init__(self, heard: socket.socket) -> None:
        """`heard` is ours from now on."""
        self._socket = heard
        self._cgroups: dict[str, str] = {}  # cgroup: container
        self.unattributed = 0

    def fileno(self) -> int:
        """For the poll."""
        return self._socket.fileno()

    def know(self, registration: "Registration") -> None:
        """Remember which cgroup is this container's."""
        cgroup = cgroup_of(registration.pid)
        if cgroup not in ("", "/"):
            self._cgroups.setdefault(cgroup, registration.container_id)

    def forget(self, container_id: str) -> None:
        """It has ended."""
        self._cgroups = {cgroup: name for cgroup, name in self._cgroups.items() if name != container_id}

    def _container(self, pid: int) -> str:
        cgroup = cgroup_of(pid)
        while cgroup not in ("", "/"):  # a container may make cgroups of its own below
            if cgroup in self._cgroups:
                return self._cgroups[cgroup]
            cgroup = cgroup.rpartition("/")[0]
        return ""

    def read(self, registry: "Registry", names: "CallNames", now: str) -> "list[dict[str, Any]]":
        """What came since the last time, at most some hundred records."""
        records = []
        for _ in range(_MOST):
            try:
                data = self._socket.recv(16384)
            except BlockingIOError:
                break
            except OSError:
                continue  # ENOBUFS: the kernel dropped some
            for kind, text in messages(data):
                record = describe(kind, text, names) if kind in (SECCOMP, LANDLOCK_ACCESS) else None
                if record is None:
                    continue
                container_id = self._container(record["pid"]) or registry.of_init(record["pid"])
                if not container_id:
                    self.unattributed += 1
                    continue
                served = registry.of_container(container_id)
                whose: dict[str, Any] = {"container": container_id, "policy": served[0].policy if served else ""}
                if served:
                    whose["init"] = served[0].init
                records.append({"time": now, **whose, **record})
        return records
