"""Policies whose file rules Landlock or mounts enforce: the same containers, with and without Landlock in the kernel."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.edited_plan import execute
from integration.framework.flavours import only
from integration.framework.kernel import landlock_abi
from runtime.host.probe import probe_facts
from runtime.plan.options import Gate
from runtime.policy.artefact import load_policy
from runtime.policy.lower import lower
from runtime.policy.resolved import Resolved

pytestmark = only("postern", reason="policies are postern's")


def policy(container: Container, text: str) -> tuple[str, str]:
    """The flag for a policy of this text."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(f"name: files\nversion: 1\nnetwork: unrestricted\n{text}")
    return ("--policy", str(path))


def tried(container: Container, text: str, *words: str) -> Any:
    """What `probe paths` answers in a container under that policy."""
    container.bundle.probe("paths", *words)
    return container.run(*policy(container, text)).json()


def fill(container: Container) -> None:
    """Two directories with a file and a program each."""
    for name in ("data", "other"):
        container.bundle.file(f"/{name}/deep/file")
        program = container.bundle.file(f"/{name}/true", mode=0o755)
        program.write_bytes(Path(container.bundle.rootfs / "bin/busybox").read_bytes())


def needs_ports(test: Any) -> Any:
    """Marks for what Landlock's fourth ABI brought."""
    return pytest.mark.landlock(pytest.mark.skipif(landlock_abi() < 4, reason="needs ABI 4 of Landlock")(test))


without_landlock = pytest.mark.skipif(landlock_abi() > 0, reason="this kernel has Landlock")


@pytest.fixture(
    params=[pytest.param("landlock", marks=pytest.mark.landlock), pytest.param("broker", marks=without_landlock)]
)
def filled(request: pytest.FixtureRequest, container: Container) -> Container:
    """A filled container; what judges its reads is what this kernel has for it."""
    assert request.param == ("landlock" if landlock_abi() else "broker")
    fill(container)
    return container


