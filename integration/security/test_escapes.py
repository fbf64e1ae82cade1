"""The known ways out of a container, tried for real: static attacks, one per entry of the security history."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework import hierarchy
from integration.framework.container import Container
from integration.framework.flavours import differs, only
from integration.framework.runtime import CLEAN_ENV
from integration.framework.sockets import FdReceiver

CAPS_OF_AN_ATTACKER = (
    "CAP_SYS_PTRACE",
    "CAP_DAC_OVERRIDE",
    "CAP_SYS_ADMIN",
    "CAP_DAC_READ_SEARCH",
    "CAP_MKNOD",
    "CAP_SYS_CHROOT",
)
NULL = (1, 3)
OLD_HOLE = only("postern", "crun", "runc>=1.2", reason="this runc has the hole, and the attack would reach the host")


@pytest.fixture
def victim(work: Path) -> Iterator[Path]:
    """A directory of the host that no container may touch; its content is compared at the end."""
    directory = work / "victim"
    directory.mkdir()
    (directory / "secret").write_text("host secret\n")
    before = census(directory)
    yield directory
    after = census(directory)
    shutil.rmtree(directory)
    assert after == before


def census(directory: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Name, mode, owner, group and content of everything in a directory."""
    rows = []
    for path in sorted([directory, *directory.rglob("*")]):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        rows.append((str(path), facts.st_mode, facts.st_uid, facts.st_gid, content))
    return rows


def executables(runtime_path: Path) -> list[Path]:
    """The runtime's executable and whatever else runs on its behalf: the files beside it and its interpreters."""
    found = [runtime_path]
    found += [path for path in runtime_path.parent.glob("python3*") if path.is_file()]
    launch = runtime_path.parent / "postern.launch"
    for line in launch.read_text().splitlines() if launch.exists() else []:
        _, _, value = line.partition("=")
        path = (launch.parent / value).resolve()
        found += [path] if value and path.is_file() else []
    return sorted(set(found))


@pytest.fixture
def exposed(container: Container, work: Path) -> Iterator[list[Path]]:
    """Writable copies bound over the runtime's executables, so that a successful attack harms nothing."""
    copies = []
    for number, original in enumerate(executables(container.runtime.path)):
        copy = work / f"exposed{number}"
        shutil.copy2(original, copy)
        hierarchy.mount(str(copy), original, "", hierarchy.MS_BIND)
        copies.append((original, copy, hashlib.sha256(copy.read_bytes()).hexdigest()))
    yield [copy for _, copy, _ in copies]
    for original, copy, digest in copies:
        hierarchy.unmount(original)
        now = hashlib.sha256(copy.read_bytes()).hexdigest()
        copy.unlink()
        assert now == digest, f"{original} was overwritten from inside a container"


@pytest.mark.parametrize("how", ["exec", "exec of a poisoned binary", "exec of a poisoned interpreter"])
def test_overwrite_through_proc_exe(container: Container, exposed: list[Path], how: str) -> None:
    """CVE-2019-5736: the container watches /proc/*/exe while the runtime enters it, and writes to what it caught."""
    container.bundle.caps(*CAPS_OF_AN_ATTACKER).probe("overwrite", "3")
    if how == "exec of a poisoned binary":
        container.bundle.file("evil", "#!/proc/self/exe\n", 0o755)
    if how == "exec of a poisoned interpreter":
        (container.bundle.rootfs / "evil").symlink_to("/proc/self/exe")
    container.up()
    container.wait_for_output("armed")
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        container.exec("/probe" if how == "exec" else "/evil", "exit")
    container.wait_for_output("{")
    assert json.loads(container.output().splitlines()[-1])["written"] == 0
    assert exposed


def test_entrypoint_is_proc_self_exe(container: Container, exposed: list[Path]) -> None:
    """CVE-2019-5736: an image whose program is /proc/self/exe runs nothing that leads to a writable host file."""
    container.bundle.args("/proc/self/exe", "--version")
    container.create(check=False)
    container.start(check=False)
    assert exposed


@differs("crun", "runc<1.2", reason="these hold a directory while they join", strict=False)
def test_descriptors_are_not_readable_while_joining(container: Container) -> None:
    """CVE-2016-9962: nothing of the host can be read in /proc/PID/fd of a process on its way into the container."""
    container.bundle.caps(*CAPS_OF_AN_ATTACKER).probe("snoop", "3")
    container.up()
    container.wait_for_output("armed")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        container.exec("/bin/true")
    container.wait_for_output("{")
    seen = json.loads(container.output().splitlines()[-1])["seen"]
    directories = [line.removeprefix("40000 ") for line in seen if line.startswith("40000 ")]
    assert [path for path in directories if path not in ("", "/") and not re.match(r"/\d+/", path)] == []


