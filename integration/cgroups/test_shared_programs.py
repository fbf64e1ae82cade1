"""Containers of one kind share the programs of their cgroups, as long as one of them is there; nothing kept is believed."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.runtime import Runtime
from runtime.abi.bpf import BPF_ATTACH_TYPES
from runtime.policy.lower_network import PROGRAM_NAME
from runtime.syscalls.bpf import find_program

pytestmark = only("postern", reason="what is kept is postern's own")

RULES = "name: shared\nversion: 1\nnetwork:\n  egress: [10.0.0.0/8, 192.168.0.0/16]\n  ingress: [loopback]\n"
_HEAD = struct.Struct(
    "<8sIIQI"
)  # magic, programs, size of the table; of the first program: when it was loaded, its identifier


@pytest.fixture(autouse=True)
def nothing_kept(runtime: Runtime) -> Iterator[None]:
    """Each test begins without anything kept, and leaves nothing that it spoilt."""
    shutil.rmtree(runtime.root / "@programs", ignore_errors=True)
    yield
    shutil.rmtree(runtime.root / "@programs", ignore_errors=True)


def attached(container: Container) -> dict[str, int]:
    """The identifiers of the programs of the container's cgroup, by hook."""
    found = {}
    cgroup = os.open(container.cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for hook, number in BPF_ATTACH_TYPES.items():
            program = find_program(cgroup, number, "" if hook == "DEVICE" else PROGRAM_NAME)
            if program is not None:
                lines = Path(f"/proc/self/fdinfo/{int(program)}").read_text().splitlines()
                found[hook] = next(int(line.split()[1]) for line in lines if line.startswith("prog_id"))
                program.close()
    finally:
        os.close(cgroup)
    return found


def started(container: Container, rules: str = RULES) -> dict[str, int]:
    """Create it under the rules; its programs."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(rules)
    container.bundle.probe("wait")
    container.create("--policy", str(path))
    return attached(container)


def places(container: Container) -> list[Path]:
    """The files that say which programs there are."""
    return sorted((container.runtime.root / "@programs").iterdir())


def test_one_kind_one_set_of_programs(make: Callable[[], Container]) -> None:
    """All hooks, the device's among them; what goes with one container stays with the other."""
    one, other, third = make(), make(), make()
    first = started(one)
    assert len(first) > 4
    assert "DEVICE" in first
    assert started(other) == first
    one.delete("--force").ok()
    assert attached(other) == first
    assert started(third) == first


def test_a_cgroup_that_has_the_programs_already(make: Callable[[], Container]) -> None:
    """One that was left behind takes the next container of the kind; each program is in it once, at every hook."""
    one, other = make(), make()
    other.bundle.linux["cgroupsPath"] = one.bundle.linux["cgroupsPath"]
    first = started(one)
    one.kill("KILL").ok()
    one.wait_for("stopped")
    assert started(other) == first
    other.start()
    other.wait_for_output("ready")


def test_other_rules_other_programs(make: Callable[[], Container]) -> None:
    """One port makes another kind; the device's program is the same."""
    one, other = make(), make()
    first, second = started(one), started(other, RULES.replace("10.0.0.0/8", "11.0.0.0/8"))
    assert first.pop("DEVICE") == second.pop("DEVICE")
    assert not set(first.values()) & set(second.values())


def test_other_devices_another_program(make: Callable[[], Container]) -> None:
    """Without a policy as well."""
    one, other, third = make(), make(), make()
    third.bundle.linux["resources"] = {"devices": [{"allow": True, "type": "c", "major": 10, "access": "rwm"}]}
    for container in (one, other, third):
        container.bundle.probe("wait")
        container.create()
    assert attached(one) == attached(other) != attached(third)


def test_rules_that_are_changed_are_one_container_s_own(make: Callable[[], Container]) -> None:
    """`policy apply` exchanges programs: those who shared them keep theirs."""
    one, other = make(), make()
    first = started(one)
    started(other)
    less = one.bundle.path / "less.yaml"
    less.write_text("name: less\nversion: 1\nnetwork: {egress: [10.0.0.0/16]}\n")
    other.call("policy", "apply", other.id, str(less)).ok()
    assert attached(one) == first
    changed = attached(other)
    assert changed["INET4_CONNECT"] != first["INET4_CONNECT"]


def test_an_apply_after_one_that_was_killed(container: Container) -> None:
    """A loosening that never came to its end is in force, and not saved: the next policy takes it back, whatever it changes itself."""
    first = started(container)
    wide, other = container.bundle.path / "wide.yaml", container.bundle.path / "other.yaml"
    wide.write_text(RULES.replace("shared", "wide").replace("10.0.0.0/8", "0.0.0.0/1"))
    other.write_text("name: other\nversion: 1\nnetwork: {egress: [10.0.0.0/8, 192.168.0.0/16], ingress: [loopback]}\n")
    saved = container.runtime.root / container.id / "policy.bin"
    before = saved.read_bytes()
    container.call("policy", "apply", "--loosen", container.id, str(wide)).ok()
    loosened = attached(container)
    assert loosened["INET4_CONNECT"] != first["INET4_CONNECT"]
    saved.rename(saved.with_name(".policy.bin.new"))
    saved.write_bytes(before)
    said = container.call("policy", "apply", container.id, str(other)).ok().out
    assert "network: replaced" in said
    assert attached(container)["INET4_CONNECT"] not in (loosened["INET4_CONNECT"], first["INET4_CONNECT"])
    assert not saved.with_name(".policy.bin.new").exists()
    assert "network: unchanged" in container.call("policy", "apply", container.id, str(other)).ok().out


def test_several_applies_at_once(container: Container) -> None:
    """Come one after the other: none takes back what another one brought."""
    started(container)
    calls = []
    for number in range(4):
        path = container.bundle.path / f"p{number}.yaml"
        path.write_text(f"name: p{number}\nversion: 1\nnetwork: {{egress: [10.0.0.0/{9 + number}]}}\n")
        words = container.runtime.argv("policy", "apply", container.id, str(path))
        calls.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))
    assert [call.wait() for call in calls] == [0] * len(calls)
    said = container.call("policy", "apply", container.id, str(container.bundle.path / "p0.yaml")).ok().out
    assert set(said.splitlines()[0].removeprefix("policy: ").split("+")) == {"shared", "p0", "p1", "p2", "p3"}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _other_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _other_moment(path: Path) -> None:
    """As after the identifier was given again."""
    data = bytearray(path.read_bytes())
    magic, count, size, moment, number = _HEAD.unpack_from(data)
    _HEAD.pack_into(data, 0, magic, count, size, moment + 1, number)
    path.write_bytes(data)


