"""mounts: every option of the specification as the kernel reports it, binds, idmaps, propagation, the root itself."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.framework import hierarchy
from integration.framework.container import Container
from integration.framework.flavours import differs


def mount_options(mountinfo: str, point: str) -> tuple[set[str], set[str], list[str]]:
    """Mount flags, superblock options and propagation tags of the topmost mount at a point."""
    line = [line for line in mountinfo.splitlines() if line.split()[4] == point][-1]
    before, _, after = line.partition(" - ")
    fields = before.split()
    return set(fields[5].split(",")), set(after.split()[2].split(",")), fields[6:]


@pytest.fixture
def volume(work: Path) -> Iterator[Path]:
    """A host tmpfs with a tmpfs below it and a file in each, to be a recursive bind source."""
    top = work / "volume"
    top.mkdir()
    hierarchy.mount("top", top, "tmpfs")
    (top / "below").mkdir()
    hierarchy.mount("below", top / "below", "tmpfs")
    for directory in (top, top / "below"):
        (directory / "file").write_text("content\n")
        directory.chmod(0o777)
    yield top
    hierarchy.unmount(top / "below")
    hierarchy.unmount(top)
    top.rmdir()


@pytest.mark.parametrize(
    ("option", "flag", "present"),
    [
        ("ro", "ro", True), ("rw", "rw", True), ("nosuid", "nosuid", True), ("suid", "nosuid", False), ("nodev", "nodev", True),
        ("dev", "nodev", False), ("noexec", "noexec", True), ("exec", "noexec", False), ("noatime", "noatime", True),
        ("nodiratime", "nodiratime", True), ("relatime", "relatime", True), ("strictatime", "relatime", False),
        ("nosymfollow", "nosymfollow", True), ("symfollow", "nosymfollow", False), ("atime", "noatime", False),
        ("diratime", "nodiratime", False), ("norelatime", "noatime", False), ("nostrictatime", "ro", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
@differs("crun", reason="crun has no nosymfollow", strict=False)
def test_flag(container: Container, volume: Path, option: str, flag: str, present: bool, kind: str) -> None:
    """Per-mount flags, on a fresh file system and on a bind."""
    if kind == "tmpfs":
        container.bundle.mount("/m", "tmpfs", "tmpfs", option)
    else:
        container.bundle.bind(volume, "/m", "bind", option)
    flags, _, _ = mount_options(container.facts()["mountinfo"], "/m")
    assert (flag in flags) is present, flags


@pytest.mark.parametrize(
    ("option", "flag"),
    [
        ("sync", "sync"),
        ("dirsync", "dirsync"),
        ("lazytime", "lazytime"),
        ("size=64k", "size=64k"),
        ("mode=700", "mode=700"),
        ("nr_inodes=100", "nr_inodes=100"),
        ("async", "rw"),
        ("defaults", "rw"),
        ("silent", "rw"),
        ("loud", "rw"),
        ("iversion", "rw"),
        ("noiversion", "rw"),
        ("nolazytime", "rw"),
    ],
)
@differs(
    "runc",
    "crun",
    reason="the one hands defaults to the file system, the other silent, loud and iversion",
    strict=False,
)
def test_superblock_option(container: Container, option: str, flag: str) -> None:
    """Options of the superblock, and data for the file system."""
    container.bundle.mount("/m", "tmpfs", "tmpfs", option)
    _, options, _ = mount_options(container.facts()["mountinfo"], "/m")
    assert flag in options


@pytest.mark.parametrize(
    ("option", "flag", "below"),
    [
        ("rro", "ro", True), ("rnosuid", "nosuid", True), ("rnodev", "nodev", True), ("rnoexec", "noexec", True), ("rnoatime", "noatime", True),
        ("rnodiratime", "nodiratime", True), ("rnosymfollow", "nosymfollow", True), ("rrelatime", "relatime", True),
        ("ro", "ro", False), ("nosuid", "nosuid", False), ("noexec", "noexec", False),
    ],
)  # fmt: skip
@differs("runc<1.2", reason="this runc silently takes recursive flags for plain ones", strict=False)
@differs("crun", reason="crun lacks some of the recursive flags", strict=False)
def test_recursive_flag(container: Container, volume: Path, option: str, flag: str, below: bool) -> None:
    """r-flags reach every mount below a bind; plain ones the top alone. Never silently less."""
    container.bundle.bind(volume, "/m", "rbind", option)
    mountinfo = container.facts()["mountinfo"]
    assert flag in mount_options(mountinfo, "/m")[0]
    assert (flag in mount_options(mountinfo, "/m/below")[0]) is below


@pytest.mark.parametrize(
    ("option", "gone"),
    [("rrw", "ro"), ("rexec", "noexec"), ("rsuid", "nosuid"), ("rdev", "nodev"), ("rsymfollow", "nosymfollow")],
)
@differs("runc<1.2", reason="this runc silently takes recursive flags for plain ones", strict=False)
@differs("crun", reason="crun has no rsymfollow", strict=False)
def test_recursive_clearing(container: Container, volume: Path, option: str, gone: str) -> None:
    """The clearing r-flags undo what the source has, below as well."""
    subprocess.run(
        ["mount", "-o", "remount,bind,ro,noexec,nosuid,nodev,nosymfollow", str(volume / "below")], check=True
    )
    container.bundle.bind(volume, "/m", "rbind", option)
    assert gone not in mount_options(container.facts()["mountinfo"], "/m/below")[0]


def test_rro_really_is(container: Container, volume: Path) -> None:
    """rro denies writing below (CVE-free, but kubelet relies on it)."""
    container.bundle.bind(volume, "/m", "rbind", "rro")
    answers = container.answers("paths", "c:/m/new", "c:/m/below/new", "w:/m/below/file", "r:/m/below/file")
    assert list(answers.values()) == [30, 30, 30, 0]
    assert not (volume / "below/new").exists()


@pytest.mark.parametrize(("option", "there"), [("bind", False), ("rbind", True)])
def test_bind_depth(container: Container, volume: Path, option: str, there: bool) -> None:
    """bind takes the one mount, rbind those below as well."""
    container.bundle.bind(volume, "/m", option)
    assert (container.answers("paths", "r:/m/below/file")["r:/m/below/file"] == 0) is there


@pytest.mark.parametrize("kind", ["bind", "none", "", "tmpfs"])
def test_bind_by_option(container: Container, volume: Path, kind: str) -> None:
    """The option makes a bind, whatever the type says."""
    container.bundle.mount("/m", kind, str(volume), "rbind")
    assert container.answers("paths", "r:/m/file")["r:/m/file"] == 0


def test_relative_source(container: Container) -> None:
    """A relative bind source is relative to the bundle."""
    (container.bundle.directory("here") / "file").write_text("x")
    container.bundle.mount("/m", "bind", "here", "bind")
    assert container.answers("paths", "r:/m/file")["r:/m/file"] == 0


def test_file_bind_makes_its_target(container: Container) -> None:
    """A file is bound over a file that is made, in directories that are made."""
    source = container.bundle.directory("v") / "f"
    source.write_text("bound\n")
    container.bundle.bind(source, "/new/deep/file", "bind", "ro").args("/bin/cat", "/new/deep/file")
    assert container.run().ok().out == "bound\n"
    assert (container.bundle.rootfs / "new/deep/file").read_text() == ""


@pytest.mark.parametrize("destination", ["/link/inside", "/abs/inside", "/link/../link/inside"])
def test_links_inside_are_followed_inside(container: Container, destination: str) -> None:
    """Links in a destination stay within the root file system."""
    container.bundle.file("real/inside/x")
    (container.bundle.rootfs / "link").symlink_to("real")
    (container.bundle.rootfs / "abs").symlink_to("/real")
    container.bundle.mount(destination, "tmpfs", "inside-tmpfs")
    assert [line.split()[4] for line in container.facts()["mountinfo"].splitlines() if "inside-tmpfs" in line] == [
        "/real/inside"
    ]


@differs("crun", "runc<1.2", reason="crun refuses; old runc, too", strict=False)
def test_relative_destination(container: Container) -> None:
    """A relative destination is relative to the root."""
    container.bundle.mount("rel/dir", "tmpfs", "tmpfs")
    assert " /rel/dir " in container.facts()["mountinfo"]


def test_order(container: Container) -> None:
    """Mounts are made in the order listed: a later one covers an earlier one."""
    for name in ("first", "second"):
        (container.bundle.directory(name) / name).write_text("")
        container.bundle.bind(container.bundle.path / name, "/m", "bind")
    assert container.answers("paths", "r:/m/second", "r:/m/first") == {"r:/m/second": 0, "r:/m/first": 2}


def test_tmpcopyup(container: Container) -> None:
    """tmpcopyup fills a fresh tmpfs with what the image has there: files, links, modes."""
    container.bundle.file("data/one", "one\n", 0o640)
    container.bundle.file("data/deep/two", "two\n")
    (container.bundle.rootfs / "data/link").symlink_to("one")
    container.bundle.mount("/data", "tmpfs", "tmpfs", "tmpcopyup")
    container.bundle.probe("stat", "/data/one", "/data/deep/two", "/data/link")
    facts = container.answers("stat", "/data/one", "/data/deep/two", "/data/link", "/data")
    assert facts["/data/one"]["mode"] == 0o640
    assert facts["/data/link"]["target"] == "one"
    assert facts["/data/deep/two"]["type"] == stat.S_IFREG
    assert facts["/data"]["magic"] == 0x01021994
    assert (container.bundle.rootfs / "data/one").read_text() == "one\n"


@pytest.mark.parametrize(
    ("option", "tag"),
    [
        ("private", ""),
        ("rprivate", ""),
        ("shared", "shared:"),
        ("rshared", "shared:"),
        ("slave", "master:"),
        ("rslave", "master:"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ],
)
@differs("crun", reason="crun cannot make a mount unbindable", strict=False)
def test_propagation(container: Container, volume: Path, option: str, tag: str) -> None:
    """Propagation options of a mount."""
    subprocess.run(["mount", "--make-rshared", str(volume)], check=True)
    if option.endswith(("shared", "slave")):
        container.bundle.linux["rootfsPropagation"] = "rshared" if option.endswith("shared") else "rslave"
    container.bundle.bind(volume, "/m", "rbind", option)
    _, _, tags = mount_options(container.facts()["mountinfo"], "/m")
    assert any(entry.startswith(tag) for entry in tags) if tag else tags == [], tags


@pytest.mark.parametrize(
    ("value", "tag"), [("private", ""), ("slave", ""), ("shared", "shared:"), ("unbindable", "unbindable")]
)
@differs("crun", reason="crun applies it to other mounts", strict=False)
@differs("runc<1.2", reason="this runc applies it elsewhere", strict=False)
def test_rootfs_propagation(container: Container, value: str, tag: str) -> None:
    """rootfsPropagation of the root; a slave of the suite's private mounts has no master."""
    container.bundle.linux["rootfsPropagation"] = value
    _, _, tags = mount_options(container.facts()["mountinfo"], "/")
    assert any(entry.startswith(tag) for entry in tags) if tag else tags == [], tags