@pytest.mark.parametrize("groups", [[], [27, 44, 100]])
def test_callers_groups_are_dropped(container: Container, groups: list[int]) -> None:
    """CVE-2014-8989: supplementary groups of the caller do not come along."""
    container.bundle.probe("facts").save()
    argv = container.runtime.argv("run", "--bundle", str(container.bundle.path), container.id)
    done = subprocess.run(argv, capture_output=True, env=CLEAN_ENV, extra_groups=groups, timeout=60, check=True)
    assert json.loads(done.stdout)["groups"] == []


@pytest.mark.parametrize(
    "destination",
    ["/proc", "/proc/self", "/proc/sys", "/proc/1/attr", "/proc/../proc/self", "/link/self", "/proc/self/attr/exec"],
)
@differs("crun", reason="crun mounts over /proc where it is asked to", strict=False)
def test_volume_over_proc(container: Container, destination: str) -> None:
    """CVE-2019-16884, CVE-2019-19921: a volume cannot cover /proc or a part of it, directly or through a link."""
    fake = container.bundle.directory("fake")
    (fake / "self").mkdir()
    (container.bundle.rootfs / "link").symlink_to("/proc")
    container.bundle.bind(fake, destination)
    container.refuses_creation(".")


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["tmp/elsewhere", "/tmp/elsewhere", "../../victim", "/etc"])
def test_proc_is_a_link(container: Container, victim: Path, name: str, target: str) -> None:
    """CVE-2023-27561, CVE-2023-28642, CVE-2025-54867: a link in place of /proc or /sys is refused or replaced."""
    (container.bundle.rootfs / "tmp/elsewhere").mkdir()
    (container.bundle.rootfs / name).rmdir()
    (container.bundle.rootfs / name).symlink_to(target)
    container.bundle.probe("stat", "/proc", "/sys")
    result = container.run()
    if result.rc == 0:
        facts = json.loads(result.out)[f"/{name}"]
        assert facts["type"] == 0o040000, "the file system was mounted through the link"
    assert victim.is_dir()


@pytest.mark.parametrize("relative", [False, True], ids=["absolute link", "relative link"])
@pytest.mark.parametrize("tmpfs", [True, False], ids=["tmpfs on it", "plain directory"])
@OLD_HOLE
def test_dev_is_a_link(container: Container, victim: Path, relative: bool, tmpfs: bool) -> None:
    """CVE-2026-41579, CVE-2026-47766: with /dev a link, no node, link or mount is made where it leads on the host."""
    (container.bundle.rootfs / "dev").rmdir()
    where = os.path.relpath(victim, container.bundle.rootfs) if relative else str(victim)
    (container.bundle.rootfs / "dev").symlink_to(where)
    if not tmpfs:
        mounts = container.bundle.config["mounts"]
        container.bundle.config["mounts"] = [entry for entry in mounts if not entry["destination"].startswith("/dev")]
    before = census(victim)
    container.bundle.shell("true")
    container.run()
    assert census(victim) == before


@pytest.mark.parametrize("destination", ["/out", "/out/made", "/a/../out/made", "/out/made/deep/er"])
@pytest.mark.parametrize("kind", ["tmpfs", "bind", "bind file"])
def test_mount_through_link(container: Container, victim: Path, destination: str, kind: str) -> None:
    """CVE-2021-30465, CVE-2024-45310: links in the root file system never lead a mount point out of it."""
    (container.bundle.rootfs / "out").symlink_to(victim)
    source = container.bundle.directory("volume")
    (source / "file").write_text("volume")
    if kind == "tmpfs":
        container.bundle.mount(destination, "tmpfs", "tmpfs")
    else:
        container.bundle.bind(source / "file" if kind == "bind file" else source, destination)
    container.bundle.shell("true")
    container.run()


@pytest.mark.parametrize("cwd", ["/out", "/out/made", "/out/../out/made"])
def test_cwd_through_link(container: Container, victim: Path, cwd: str) -> None:
    """The working directory is made inside the container, never where a link leads on the host."""
    (container.bundle.rootfs / "out").symlink_to(victim)
    container.bundle.process["cwd"] = cwd
    container.bundle.args("/bin/cat", "secret")
    assert "host secret" not in container.run().out


