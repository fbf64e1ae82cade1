"""A policy on real containers: what each rule does to create, run, start and exec, and how it meets mounts that the config made.

What an attacker tries against it is in `test_policy_attacks.py`; the kernel's mechanism for reading is in `test_policy_landlock.py`.
"""

from __future__ import annotations

import errno
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.framework import probe
from integration.framework.broker import Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only
from runtime.seccomp.arches import find_arch, syscall_numbers

pytestmark = only("postern", reason="policies are postern's")

_ARCH = find_arch(platform.machine())
assert _ARCH is not None
NUMBERS = syscall_numbers(_ARCH)
EROFS, EACCES, EPERM, ENOSYS = errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSYS
_MASK = (1 << 64) - 1


def policy(container: Container, text: str) -> tuple[str, str]:
    """The flag for a policy of this text."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(f"name: tried\nversion: 1\nnetwork: unrestricted\n{text}")
    return ("--policy", str(path))


def paths(container: Container, text: str, *words: str) -> Any:
    """What `probe paths` answers in a container under that policy."""
    container.bundle.probe("paths", *words)
    return container.run(*policy(container, text)).json()


def calls(container: Container, text: str, *asked: tuple[Any, ...]) -> list[int]:
    """errno of each call (name, arguments) in a container under that policy, 0 for success."""
    words = [",".join(map(str, (NUMBERS[name], *arguments))) for name, *arguments in asked]
    container.bundle.probe("calls", *words)
    answers = container.run(*policy(container, text)).json()
    return [answers[word] for word in words]


@pytest.fixture
def volume(container: Container) -> Path:
    """A directory beside the rootfs, mounted at /volume, with a file and a program."""
    made = container.bundle.directory("volume")
    (made / "file").write_text("content\n")
    (made / "sub").mkdir()
    container.bundle.bind(made, "/volume")
    return made


@pytest.fixture
def submount(volume: Path) -> Iterator[Path]:
    """A file system mounted inside of the volume, which the planner cannot know of."""
    place = volume / "sub"
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    (place / "true").write_bytes((volume.parent / "rootfs/bin/busybox").read_bytes())
    (place / "true").chmod(0o755)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.usefixtures("volume")
def test_only_named_places_can_be_written(container: Container) -> None:
    """Everything else is a read-only file system, whichever mount it lies on; devices and pipes are no files."""
    container.bundle.file("/w/file")
    rules = "filesystem: {write: [/w, /dev/shm]}\n"
    found = paths(container, rules, "w:/w/file", "c:/w/new", "w:/etc/passwd", "c:/new", "c:/tmp/new", "w:/volume/file", "c:/dev/shm/x", "c:/dev/x", "w:/dev/null", "w:/proc/self/comm")  # fmt: skip
    assert found == {
        "w:/w/file": 0,
        "c:/w/new": 0,
        "w:/etc/passwd": EROFS,
        "c:/new": EROFS,
        "c:/tmp/new": EROFS,
        "w:/volume/file": EROFS,
        "c:/dev/shm/x": 0,
        "c:/dev/x": EROFS,
        "w:/dev/null": 0,
        "w:/proc/self/comm": EROFS,
    }


def test_every_way_to_change_a_file(container: Container) -> None:
    """A mount says no to all of them."""
    container.bundle.file("/etc/file")
    container.bundle.caps("CAP_CHOWN", "CAP_FOWNER", "CAP_MKNOD")
    found = paths(container, "filesystem: {write: [/w]}\n", "u:/etc/file", "d:/etc/d", "l:/etc/l", "n:/etc/n")
    assert set(found.values()) == {EROFS}
    container.bundle.shell(
        "chmod 600 /etc/file; touch -c -d @1 /etc/file; ln /etc/file /etc/other; truncate -s 0 /etc/file; true"
    )
    container.run(*policy(container, "filesystem: {write: [/w]}\n")).ok()
    assert (container.bundle.rootfs / "etc/file").read_text() == "content\n"
    assert (container.bundle.rootfs / "etc/file").stat().st_mode & 0o777 == 0o644


def test_only_named_places_can_be_executed(container: Container) -> None:
    """Programs, and libraries through their loader; where writing is not limited it still works."""
    busybox = (container.bundle.rootfs / "bin/busybox").read_bytes()
    container.bundle.file("/x/true", mode=0o755).write_bytes(busybox)
    rules = "filesystem: {execute: [/bin, /probe]}\n"
    container.bundle.shell("/x/true && echo ran; cp /bin/busybox /tmp/true; /tmp/true && echo ran; echo $?")
    result = container.run(*policy(container, rules)).ok()
    assert result.out == "126\n"
    assert result.err.count("Permission denied") == 2
    assert calls(container, rules, ("memfd_create", 0, 0), ("memfd_create", 0, 8))[0] == EACCES


def test_nested_places(container: Container) -> None:
    """Each place opens what its own rule says, inside of others too."""
    busybox = (container.bundle.rootfs / "bin/busybox").read_bytes()
    for name in ("/w/bin/true", "/w/true", "/bin/w/true"):
        container.bundle.file(name, mode=0o755).write_bytes(busybox)
    rules = "filesystem: {write: [/w, /bin/w], execute: [/bin, /w/bin, /probe]}\n"
    found = paths(container, rules, "w:/w/true", "w:/w/bin/true", "w:/bin/w/true", "w:/bin/busybox")
    assert found == {"w:/w/true": 0, "w:/w/bin/true": 0, "w:/bin/w/true": 0, "w:/bin/busybox": EROFS}
    for place, code in (("/w/bin/true", 0), ("/bin/w/true", 0), ("/w/true", EACCES)):
        container.bundle.probe("paths", f"x:{place}")
        result = container.run(*policy(container, rules)).ok()
        assert result.out == f'{{"x:{place}":{code}}}\n'


def test_files_and_what_is_missing_or_a_link(container: Container) -> None:
    """A file is a place as well; a symlink opens nothing, its target is governed by its own rule; what is missing neither."""
    for name in ("/etc/one", "/etc/other", "/real/file"):
        container.bundle.file(name)
    (container.bundle.rootfs / "link").symlink_to("real")
    rules = "filesystem: {write: [/etc/one, /link, /missing/deep, /etc/passwd/x]}\n"
    found = paths(container, rules, "w:/etc/one", "w:/etc/other", "w:/link/file", "w:/real/file", "d:/missing")
    assert list(found.values()) == [0, EROFS, EROFS, EROFS, EROFS]


def test_submounts_that_nobody_knows_of(container: Container, submount: Path) -> None:
    """They are closed with the rest, and open inside of a place that is."""
    assert submount.exists()
    words = ("c:/volume/sub/new", "c:/volume/new")
    assert set(paths(container, "filesystem: {write: [/tmp]}\n", *words).values()) == {EROFS}
    assert set(paths(container, "filesystem: {write: [/volume]}\n", *words).values()) == {0}
    container.bundle.shell("/volume/sub/true; echo $?")
    assert container.run(*policy(container, "filesystem: {execute: [/bin]}\n")).out == "126\n"
    assert container.run(*policy(container, "filesystem: {execute: [/bin, /volume]}\n")).out == "0\n"


def test_what_the_config_closed_stays_closed(container: Container) -> None:
    """A read-only or noexec mount is not opened by a rule, nor is a read-only root."""
    source = container.bundle.directory("ro")
    container.bundle.bind(source, "/ro", "rbind", "ro")
    container.bundle.config["root"]["readonly"] = True
    rules = "filesystem: {write: [/ro, /proc, /root]}\n"
    found = paths(container, rules, "c:/ro/x", "w:/proc/sys/kernel/hostname", "c:/root/x", "w:/proc/self/comm")
    assert list(found.values()) == [EROFS, EROFS, EROFS, 0]


def test_nothing_is_mounted_later(container: Container) -> None:
    """A volume that gets the host's new mounts does not under a policy for files: they would be open."""
    source = container.bundle.directory("slave")
    (source / "later").mkdir()
    subprocess.run(["mount", "--bind", source, source], check=True)
    try:
        subprocess.run(["mount", "--make-shared", source], check=True)
        container.bundle.bind(source, "/slave", "rbind", "rslave")
        container.bundle.probe("wait")
        container.create(*policy(container, "filesystem: {write: [/slave]}\n"))
        container.start()
        subprocess.run(["mount", "-t", "tmpfs", "none", source / "later"], check=True)
        mounts = container.exec("/bin/cat", "/proc/self/mountinfo").ok().out
        subprocess.run(["umount", source / "later"], check=True)
        assert " /slave " in mounts
        assert "/slave/later" not in mounts
    finally:
        subprocess.run(["umount", source], check=True)