def test_host_sees_no_mount(container: Container) -> None:
    """Without shared propagation nothing of the container's mounts appears on the host."""
    container.bundle.mount("/m", "tmpfs", f"mark-{container.id}")
    container.waiting()
    assert f"mark-{container.id}" in container.exec_facts()["mountinfo"]
    assert f"mark-{container.id}" not in Path("/proc/self/mountinfo").read_text()
    assert hierarchy.mounts_under(container.bundle.path) == []


def test_read_only_root(container: Container) -> None:
    """root.readonly."""
    container.bundle.config["root"]["readonly"] = True
    answers = container.answers("paths", "c:/new", "w:/etc/passwd", "d:/tmp/x", "c:/dev/shm/x")
    assert list(answers.values()) == [30, 30, 30, 0]


def test_read_only_root_with_missing_targets(container: Container) -> None:
    """Mount points are made although the root will be read-only."""
    container.bundle.config["root"]["readonly"] = True
    container.bundle.mount("/made/for/it", "tmpfs", "tmpfs")
    assert " /made/for/it " in container.facts()["mountinfo"]


@pytest.mark.parametrize("absolute", [True, False])
def test_root_path(container: Container, absolute: bool) -> None:
    """root.path, absolute or relative to the bundle."""
    container.bundle.config["root"]["path"] = str(container.bundle.rootfs) if absolute else "./rootfs/../rootfs"
    assert container.facts()["pid"] == 1