def test_only_what_may_be_read_can_be_opened(filled: Container) -> None:
    """filesystem.read; the root user and its capabilities change nothing."""
    filled.bundle.caps("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
    found = tried(
        filled,
        "filesystem: {read: [/probe, /data]}\n",
        "r:/data/deep/file",
        "r:/data/deep",
        "r:/other/deep/file",
        "r:/other",
        "r:/",
        "r:/proc/self/status",
    )
    assert {word for word, code in found.items() if code == 0} == {"r:/data/deep/file", "r:/data/deep"}
    assert set(found.values()) == {0, errno.EACCES}


def test_what_is_readable_does_not_reach_further_by_a_link(filled: Container) -> None:
    """A symlink inside leads nowhere else, and one that a rule names opens nothing."""
    (filled.bundle.rootfs / "data/out").symlink_to("/other/deep/file")
    (filled.bundle.rootfs / "link").symlink_to("/other")
    found = tried(filled, "filesystem: {read: [/probe, /data, /link]}\n", "r:/data/out", "r:/link/deep/file")
    assert set(found.values()) == {errno.EACCES}


def test_a_file_cannot_be_carried_to_where_it_may_be_read(filled: Container) -> None:
    """Renamed or linked into a readable place it would gain rights, and that is not let happen."""
    filled.bundle.shell(
        "busybox mv /other/deep/file /data/mine; busybox ln /other/deep/file /data/mine; cat /data/mine; cat /data/deep/file"
    )
    result = filled.run(*policy(filled, "filesystem: {read: [/bin, /data]}\n"))
    assert result.out == "content\n", repr(result)
    assert (filled.bundle.rootfs / "other/deep/file").exists()


@pytest.mark.landlock
def test_names_may_change_inside_a_readable_place(container: Container) -> None:
    """From one directory to another, where nothing is gained."""
    fill(container)
    container.bundle.shell("mkdir /data/new && busybox mv /data/deep/file /data/new/file && cat /data/new/file")
    assert container.run(*policy(container, "filesystem: {read: [/bin, /data]}\n")).ok().out == "content\n"


@pytest.mark.landlock
def test_only_named_programs_start(container: Container) -> None:
    """exec; a script's interpreter and a copy of a program are programs like any other."""
    fill(container)
    container.bundle.file("/data/script", "#!/other/true\n", mode=0o755)
    found = tried(
        container, "exec: [/probe, /data]\n", "x:/data/true", "x:/other/true", "x:/data/script", "x:/bin/true"
    )
    assert found == {
        "x:/data/true": 0,
        "x:/other/true": errno.EACCES,
        "x:/data/script": errno.EACCES,
        "x:/bin/true": errno.EACCES,
    }


@pytest.mark.landlock
def test_exec_into_the_container_is_restricted_too(container: Container) -> None:
    """The same rules for a process that joins later."""
    fill(container)
    container.bundle.probe("wait")
    container.create(*policy(container, "filesystem: {read: [/probe, /data]}\n"))
    container.start()
    container.wait_for_output("ready")
    found = container.exec("/probe", "paths", "r:/data/deep/file", "r:/other/deep/file").json()
    assert found == {"r:/data/deep/file": 0, "r:/other/deep/file": errno.EACCES}


def test_writing_outside_is_denied_whatever_the_kernel_has(container: Container) -> None:
    """filesystem.write, by mounts: for opening, making, removing, and what lies deeper."""
    fill(container)
    found = tried(
        container,
        "filesystem: {write: [/data]}\n",
        "w:/data/deep/file",
        "c:/data/deep/new",
        "d:/data/dir",
        "w:/other/deep/file",
        "c:/other/new",
        "d:/dir",
        "u:/other/deep/file",
        "w:/etc/passwd",
    )
    assert {word for word, code in found.items() if code == 0} == {
        "w:/data/deep/file",
        "c:/data/deep/new",
        "d:/data/dir",
    }
    assert set(found.values()) == {0, errno.EROFS}


def test_execution_outside_is_denied_whatever_the_kernel_has(container: Container) -> None:
    """filesystem.execute, by mounts."""
    fill(container)
    found = tried(container, "filesystem: {execute: [/probe, /data]}\n", "x:/data/true", "x:/other/true", "x:/bin/true")
    assert found == {"x:/data/true": 0, "x:/other/true": errno.EACCES, "x:/bin/true": errno.EACCES}


def test_a_volume_of_the_host_inside_a_closed_place_is_closed(container: Container) -> None:
    """A bind mount is no way round, and stays writable where the policy opens it."""
    fill(container)
    volume = container.bundle.directory("volume")
    (volume / "file").write_text("content\n")
    container.bundle.bind(volume, "/other/volume").bind(volume, "/data/volume")
    found = tried(container, "filesystem: {write: [/data]}\n", "w:/other/volume/file", "w:/data/volume/file")
    assert found == {"w:/other/volume/file": errno.EROFS, "w:/data/volume/file": 0}


def test_a_read_only_mount_of_the_config_is_not_opened(container: Container) -> None:
    """A policy only ever takes away."""
    fill(container)
    volume = container.bundle.directory("volume")
    (volume / "file").write_text("content\n")
    container.bundle.bind(volume, "/data/volume", "rbind", "ro")
    found = tried(container, "filesystem: {write: [/data, /data/volume]}\n", "w:/data/volume/file", "c:/data/new")
    assert found == {"w:/data/volume/file": errno.EROFS, "c:/data/new": 0}


@without_landlock
def test_what_only_landlock_can_enforce_is_refused_without_it(container: Container) -> None:
    """exec: no container, and the rule is named."""
    container.bundle.probe("facts")
    container.run(*policy(container, "exec: [/probe]\n")).refused(r"policy\.yaml:4.* needs Landlock")
    container.assert_gone()


def among_programs(container: Container) -> None:
    """The probe where the built-in policies let programs be: a copy in /usr/bin."""
    container.bundle.file("/usr/bin/probe", mode=0o755).write_bytes((container.bundle.rootfs / "probe").read_bytes())
    container.bundle.args("/usr/bin/probe", *container.bundle.config["process"]["args"][1:])


@pytest.fixture
def servers() -> Iterator[tuple[int, int]]:
    """Ports of two TCP servers on the loopback of this network namespace."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        yield one.getsockname()[1], two.getsockname()[1]


def peers(text: str) -> str:
    """A policy of these network rules that asks for Landlock."""
    return f"requirements: {{landlock: required}}\nnetwork:\n{text}"


def resolved(container: Container, text: str) -> Resolved:
    """A policy of this text, as create resolves it."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(f"name: ports\n{text}")
    return load_policy(str(path), str(container.runtime.root), "/nonexistent")


@needs_ports
def test_ports_are_denied_where_no_program_would_deny_them(container: Container, servers: tuple[int, int]) -> None:
    """Landlock alone: the plan has the policy's ruleset, and no program of the cgroup."""
    allowed, denied = servers
    text = f"  egress: [{{allow: 127.0.0.1, ports: {allowed}}}]\n  bind: [39127]\n"
    container.bundle.without_namespace("network").probe(
        "dial", f"c:{allowed}", f"c:{denied}", "b:39127", "b:39128", "b:0"
    )
    container.bundle.config["process"]["noNewPrivileges"] = True
    config = container.bundle.config
    lowered = lower(resolved(container, peers(text)).layers, config, probe_facts(config, False, landlock_abi()))
    assert lowered.landlock is not None
    found = execute(container, lambda _plan: None, gate=Gate(landlock=lowered.landlock)).json()
    assert found == {
        f"c:{allowed}": 0,
        f"c:{denied}": errno.EACCES,
        "b:39127": 0,
        "b:39128": errno.EACCES,
        "b:0": 0,
    }


@needs_ports
def test_a_socket_that_was_passed_in_is_held_too(container: Container, servers: tuple[int, int]) -> None:
    """The programs of the cgroup do not see it: without Landlock it goes where the caller could have gone."""
    text = f"  egress: [{{allow: 127.0.0.1, ports: {servers[0]}}}]\n"
    answers = []
    container.bundle.without_namespace("network").probe("dial", f"C:{servers[1]}")
    for policy_text in (f"network:\n{text}", peers(text)):
        path = container.bundle.path / "policy.yaml"
        path.write_text(f"name: ports\n{policy_text}")
        with socket.socket() as passed:
            result = container.run("--policy", str(path), stdin=passed.fileno())
        answers += list(result.json().values())
    assert answers == [0, errno.EACCES]


@needs_ports
@pytest.mark.parametrize("named", ["hostile-tenant", "agent"])
def test_a_socket_is_of_no_use_without_a_network(container: Container, named: str) -> None:
    """hostile-tenant, which has Landlock where it is there; agent does without."""
    container.bundle.probe("dial", "C:9", "B:39129")
    among_programs(container)
    with socket.socket() as passed:
        result = container.run("--policy", named, stdin=passed.fileno())
    assert set(result.json().values()) == ({errno.EACCES} if named == "hostile-tenant" else {0, errno.ECONNREFUSED})


@pytest.mark.landlock
@pytest.mark.skipif(landlock_abi() < 6, reason="needs ABI 6 of Landlock")
def test_abstract_names_of_others_are_out_of_reach(container: Container) -> None:
    """The scope by itself, in a plan without a broker; processes of the container go on talking among themselves."""
    text = peers("  unix: {connect: [/run], bind: [/run], abstract: false}\n")
    container.bundle.without_namespace("network")
    config = container.bundle.config
    lowered = lower(resolved(container, text).layers, config, probe_facts(config, False, landlock_abi()))
    assert lowered.landlock is not None
    config["process"]["noNewPrivileges"] = True
    name = f"postern-test-{container.id}"
    container.bundle.probe("dial", f"a:{name}")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        open_gate = execute(container, lambda _plan: None).json()
        scoped = execute(container, lambda _plan: None, gate=Gate(landlock=lowered.landlock)).json()
    assert (open_gate, scoped) == ({f"a:{name}": 0}, {f"a:{name}": errno.EPERM})


@needs_ports
def test_what_exec_starts_sees_nothing_of_the_container(container: Container) -> None:
    """The price of a domain of Landlock: what exec starts has one of its own; signals go through all the same."""
    container.bundle.probe("wait")
    among_programs(container)
    container.create("--policy", "hostile-tenant")
    container.start()
    container.wait_for_output("ready")
    assert container.exec("/bin/busybox", "cat", "/proc/1/environ").rc != 0
    container.exec("/bin/busybox", "kill", "-0", "1").ok()


@needs_ports
def test_another_policy_while_landlock_stands(container: Container, servers: tuple[int, int]) -> None:
    """apply: tighter rules come on top of its ports; what they deny cannot be opened again from outside."""
    allowed, other = servers

    def egress(name: str, address: str, port: int) -> str:
        path = container.bundle.path / f"{name}.yaml"
        rule = f"  egress: [{{allow: {address}, ports: {port}}}]\n"
        path.write_text(f"name: {name}\n{peers(rule)}")
        return str(path)

    container.bundle.without_namespace("network").shell(
        f"echo ready; while read word; do /probe dial c:{allowed}; done"
    )
    reader, writer = os.pipe()
    container.create("--policy", egress("one", "127.0.0.1", allowed), stdin=reader)
    container.start()
    container.wait_for_output("ready")
    os.write(writer, b"try\n")
    container.wait_for_output(f'"c:{allowed}":0')
    container.call("policy", "apply", container.id, egress("tight", "127.0.0.2", allowed)).ok()
    os.write(writer, b"try\n")
    container.wait_for_output(f'"c:{allowed}":{errno.EPERM}')
    loose = container.call("policy", "apply", "--loosen", container.id, egress("loose", "127.0.0.1", other))
    assert loose.rc != 0
    assert "the Landlock rules cannot be" in loose.err, loose.err
    os.close(writer)
    os.close(reader)
