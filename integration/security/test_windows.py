"""Moments at which init, its files or its rights could be caught: on its way into namespaces, and by what an image holds."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs, only
from integration.framework.runtime import CLEAN_ENV

CLONE_NEWUSER = 0x10000000
GROUPS_OF_THE_CALLER = [27, 44, 100]


def with_user_namespace(container: Container) -> None:
    """A container in a user namespace and in the host's pid namespace."""
    container.bundle.user_namespace().without_namespace("pid").shell("true")
    container.bundle.config["mounts"][0] = {
        "destination": "/proc",
        "type": "bind",
        "source": "/proc",
        "options": ["rbind"],
    }


def with_mapped_mount(container: Container) -> None:
    """A container with an idmapped mount: its maps come from a process in a user namespace made for that."""
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    source = container.bundle.directory("mapped")
    container.bundle.bind(source, "/mnt", "rbind", "idmap", uidMappings=maps, gidMappings=maps).shell("true")


@pytest.mark.parametrize("kind", [with_user_namespace, with_mapped_mount], ids=lambda kind: kind.__name__)
@only("postern", reason="runc and crun have this window, too short to be met in every run")
def test_processes_in_new_user_namespaces_are_hidden(
    make: Callable[[], Container], kind: Callable[[Container], None]
) -> None:
    """CVE-2016-9962 where the pid namespace is the host's: root of another container owns a new user namespace, and so
    may look into whoever is in it unless that is not dumpable from birth on.
    """
    spy, other = make(), make()
    spy.bundle.without_namespace("pid").caps("CAP_KILL").probe("snoop", "4")
    spy.up()
    spy.wait_for_output("armed")
    kind(other)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        other.run().ok()
    spy.wait_for_output("{")
    seen = json.loads(spy.output().splitlines()[-1])["seen"]  # perhaps also of others that run on this machine
    assert [line for line in seen if other.id in line] == []


@pytest.fixture
def denying_namespace() -> Iterator[str]:
    """A user namespace in which setgroups(2) is denied; the path to join it by."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done[1])
        ctypes.CDLL(None).unshare(CLONE_NEWUSER)
        os.write(ready[1], b"1")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    Path(f"/proc/{child}/setgroups").write_text("deny")
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{name}").write_text("0 100000 65536")
    yield f"/proc/{child}/ns/user"
    for fd in (*ready, *done):
        os.close(fd)
    os.waitpid(child, 0)


@differs("runc", "crun", reason="they keep the groups that they could not drop inside", strict=False)
def test_groups_stay_outside_of_a_joined_user_namespace(container: Container, denying_namespace: str) -> None:
    """CVE-2014-8989: the caller's groups are dropped before the namespace is joined that denies to drop them."""
    container.bundle.user_namespace().namespace("user", denying_namespace)
    container.bundle.probe("facts").save()
    argv = container.runtime.argv("run", "--bundle", str(container.bundle.path), container.id)
    done = subprocess.run(
        argv, capture_output=True, env=CLEAN_ENV, extra_groups=GROUPS_OF_THE_CALLER, timeout=60, check=True
    )
    assert json.loads(done.stdout)["groups"] == []


def endless(path: Path) -> None:
    """A link to a device that never ends."""
    path.symlink_to("/dev/zero")


def fifo(path: Path) -> None:
    """A fifo that nobody writes to."""
    os.mkfifo(path)


def sparse(path: Path) -> None:
    """A hole of a terabyte."""
    path.touch()
    os.truncate(path, 1 << 40)


def long_line(path: Path) -> None:
    """A line of a megabyte before root's."""
    path.write_text("x" * (1 << 20) + "\nroot:x:0:0:root:/from-passwd:/bin/sh\n")


@pytest.mark.parametrize(
    ("plant", "home"), [(endless, "/"), (fifo, "/"), (sparse, "/"), (long_line, "/from-passwd")],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
@only("postern", reason="runc and crun read to the end, whatever it is")
def test_hostile_passwd(container: Container, plant: Callable[[Path], None], home: str) -> None:
    """An image's passwd cannot keep init (and the engine that waits for it) busy."""
    passwd = container.bundle.rootfs / "etc/passwd"
    passwd.unlink()
    plant(passwd)
    container.bundle.shell("echo $HOME").save()
    result = container.call("run", "--bundle", str(container.bundle.path), container.id, timeout=20)
    assert result.ok().out == f"{home}\n"


@differs("runc", "crun", reason="runc stops at the planted file, crun writes the pid file in place", strict=False)
def test_planted_temporary_pid_file(container: Container) -> None:
    """The pid file is one that the runtime made, not somebody's who waited for it under its temporary name."""
    for name in (".init.pid", "init.pid.tmp"):
        planted = container.bundle.path / name
        planted.write_text("1")
        os.chown(planted, 1000, 1000)
    container.create()
    assert container.pid_file.stat().st_uid == 0
    assert container.pid > 1


@only("postern", reason="the others keep the profile elsewhere")
def test_exec_without_the_saved_filter(container: Container) -> None:
    """When the saved filter is gone nothing is executed, rather than executed without a filter."""
    container.bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    container.waiting()
    container.exec("/bin/true").ok()
    (container.runtime.root / container.id / "seccomp.bpf").unlink()
    container.exec("/bin/true").refused(r"open the saved seccomp\.bpf: no such file or directory", 255)


@differs("runc", "crun", reason="they mount there", strict=False)
@pytest.mark.parametrize("target", ["/", "..", "tmp/.."])
def test_mount_on_the_root_itself(container: Container, target: str) -> None:
    """A link in the image must not lay a volume over /: later processes would have another root than init."""
    (container.bundle.rootfs / "data").symlink_to(target)
    container.bundle.bind(container.bundle.directory("volume"), "/data")
    container.refuses_creation("it is the root of the container")


@differs("runc", "crun", reason="they make them there", strict=False)
@pytest.mark.parametrize("mounted", [True, False])
def test_no_device_nodes_in_a_volume(container: Container, mounted: bool) -> None:
    """A link in the image must not turn a volume into /dev: nodes would be made in it, and its files replaced by links."""
    (container.bundle.rootfs / "data").symlink_to("/dev")
    if not mounted:
        container.bundle.config["mounts"] = [
            entry for entry in container.bundle.config["mounts"] if not entry["destination"].startswith("/dev")
        ]
    volume = container.bundle.directory("volume")
    (volume / "core").write_text("somebody's")
    container.bundle.bind(volume, "/data")
    container.refuses_creation("it is /dev")
    assert [path.name for path in volume.iterdir()] == ["core"]
    assert (volume / "core").read_text() == "somebody's"


@differs("runc", "crun", reason="they cover it", strict=False)
@pytest.mark.parametrize("kind", ["readonlyPaths", "maskedPaths"])
def test_restriction_on_the_root_itself(container: Container, kind: str) -> None:
    """A link in the image must not lay a second root over the first: an exec would see it without any restriction."""
    (container.bundle.rootfs / "data").symlink_to("/")
    container.bundle.linux[kind].insert(0, "/data")
    container.refuses_creation("it is the root of the container")


@differs("runc", "crun", reason="they have words of their own", strict=False)
def test_nothing_of_proc_is_copied_up(container: Container) -> None:
    """tmpcopyup on a path that leads into /proc is refused before a byte of the kernel's files is read."""
    (container.bundle.rootfs / "run").rmdir()
    (container.bundle.rootfs / "run").symlink_to("/proc")
    container.bundle.mount("/run", "tmpfs", "tmpfs", "tmpcopyup", "size=4m")
    container.refuses_creation(re.escape("cannot be mounted because it is inside /proc"))