def owner_inside(container: Container, path: str) -> tuple[int, int]:
    """uid and gid of a path as the container sees them."""
    facts = container.answers("stat", path)[path]
    return facts["uid"], facts["gid"]


IDMAP = {
    "uidMappings": [{"containerID": 0, "hostID": 5000, "size": 100}],
    "gidMappings": [{"containerID": 0, "hostID": 6000, "size": 100}],
}


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
@differs("runc<1.2", reason="this runc has no idmapped mounts", strict=False)
def test_idmap(container: Container, volume: Path, option: str) -> None:
    """An idmapped bind shows the host's owners shifted by the mount's own maps; ridmap reaches what is below."""
    for path in (volume / "file", volume / "below/file"):
        os.chown(path, 3, 4)
    container.bundle.bind(volume, "/m", "rbind", option, **IDMAP)
    facts = container.answers("stat", "/m/file", "/m/below/file")
    assert (facts["/m/file"]["uid"], facts["/m/file"]["gid"]) == (5003, 6004)
    assert facts["/m/below/file"]["uid"] == (5003 if option == "ridmap" else 3)


@differs("runc<1.2", reason="this runc has no idmapped mounts", strict=False)
def test_idmap_in_user_namespace(container: Container, volume: Path) -> None:
    """With idmap and a user namespace whose maps the mount shares, the files' owners are the container's."""
    container.bundle.user_namespace(100_000, 65_536)
    os.chown(volume / "file", 7, 8)
    container.bundle.bind(volume, "/m", "rbind", "idmap")
    assert owner_inside(container, "/m/file") == (7, 8)