@pytest.mark.parametrize("where", ["run", "exec"])
def test_cwd_is_a_leaked_descriptor(container: Container, victim: Path, where: str) -> None:
    """CVE-2024-21626: no number of descriptor as working directory leads to the host, even with one leaked to us."""
    leaked = os.open(victim, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(leaked, True)
    try:
        if where == "exec":
            container.waiting()
        for number in [*range(3, 14), leaked]:
            cwd = f"/proc/self/fd/{number}"
            if where == "run":
                container.bundle.args("/bin/cat", "secret").process["cwd"] = cwd
                result = container.run(pass_fds=(leaked,))
            else:
                result = container.exec("/bin/cat", "secret", flags=("--cwd", cwd), pass_fds=(leaked,))
            assert result.rc != 0, result
            assert "host secret" not in result.out
    finally:
        os.close(leaked)


def test_cwd_is_a_link_to_a_descriptor(container: Container) -> None:
    """CVE-2024-21626, the other attack: a link inside the image that leads to a descriptor."""
    container.waiting()
    for number in range(3, 12):
        (container.bundle.rootfs / f"w{number}").symlink_to(f"/proc/self/fd/{number}/../../../../")
        result = container.exec("/bin/cat", "etc/hostname", flags=("--cwd", f"/w{number}"))
        assert result.rc != 0, result


@pytest.mark.parametrize("fake", ["regular", "link", "directory", "device"])
@OLD_HOLE
@differs("crun", reason="crun's program cannot write to a device directory like this", strict=False)
def test_masked_path_with_false_null(container: Container, victim: Path, fake: str) -> None:
    """CVE-2025-31133, CVE-2025-62161: what covers a masked file is the null device, whatever /dev/null is."""
    dev = container.bundle.directory("dev")
    null = dev / "null"
    if fake == "regular":
        null.write_text("attacker's")
    elif fake == "link":
        null.symlink_to("../proc/sysrq-trigger")
    elif fake == "directory":
        null.mkdir()
    else:
        os.mknod(null, 0o020666, os.makedev(1, 7))
    container.bundle.config["mounts"] = [
        entry for entry in container.bundle.config["mounts"] if not entry["destination"].startswith("/dev")
    ]
    container.bundle.bind(dev, "/dev", "rbind", "rw")
    container.bundle.file("etc/masked", "content")
    container.bundle.linux["maskedPaths"] = ["/etc/masked", "/proc/kcore"]
    container.bundle.probe("stat", "/etc/masked")
    result = container.run()
    if result.rc == 0:
        assert tuple(json.loads(result.out)["/etc/masked"]["rdev"]) == NULL
    assert victim.is_dir()


@pytest.mark.parametrize("link", ["/etc/victim", "pts/0", "/proc/sysrq-trigger", "../etc/victim"])
def test_console_is_a_link(container: Container, link: str) -> None:
    """CVE-2025-52565: the terminal is never bound where a planted /dev/console leads."""
    dev = container.bundle.directory("dev")
    (dev / "console").symlink_to(link)
    (dev / "pts").mkdir()
    container.bundle.config["mounts"] = [
        entry for entry in container.bundle.config["mounts"] if entry["destination"] != "/dev"
    ]
    container.bundle.config["mounts"].insert(
        1, {"destination": "/dev", "type": "bind", "source": str(dev), "options": ["rbind"]}
    )
    container.bundle.file("etc/victim", "kept\n")
    container.bundle.process["terminal"] = True
    container.bundle.shell("/bin/cat /etc/victim > /tmp/seen; /bin/cat /proc/self/mountinfo > /tmp/mounts")
    with FdReceiver(container.bundle.path / "tty.sock") as receiver:
        if container.create("--console-socket", str(receiver.path), check=False).rc == 0:
            container.start()
            container.exit_code()
            assert (container.bundle.rootfs / "tmp/seen").read_text() == "kept\n"
            points = [line.split()[4] for line in (container.bundle.rootfs / "tmp/mounts").read_text().splitlines()]
            assert not {"/etc/victim", "/proc/sysrq-trigger", "/dev/pts/0"} & set(points)


@OLD_HOLE
def test_sysctl_goes_to_the_kernel(container: Container) -> None:
    """CVE-2025-52881, CVE-2025-62596: a sysctl is written to procfs or not at all, never to a planted file."""
    container.bundle.config["mounts"] = [
        entry for entry in container.bundle.config["mounts"] if entry["destination"] != "/proc"
    ]
    planted = container.bundle.file("proc/sys/net/ipv4/ip_forward", "planted\n")
    container.bundle.file("proc/self/attr/exec", "planted\n")
    container.bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    container.bundle.linux["maskedPaths"] = container.bundle.linux["readonlyPaths"] = []
    container.bundle.shell("true")
    container.run()
    assert planted.read_text() == "planted\n"


@pytest.mark.parametrize("options", [[], ["rw"], ["ro"]])
def test_cgroup_mount_in_user_namespace(container: Container, options: list[str]) -> None:
    """CVE-2023-25809: without a cgroup namespace of its own a container cannot write to the host's hierarchy."""
    container.bundle.user_namespace().without_namespace("cgroup")
    for entry in container.bundle.config["mounts"]:
        if entry["type"] == "cgroup":
            entry["options"] = ["nosuid", "noexec", "nodev", *options]
    answers = container.answers(
        "paths", "d:/sys/fs/cgroup/made", "w:/sys/fs/cgroup/cgroup.procs", "w:/sys/fs/cgroup/cgroup.subtree_control"
    )
    assert 0 not in answers.values()
    assert not (hierarchy.CGROUP_MOUNT / "made").exists()


def test_no_controlling_terminal_of_the_host(container: Container) -> None:
    """A container without a terminal has a session of its own and cannot reach the caller's by /dev/tty."""
    container.bundle.shell("/probe paths w:/dev/tty; /probe facts")
    master, slave = os.openpty()
    script = "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(3, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    container.bundle.save()
    argv = container.runtime.argv("run", "--bundle", str(container.bundle.path), container.id)
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec python3 -c "$0" "$@" 3<>{os.ttyname(slave)}', script, *argv],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    os.close(master)
    os.close(slave)
    terminal, facts = (json.loads(line) for line in done.stdout.splitlines())
    assert terminal["w:/dev/tty"] != 0
    assert facts["sid"] in (0, 1)


@only("postern", "runc", reason="crun removes what is in the link's target: the state root is root's own and trusted")
def test_state_directory_is_a_link(container: Container, victim: Path) -> None:
    """delete --force does not follow a link planted in the state root."""
    planted = container.runtime.root / container.id
    planted.symlink_to(victim)
    container.delete("--force")
    if planted.is_symlink():
        planted.unlink()


def test_pid_file_is_a_link(container: Container, victim: Path) -> None:
    """The pid file replaces a planted link instead of writing through it."""
    if container.runtime.flavour == "crun":
        pytest.skip("crun writes the pid file in place: the bundle is the engine's and trusted")
    container.pid_file.symlink_to(victim / "secret")
    container.create()
    assert container.pid_file.read_text().isdigit()


@pytest.mark.parametrize("annotation", ["run.oci.handler", "module.wasm.image/variant"])
def test_handler_annotations(container: Container, annotation: str) -> None:
    """CVE-2025-24965: an annotation makes the runtime write nothing into the root file system."""
    container.bundle.config["annotations"] = {annotation: "krun"}
    container.bundle.file("x")
    before = sorted(str(path) for path in container.bundle.rootfs.rglob("*"))
    container.bundle.shell("true")
    container.run()
    created = set(map(str, container.bundle.rootfs.rglob("*"))) - set(before)
    assert {Path(path).name for path in created} <= {"mqueue", "pts", "shm", "console"}


def test_closed_to_the_container(container: Container) -> None:
    """Masked and read-only paths of the default config hold against a root with an attacker's capabilities."""
    container.bundle.caps("CAP_DAC_OVERRIDE", "CAP_SYS_CHROOT", "CAP_NET_ADMIN")
    words = [
        "z:/proc/sysrq-trigger",
        "w:/proc/sys/kernel/core_pattern",
        "r:/proc/kcore",
        "e:/proc/scsi",
        "w:/sys/kernel/uevent_helper",
    ]
    answers = container.answers("paths", *words)
    kept = {word: answers[word] for word in words}
    assert kept["r:/proc/kcore"] in (0, 2)
    assert 0 not in (
        kept["w:/proc/sys/kernel/core_pattern"],
        kept["w:/sys/kernel/uevent_helper"],
        kept["e:/proc/scsi"],
        kept["z:/proc/sysrq-trigger"],
    )
