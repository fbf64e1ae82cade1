"""linux.namespaces: new, shared and joined ones, user namespaces with mappings, time offsets, host names, sysctls."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs

FILES = {
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "mount": "mnt",
    "cgroup": "cgroup",
    "user": "user",
    "time": "time",
}
NEW = ("pid", "network", "ipc", "uts", "mount", "cgroup", "time")
NO_TIME = differs("runc<1.2", reason="this runc has no time namespaces")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=NO_TIME if kind == "time" else ()) for kind in NEW])
def test_new(container: Container, kind: str) -> None:
    """An entry without path is a namespace of the container's own."""
    container.bundle.namespace(kind)
    inside = container.facts()["namespaces"][FILES[kind]]
    assert inside != os.readlink(f"/proc/self/ns/{FILES[kind]}")


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup", "time", "user"])
def test_shared(container: Container, kind: str) -> None:
    """A kind that is not listed is the caller's."""
    if kind == "network":
        container.bundle.config["mounts"] = [
            entry for entry in container.bundle.config["mounts"] if entry["type"] != "sysfs"
        ]
    if kind == "ipc":
        container.bundle.config["mounts"] = [
            entry for entry in container.bundle.config["mounts"] if entry["type"] != "mqueue"
        ]
    if kind == "uts":
        del container.bundle.config["hostname"]
    container.bundle.without_namespace(kind)
    inside = container.facts()["namespaces"][FILES[kind]]
    assert inside == os.readlink(f"/proc/self/ns/{FILES[kind]}")


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup", pytest.param("time", marks=NO_TIME)])
@differs("crun", reason="crun cannot join a time namespace", strict=False)
def test_joined(make: Callable[[], Container], kind: str) -> None:
    """A path joins the namespace it names."""
    owner, guest = make(), make()
    owner.bundle.namespace(kind)
    owner.waiting()
    path = f"/proc/{owner.pid}/ns/{FILES[kind]}"
    guest.bundle.namespace(kind, path)
    if kind == "uts":
        del guest.bundle.config["hostname"]
    facts = guest.facts()
    assert facts["namespaces"][FILES[kind]] == os.readlink(path)
    assert kind != "uts" or facts["hostname"] == "gate"


@pytest.mark.parametrize("kind", ["network", "ipc"])
def test_joined_from_a_file(container: Container, work: Path, kind: str) -> None:
    """Network plugins hand over namespaces as bind-mounted files."""
    place = work / "ns"
    place.touch()
    flag = {"network": "--net", "ipc": "--ipc"}[kind]
    subprocess.run(["unshare", f"{flag}={place}", "true"], check=True)
    try:
        container.bundle.namespace(kind, str(place))
        inside = container.facts()["namespaces"][FILES[kind]]
        assert inside == f"{FILES[kind]}:[{place.stat().st_ino}]"
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.unlink()


@pytest.mark.parametrize(
    ("kind", "other"),
    [("network", "uts"), ("ipc", "net"), ("pid", "mnt"), ("uts", "ipc"), ("cgroup", "net"), ("user", "net")],
)
@differs("runc<1.2", "crun", reason="these find out later or not at all", strict=False)
def test_wrong_type(container: Container, kind: str, other: str) -> None:
    """A path of another type is an error, and nothing is left."""
    container.bundle.namespace(kind, f"/proc/self/ns/{other}" if kind != "user" else "/proc/1/ns/net")
    container.refuses_creation(".")


@differs("crun", reason="crun leaves its cgroup when it fails early", strict=False)
@pytest.mark.parametrize("path", ["/etc/passwd", "/nowhere", "/proc/self/fd"])
@differs("runc<1.2", reason="this runc leaves its cgroup when it fails late", strict=False)
def test_not_a_namespace(container: Container, path: str) -> None:
    """A path that is no namespace is an error."""
    container.bundle.namespace("network", path)
    container.refuses_creation(".")


def test_pid_namespace(container: Container) -> None:
    """init is process 1 and sees its own processes only."""
    container.bundle.shell("echo $$; cd /proc; echo [0-9]*")
    first, seen = container.run().ok().out.splitlines()
    assert first == "1"
    assert len(seen.split()) <= 3