def test_hidden_paths(container: Container) -> None:
    """Nothing is in them, for exec either."""
    container.bundle.file("/secret/key")
    container.bundle.file("/etc/key")
    container.bundle.probe("wait")
    container.create(*policy(container, "filesystem: {hide: [/secret, /etc/key, /none]}\n"))
    container.start()
    found = container.exec("/probe", "paths", "e:/secret", "r:/secret/key", "r:/etc/key").ok().json()
    assert list(found.values()) == [errno.ENODATA, errno.ENOENT, 0]
    assert container.exec("/bin/cat", "/etc/key").out == ""


def test_capabilities_and_limits(container: Container) -> None:
    """In all sets, for init and for exec, whatever exec asks for; limits are not raised."""
    container.bundle.caps("CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN")
    container.bundle.process["noNewPrivileges"] = False
    container.waiting(*policy(container, "capabilities: [CAP_KILL]\nlimits: {open_files: 50}\n"))
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert "CapBnd:\t0000000000000020\n" in status
    assert "CapEff:\t0000000000000020\n" in status
    assert "NoNewPrivs:\t1\n" in status
    assert resource.prlimit(container.pid, resource.RLIMIT_NOFILE) == (50, 50)
    for flags in ((), ("--cap", "CAP_SYS_ADMIN"), ("--process", container.process_file(args=["/probe", "facts"]))):
        result = container.exec(*(() if "--process" in flags else ("/probe", "facts")), flags=flags)
        facts = result.ok().json()
        assert facts["caps"]["bounding"] == facts["caps"]["effective"] == 1 << 5, flags
        assert facts["nnp"] == 1
        assert facts["rlimits"]["RLIMIT_NOFILE"] == [50, 50]
    warned = container.exec("/bin/true", flags=("--cap", "CAP_SYS_ADMIN")).ok().err
    assert "the policy withholds capabilities: [CAP_SYS_ADMIN]" in warned