def _other_count(path: Path) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 8, 0)
    path.write_bytes(data)


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _writable(path: Path) -> None:
    path.chmod(0o620)


def _link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _foreign(path: Path) -> None:
    os.chown(path, 1234, -1)


def _open_directory(path: Path) -> None:
    path.parent.chmod(0o777)


CHANGES = (
    _cut, _longer, _other_bytes, _other_moment, _other_count, _nothing, _writable, _link, _fifo, _foreign, _open_directory,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_what_is_not_ours_and_whole_is_not_used(make: Callable[[], Container], change: Callable[[Path], None]) -> None:
    """The container gets programs of its own then, and runs."""
    one, other = make(), make()
    first = started(one)
    for path in places(one):
        change(path)
    second = started(other)
    assert set(second) == set(first)
    assert not set(first.values()) & set(second.values())
    other.start()
    other.wait_for_output("ready")


def test_a_file_that_names_somebody_else_s_program(make: Callable[[], Container]) -> None:
    """Whose moment is wrong: no other program of the host is ever attached."""
    one, other, third = make(), make(), make()
    first = started(one)
    foreign = started(other, RULES.replace("10.0.0.0/8", "12.0.0.0/8"))
    for path in places(one):
        data = bytearray(path.read_bytes())
        magic, count, size, moment, _number = _HEAD.unpack_from(data)
        _HEAD.pack_into(data, 0, magic, count, size, moment, foreign["INET4_CONNECT"])
        path.write_bytes(data)
    second = started(third)
    assert not set(second.values()) & ({*first.values(), *foreign.values()})


def test_a_writer_that_was_killed(make: Callable[[], Container]) -> None:
    """What it left behind is in nobody's way."""
    one, other, third = make(), make(), make()
    started(one)
    for path in places(one):
        path.with_name(f".{path.name}").write_bytes(b"half")
        path.unlink()
    second = started(other)
    assert started(third) == second
    assert not [path for path in places(one) if path.name.startswith(".")]