def test_loopback(container: Container) -> None:
    """lo is up in a new network namespace."""
    container.bundle.shell("ip -o link; ip -o addr show lo")
    out = container.run().ok().out
    assert "LOOPBACK,UP" in out
    assert "127.0.0.1/8" in out


@pytest.mark.parametrize(("field", "fact"), [("hostname", "hostname"), ("domainname", "domainname")])
@differs("runc<1.2", reason="this runc has no domainname", strict=False)
def test_names(container: Container, field: str, fact: str) -> None:
    """hostname and domainname."""
    container.bundle.config[field] = "a-name.of-63-" + "x" * 40
    assert container.facts()[fact] == "a-name.of-63-" + "x" * 40


@pytest.mark.parametrize("field", ["hostname", "domainname"])
@differs("crun", reason="crun would set the host's", strict=False, run=False)
@differs("runc<1.2", reason="this runc has no domainname", strict=False)
def test_names_need_a_namespace(container: Container, field: str) -> None:
    """The host's names are not changed: without a UTS namespace it is an error."""
    container.bundle.config.pop("hostname")
    container.bundle.config[field] = "evil"
    container.bundle.without_namespace("uts")
    container.refuses_creation("(?i)uts")
    assert os.uname().nodename != "evil"


@NO_TIME
@pytest.mark.parametrize("clock", ["monotonic", "boottime"])
@pytest.mark.parametrize("secs", [3600, 86400 * 365])
def test_time_offsets(container: Container, clock: str, secs: int) -> None:
    """timeOffsets shift the clocks of a new time namespace."""
    container.bundle.namespace("time")
    container.bundle.linux["timeOffsets"] = {clock: {"secs": secs, "nanosecs": 0}}
    now = time.clock_gettime({"monotonic": time.CLOCK_MONOTONIC, "boottime": time.CLOCK_BOOTTIME}[clock])
    assert abs(container.facts()[clock] - now - secs) < 30


@NO_TIME
@differs("crun", reason="crun ignores offsets without a namespace", strict=False)
def test_time_offsets_need_a_namespace(container: Container) -> None:
    """Offsets without a new time namespace are an error."""
    container.bundle.linux["timeOffsets"] = {"monotonic": {"secs": 1, "nanosecs": 0}}
    container.refuses_creation("(?i)time")


@pytest.fixture
def mapped(container: Container) -> Container:
    """A container in a user namespace."""
    container.bundle.user_namespace(100_000, 65_536)
    return container


def test_user_namespace(mapped: Container) -> None:
    """Root inside is the mapped user outside; the maps are as configured; capabilities are inside only."""
    facts = mapped.facts()
    assert facts["uid_map"].split() == ["0", "100000", "65536"]
    assert facts["gid_map"].split() == ["0", "100000", "65536"]
    assert facts["uid"] == [0, 0, 0]
    assert facts["namespaces"]["user"] != os.readlink("/proc/self/ns/user")