@differs("crun", reason="crun takes an idmap without maps for none", strict=False)
@differs("runc<1.2", reason="this runc has no idmapped mounts", strict=False)
def test_idmap_without_maps(container: Container, volume: Path) -> None:
    """idmap with neither maps of its own nor a user namespace is an error."""
    container.bundle.bind(volume, "/m", "rbind", "idmap")
    container.refuses_creation("(?i)map")


@pytest.mark.parametrize("missing", ["uidMappings", "gidMappings"])
@differs("crun", "runc<1.2", reason="one map is taken for both or none", strict=False)
def test_idmap_needs_both_maps(container: Container, volume: Path, missing: str) -> None:
    """The two maps come together."""
    maps: dict[str, Any] = {key: value for key, value in IDMAP.items() if key != missing}
    container.bundle.bind(volume, "/m", "rbind", "idmap", **maps)
    container.refuses_creation("(?i)map")


@pytest.mark.parametrize(
    ("kind", "magic"),
    [("proc", 0x9FA0), ("tmpfs", 0x01021994), ("sysfs", 0x62656572), ("devpts", 0x1CD1), ("mqueue", 0x19800202)],
)
def test_file_systems(container: Container, kind: str, magic: int) -> None:
    """Kinds of file systems that containers mount."""
    container.bundle.mount("/m", kind, kind)
    assert container.answers("stat", "/m")["/m"]["magic"] == magic


def test_standard_file_systems(container: Container) -> None:
    """The default config's file systems are there with their flags."""
    mountinfo = container.facts()["mountinfo"]
    kinds = {line.split()[4]: line.split(" - ")[1].split()[0] for line in mountinfo.splitlines()}
    assert {kinds[point] for point in ("/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup")} == {
        "proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2"
    }  # fmt: skip
    assert "ro" in mount_options(mountinfo, "/sys")[0]
    assert "ro" in mount_options(mountinfo, "/sys/fs/cgroup")[0]


@pytest.mark.parametrize("option", ["nonsense", "size=x"])
def test_option_the_file_system_refuses(container: Container, option: str) -> None:
    """An option nobody knows goes to the file system, which refuses it."""
    container.bundle.mount("/m", "tmpfs", "tmpfs", option)
    container.refuses_creation("(?i)invalid argument|nonsense|/m")


@differs("crun", reason="crun has one more way to mount it", strict=False)
def test_cgroup_mount_shows_own_group(container: Container) -> None:
    """The cgroup mount's root is the container's own group."""
    container.bundle.args("/bin/cat", "/sys/fs/cgroup/cgroup.procs")
    assert container.run().ok().out.split() == ["1"]