def test_a_limit_above_the_caller_s_own(container: Container) -> None:
    """Is no permission to raise it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard >= 1 << 20:
        pytest.skip("the caller's own limit is above every policy's")
    found = container.facts(*policy(container, "limits: {open_files: 1048576}\n"))
    assert found["rlimits"]["RLIMIT_NOFILE"][1] == hard


def test_system_calls(container: Container) -> None:
    """A list with a default, requests, options, namespaces, sockets; all of it in one filter, for exec too."""
    rules = """
syscalls:
  default: allow
  deny: [{call: kcmp, errno: EXDEV}, {call: personality, when: ["arg0 != 0xffffffff"]}]
ioctl: [TCGETS]
prctl: [PR_GET_NAME]
clone_flags: []
"""
    asked = (
        ("kcmp", 0),
        ("personality", 0xFFFFFFFF),
        ("personality", 8),
        ("ioctl", 0, 0x5401),
        ("ioctl", 0, 0x5412),
        ("prctl", 38),
        ("unshare", 0x10000000),
        ("clone3", 0, 0),
        ("setns", 0, 0),
        ("io_uring_setup", 0, 0),
    )
    expected = [errno.EXDEV, 0, EPERM, errno.ENOTTY, EPERM, EPERM, EPERM, ENOSYS, EPERM, ENOSYS]
    assert calls(container, rules, *asked) == expected
    container.waiting(*policy(container, rules))
    words = [",".join(map(str, (NUMBERS[name], *arguments))) for name, *arguments in asked]
    answers = container.exec("/probe", "calls", *words).ok().json()
    assert [answers[word] for word in words] == expected


def test_sockets(container: Container) -> None:
    """No network section: unix sockets alone."""
    path = container.bundle.path / "policy.yaml"
    path.write_text("name: offline\nversion: 1\n")
    words = [
        f"{NUMBERS['socket']},{','.join(map(str, rest))}"
        for rest in ((1, 1, 0), (2, 1, 0), (16, 3, 0), (40, 1, 0), (17, 3, 0))
    ]
    container.bundle.probe("calls", *words)
    answers = container.run("--policy", str(path)).json()
    assert [answers[word] for word in words] == [0, *[errno.EAFNOSUPPORT] * 4]


def test_resources(container: Container) -> None:
    """Of two limits the stricter; here one that this hierarchy has for sure is none, so that the error names the policy's limit."""
    result = container.run(*policy(container, "resources: {pids: 7}\n"))
    controllers = Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    if "pids" not in controllers:
        assert result.rc == 1
        assert "resources.pids: this host's unified hierarchy has no pids controller" in result.err
        flags = policy(container, "resources: {pids: 7}\nrequirements: {cgroup_limits: optional}\n")
        assert container.run(*flags).ok().err == ""
        log = container.bundle.path / "log"
        container.bundle.save()
        words = ("run", "--bundle", str(container.bundle.path), *flags, container.id)
        container.runtime.call(*words, flags=("--log", str(log))).ok()
        assert 'level=warning msg="policy tried: resources.pids is not enforced' in log.read_text()
        return
    container.waiting(*policy(container, "resources: {pids: 7}\n"))
    assert (container.cgroup / "pids.max").read_text() == "7\n"


def test_what_cannot_be_enforced_is_refused(container: Container) -> None:
    """All of it at once, with lines, before anything is made."""
    container.bundle.without_namespace("pid")
    rules = "filesystem:\n  write: [/w]\n  execute: ['/o*']\nrequirements: {userns: required}\n"
    result = container.run(*policy(container, rules))
    assert result.rc == 1
    for text in ("policy.yaml:6", "no mechanism knows wildcards", "requirements.userns", "a pid namespace of its own"):
        assert text in result.err
    assert container.status() == "missing"


