"""What the host says is read correctly, and only what a config needs is asked."""

import os
from pathlib import Path

import pytest

from runtime.host import probe
from runtime.host.probe import (
    own_cgroup,
    page_size_name,
    permitted_capabilities,
    probe_facts,
    probe_kernel,
    probe_nsdelegate,
    probe_own_network,
    probe_seccomp_flags,
    unified_mount,
    user_name,
)


@pytest.mark.parametrize(
    ("release", "numbers"), [("6.18.2-arch1", (6, 18)), ("5.12.0", (5, 12)), ("7.2", (7, 2)), ("6.1-rc3", (6, 1))]
)
def test_kernel(release: str, numbers: tuple[int, int]) -> None:
    """Two numbers of whatever a distribution appends."""
    assert probe_kernel(release) == numbers


def test_user_name() -> None:
    """By number, not by position or prefix."""
    passwd = b"root:x:0:0::/root:/bin/sh\nbroken\nten:x:10:10::/:/bin/sh\none:x:1:1::/:/bin/sh\n"
    assert user_name(0, passwd) == "root"
    assert user_name(1, passwd) == "one"
    assert user_name(99, passwd) == ""


def test_permitted_capabilities() -> None:
    """The CapPrm line, not its neighbours."""
    status = b"Name:\tx\nCapInh:\t0000000000000001\nCapPrm:\t000001fffeffffff\nCapEff:\t0\n"
    assert permitted_capabilities(status) == 0x1FFFEFFFFFF


def test_own_cgroup() -> None:
    """The unified line, and whether v1 has controllers (a named hierarchy has none)."""
    assert own_cgroup(b"0::/user.slice/a\n") == ("/user.slice/a", False)
    assert own_cgroup(b"1:name=systemd:/x\n0::/y\n") == ("/y", False)
    assert own_cgroup(b"4:memory:/x\n0::/\n") == ("/", True)


def test_unified_mount() -> None:
    """The last mount of type cgroup2, spaces unescaped."""
    lines = (
        b"30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"
        b"31 30 0:27 / /sys/fs/cgroup/x\\040y rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
        b"32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    )
    assert unified_mount(lines) == "/sys/fs/cgroup/x y"
    assert unified_mount(b"") is None


def test_nsdelegate() -> None:
    """An option of the super block, which all mounts of the hierarchy have or none."""
    before = b"30 23 0:26 / /sys/fs/cgroup ro,nsdelegate - tmpfs tmpfs ro,nsdelegate\n31 30 0:27 / /c rw shared:9 - cgroup2 none "
    assert probe_nsdelegate(before + b"rw,nsdelegate,memory_recursiveprot\n")
    assert probe_nsdelegate(before + b"rw,nsdelegate")
    assert not probe_nsdelegate(before + b"rw,memory_recursiveprot\n")
    assert not probe_nsdelegate(b"")


@pytest.mark.parametrize(("kilobytes", "name"), [(64, "64KB"), (2048, "2MB"), (1 << 20, "1GB"), (16 << 20, "16GB")])
def test_page_size_name(kilobytes: int, name: str) -> None:
    """As cgroup files spell them."""
    assert page_size_name(kilobytes) == name


def test_seccomp_flags_grow_with_the_kernel() -> None:
    """WAIT_KILLABLE_RECV came with 5.19."""
    assert probe_seccomp_flags((5, 18)) == 0b011111
    assert probe_seccomp_flags((5, 19)) == 0b111111


def test_facts_of_this_host() -> None:
    """They agree with what Python's own modules say."""
    facts = probe_facts(None)
    name = os.uname()
    assert facts.machine == name.machine
    assert facts.euid == os.geteuid()
    assert facts.last_capability >= 37
    assert facts.cgroup_mount is None or os.path.exists(f"{facts.cgroup_mount}/cgroup.controllers")
    assert facts.own_cgroup.startswith("/")


def test_only_what_a_config_needs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain config asks neither for LSMs nor huge pages nor mapping tools nor the terminal."""
    asked: list[str] = []
    real = probe.read_file

    def noted(path: str, once: bool = True) -> bytes:
        asked.append(path)
        return real(path, once)

    monkeypatch.setattr(probe, "read_file", noted)
    for name in ("probe_hugepages", "probe_lsms", "_tool", "_probe_terminal"):
        monkeypatch.setattr(probe, name, None)
    facts = probe_facts(
        {"process": {"terminal": False, "user": {"uid": 0}}, "linux": {"namespaces": [{"type": "pid"}]}}
    )
    assert facts.hugepage_sizes == ()
    assert facts.delegate_files == ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
    assert len(asked) <= 9
    assert "/sys/kernel/cgroup/delegate" not in asked


def test_what_a_config_needs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each section brings its own facts in."""
    monkeypatch.setattr(probe, "probe_hugepages", lambda: ("2MB",))
    monkeypatch.setattr(probe, "probe_lsms", lambda: ("apparmor",))
    monkeypatch.setattr(probe, "_probe_terminal", lambda: (True, (24, 80)))
    facts = probe_facts(
        {
            "process": {"terminal": True, "apparmorProfile": "p"},
            "linux": {"resources": {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}},
        }
    )
    assert facts.hugepage_sizes == ("2MB",)
    assert facts.lsms == ("apparmor",)
    assert facts.stdin_size == (24, 80)


@pytest.mark.parametrize(
    ("label", "active"),
    [(b"kernel\0", ()), (b"kernel\n", ()), (b"system_u:system_r:init_t:s0\0", ("selinux",))],
)
def test_selinux_without_a_policy(monkeypatch: pytest.MonkeyPatch, label: bytes, active: tuple[str, ...]) -> None:
    """Mounted but without a policy it gives every process the label `kernel`, and would take any label and enforce none."""
    files = {"/proc/self/attr/current": label}
    monkeypatch.setattr(probe, "read_file", lambda path: files.get(path, b""))
    monkeypatch.setattr(probe, "_exists", lambda path: path == "/sys/fs/selinux/enforce")
    assert probe.probe_lsms() == active


def test_whether_a_joined_network_is_our_own(tmp_path: Path) -> None:
    """By the file that the path leads to, whatever it is called."""
    (tmp_path / "ours").symlink_to("/proc/self/ns/net")
    assert probe_own_network([{"type": "mount"}, {"type": "network", "path": str(tmp_path / "ours")}])
    assert not probe_own_network([{"type": "network", "path": "/proc/self/ns/mnt"}])
    assert not probe_own_network([{"type": "network", "path": str(tmp_path / "none")}])
    assert not probe_own_network([{"type": "network"}])
    assert not probe_own_network([{"type": "mount", "path": "/proc/self/ns/net"}])