def test_user_namespace_outside(mapped: Container) -> None:
    """On the host the process has the mapped ids."""
    mapped.bundle.process["user"] = {"uid": 5, "gid": 6}
    mapped.waiting()
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{mapped.pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert status["Uid"].split()[0] == "100005"
    assert status["Gid"].split()[0] == "100006"


def test_user_namespace_exec(mapped: Container) -> None:
    """exec joins the user namespace, as root or as a user of it."""
    mapped.waiting()
    assert mapped.exec_facts()["uid"] == [0, 0, 0]
    assert mapped.exec_facts("--user", "7:8")["gid"] == [8, 8, 8]


def test_several_mappings(container: Container) -> None:
    """Ranges with holes; an id without mapping cannot be used."""
    container.bundle.user_namespace(100_000, 1000)
    for key in ("uidMappings", "gidMappings"):
        container.bundle.linux[key].append({"containerID": 5000, "hostID": 300_000, "size": 10})
    container.bundle.process["user"] = {"uid": 5003, "gid": 5004}
    facts = container.facts()
    assert facts["uid"] == [5003] * 3
    assert facts["uid_map"].split() == ["0", "100000", "1000", "5000", "300000", "10"]


@pytest.mark.parametrize(
    "user", [{"uid": 70_000, "gid": 0}, {"uid": 0, "gid": 70_000}, {"uid": 0, "gid": 0, "additionalGids": [70_000]}]
)
@differs("crun", reason="crun does without groups that are not mapped", strict=False)
def test_unmapped_user(mapped: Container, user: dict[str, object]) -> None:
    """A user that is not mapped fails create."""
    mapped.bundle.process["user"] = user
    mapped.refuses_creation(".")


def test_mappings_without_namespace(container: Container) -> None:
    """Mappings need a user namespace."""
    container.bundle.linux["uidMappings"] = [{"containerID": 0, "hostID": 100_000, "size": 10}]
    container.bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": 100_000, "size": 10}]
    result = container.run()
    if container.runtime.flavour == "postern":
        assert result.rc == 1


def test_devices_in_user_namespace(mapped: Container) -> None:
    """Default devices are there and usable although they cannot be made."""
    answers = mapped.answers("paths", "w:/dev/null", "r:/dev/zero", "r:/dev/urandom", "w:/dev/full")
    assert set(answers.values()) == {0}


@differs("runc<1.2", reason="this runc wants mappings even so", strict=False)
def test_joined_user_namespace(make: Callable[[], Container]) -> None:
    """A container joins the user namespace of another, with its other namespaces owned by it."""
    owner, guest = make(), make()
    owner.bundle.user_namespace()
    owner.waiting()
    guest.bundle.user_namespace()
    for key in ("uidMappings", "gidMappings"):
        del guest.bundle.linux[key]
    guest.bundle.namespace("user", f"/proc/{owner.pid}/ns/user")
    facts = guest.facts()
    assert facts["namespaces"]["user"] == os.readlink(f"/proc/{owner.pid}/ns/user")
    assert facts["uid"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("key", "value", "needs"),
    [
        ("net.ipv4.ip_forward", "1", "network"),
        ("net.ipv4.ip_unprivileged_port_start", "0", "network"),
        ("net/ipv4/ping_group_range", "0 5", "network"),
        ("kernel.shmmax", "12345", "ipc"),
        ("kernel.msgmax", "1000", "ipc"),
        ("kernel.sem", "100 200 30 40", "ipc"),
        ("fs.mqueue.queues_max", "77", "ipc"),
        ("kernel.domainname", "by.sysctl", "uts"),
    ],
)
@differs("runc<1.2", "crun", reason="key forms and keys of later versions", strict=False)
def test_sysctl(container: Container, key: str, value: str, needs: str) -> None:
    """A namespaced sysctl is written inside, and refused where its namespace is the host's."""
    container.bundle.linux["sysctl"] = {key: value}
    path = "/proc/sys/" + key.replace(".", "/")
    container.bundle.args("/bin/cat", path)
    assert container.run().ok().out.split() == value.split()
    container.bundle.config["mounts"] = [
        entry for entry in container.bundle.config["mounts"] if entry["type"] not in ("sysfs", "mqueue")
    ]
    container.bundle.config.pop("hostname")
    container.bundle.without_namespace(needs)
    container.refuses_creation(r"sysctl .* is not in a separate kernel namespace|sysctl|namespace")


@pytest.mark.parametrize(
    "key",
    [
        "kernel.hostname",
        "vm.swappiness",
        "kernel.core_pattern",
        "kernel/core_pattern",
        "net/../kernel/core_pattern",
        "net.ipv4.nonsense",
    ],
)
@differs("crun", reason="crun writes kernel.hostname", strict=False)
def test_refused_sysctl(container: Container, key: str) -> None:
    """Global sysctls, and names that do not exist, are refused."""
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    container.bundle.linux["sysctl"] = {key: "1"}
    container.refuses_creation("sysctl|/proc/sys|No such file|no such file")
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before