def test_a_policy_that_could_start_nothing(container: Container) -> None:
    """Says which calls starting takes."""
    result = container.run(*policy(container, "syscalls: {default: deny, allow: ['@basic-io', openat]}\n"))
    assert "denies what starting a program takes: execve, exit_group" in result.err


def test_a_narrow_policy_still_starts(container: Container) -> None:
    """Seven calls are enough for create and start; the program does with what it needs."""
    rules = "syscalls: {default: deny, errno: ENOSYS, allow: [read, write, close, openat, close_range, execve, exit_group, exit]}\n"
    shutil.copy(probe.built("noop"), container.bundle.rootfs / "noop")
    container.bundle.args("/noop")
    container.create(*policy(container, rules))
    container.start()
    assert container.exit_code() == 0


def test_saved_files(container: Container) -> None:
    """The config as it came, the policy with what it left of the process, which exec gets silently; delete removes them."""
    container.bundle.caps("CAP_KILL", "CAP_CHOWN")
    container.waiting(*policy(container, "capabilities: [CAP_KILL]\nfilesystem: {hide: [/x]}\n"))
    state = container.runtime.root / container.id
    assert (state / "config.json").read_bytes() == (container.bundle.path / "config.json").read_bytes()
    joined = container.exec("/probe", "facts").ok()
    assert (joined.json()["caps"]["bounding"], joined.err) == (1 << 5, "")
    assert (state / "policy.bin").stat().st_mode & 0o777 == 0o600
    container.delete("--force").ok()
    assert not state.exists()


def test_a_failed_create_leaves_nothing(container: Container) -> None:
    """The policy's files neither."""
    container.bundle.args("/nowhere")
    assert container.run(*policy(container, "filesystem: {write: [/w]}\n")).rc == 1
    assert not (container.runtime.root / container.id).exists()


def test_reads_by_the_broker(container: Container) -> None:
    """Patterns with wildcards; create and start, where init itself opens exec.fifo behind the filter, and exec."""
    for name in ("/data/a.txt", "/data/a.key", "/data/deep/b.txt"):
        container.bundle.file(name)
    rules = "filesystem: {read: [/probe, /bin, /dev, /proc, '/data/**/*.txt']}\n"
    container.bundle.probe("wait")
    container.create(*policy(container, rules))
    container.start()
    container.wait_for_output("ready")
    words = ("r:/data/a.txt", "r:/data/deep/b.txt", "r:/data/a.key", "r:/etc/passwd")
    found = container.exec("/probe", "paths", *words).ok().json()
    assert list(found.values()) == [0, 0, EACCES, EACCES]


def test_a_time_limit(container: Container) -> None:
    """The container is killed when it has passed, though nothing else is brokered."""
    container.bundle.args("/bin/sleep", "60")
    before = time.monotonic()
    result = container.run(*policy(container, "limits: {wall_time: 1s}\n"))
    assert result.rc == 137
    assert time.monotonic() - before < 30


def test_two_listeners(container: Container) -> None:
    """An agent of the config's and the broker cannot both have one."""
    seccomp = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/run/agent.sock",
        "syscalls": [{"names": ["kcmp"], "action": "SCMP_ACT_NOTIFY"}],
    }
    container.bundle.linux["seccomp"] = seccomp
    result = container.run(*policy(container, "syscalls: {default: allow, broker: [getppid]}\n"))
    assert "/linux/seccomp/syscalls/0/action: the policy needs the broker" in result.err


def test_audit_lets_everything_pass(container: Container, broker: Broker) -> None:
    """What would be denied only goes into the log."""
    rules = (
        "syscalls: {default: allow, deny: [getppid]}\nfilesystem: {write: [/w]}\nbroker: {mode: audit}\naudit: all\n"
    )
    container.bundle.shell("touch /etc/new && echo $PPID")
    result = container.run(*policy(container, rules)).ok()
    assert result.out == "0\n"
    log = broker.directory / "log" / f"{container.id}.jsonl"
    wait_until(lambda: log.exists() and '"syscall":"getppid"' in log.read_text(), "getppid in the log")


def test_by_annotation(container: Container) -> None:
    """A built-in policy may be chosen by whoever writes the config."""
    container.bundle.config["annotations"] = {"io.postern.policy": "hostile-tenant"}
    container.bundle.shell("touch /etc/new")
    result = container.run()
    assert "Read-only file system" in result.err


def test_with_a_user_namespace(container: Container) -> None:
    """The mounts of a container whose root is nobody outside are closed by the same means."""
    container.bundle.user_namespace()
    os.chown(container.bundle.file("/w/file"), 100000, 100000)
    found = paths(container, "filesystem: {write: [/w], execute: [/probe]}\n", "w:/w/file", "c:/etc/new", "x:/bin/true")
    assert list(found.values()) == [0, EROFS, EACCES]
