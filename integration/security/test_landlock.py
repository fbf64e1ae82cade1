"""Landlock's operations: what a ruleset allows is allowed, everything else of what it handles is denied, and nobody gets out."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.edited_plan import execute
from integration.framework.flavours import only
from integration.framework.kernel import landlock_abi
from runtime.abi.landlock import ACCESS_FS, ACCESS_NET, rights_of
from runtime.plan.launch_plan import LaunchPlan, Op, op

pytestmark = [pytest.mark.landlock, only("postern", reason="plans are postern's")]

RULESET = 200  # a slot that no plan of these containers uses
READ = ACCESS_FS["READ_FILE"] | ACCESS_FS["READ_DIR"]
RUN = ACCESS_FS["EXECUTE"] | ACCESS_FS["READ_FILE"]
MAKE = sum(bit for name, bit in ACCESS_FS.items() if name.startswith(("MAKE_", "REMOVE_")))
WRITE = MAKE | ACCESS_FS["WRITE_FILE"] | ACCESS_FS["TRUNCATE"] | ACCESS_FS["REFER"]


def ruleset(fs: int = 0, net: int = 0, scoped: int = 0) -> Op:
    """The ruleset, in a slot of its own."""
    return op("LANDLOCK_RULESET", "unable to make a Landlock ruleset", ruleset=RULESET, fs=fs, net=net, scoped=scoped)


def path(where: str, access: int, *flags: str) -> Op:
    """A rule for a path."""
    what = f'unable to allow access to "{where}"'
    return op("LANDLOCK_PATH", what, *flags, ruleset=RULESET, access=access, path=where)


def port(number: int, access: str) -> Op:
    """A rule for a TCP port."""
    return op("LANDLOCK_PORT", "unable to allow a port", ruleset=RULESET, access=ACCESS_NET[access], port=number)


PROBE = path("/probe", ACCESS_FS["READ_FILE"])  # execve reads the program


def restricted(*rules: Op) -> Callable[[LaunchPlan], None]:
    """An edit: these operations and the restriction at the end of FINAL, where the last filter is loaded too."""

    def edit(plan: LaunchPlan) -> None:
        plan.stages["FINAL"] += [*rules, op("LANDLOCK_RESTRICT", "unable to restrict itself", ruleset=RULESET)]

    return edit


def answers(container: Container, edit: Callable[[LaunchPlan], None], *words: str) -> Any:
    """What a probe sub-command of the restricted container prints."""
    container.bundle.probe(*words)
    return execute(container, edit).json()


ALL = rights_of(landlock_abi())[0]  # every file right that this kernel has


def since(needed: int) -> pytest.MarkDecorator:
    """A mark for what a later ABI brought."""
    return pytest.mark.skipif(landlock_abi() < needed, reason=f"needs ABI {needed} of Landlock")


def test_reading_is_allowed_where_a_rule_says_so(container: Container) -> None:
    """At the path and beneath; a directory's list is a right of its own."""
    container.bundle.file("/data/deep/open")
    container.bundle.file("/other/closed")
    edit = restricted(ruleset(READ), PROBE, path("/data", ACCESS_FS["READ_FILE"]), path("/etc", ACCESS_FS["READ_DIR"]))
    found = answers(
        container, edit, "paths", "r:/data/deep/open", "r:/data", "r:/other/closed", "r:/etc", "r:/etc/passwd"
    )
    assert found == {
        "r:/data/deep/open": 0,
        "r:/data": errno.EACCES,
        "r:/other/closed": errno.EACCES,
        "r:/etc": 0,
        "r:/etc/passwd": errno.EACCES,
    }


def test_writing_is_allowed_where_a_rule_says_so(container: Container) -> None:
    """Opening, making and removing; as root with every capability of the config."""
    container.bundle.file("/data/mine")
    container.bundle.file("/etc/theirs")
    fs = WRITE & ALL
    words = (
        "w:/data/mine",
        "c:/data/new",
        "d:/data/dir",
        "u:/data/mine",
        "w:/etc/theirs",
        "c:/etc/new",
        "u:/etc/theirs",
        "d:/dir",
    )
    found = answers(container, restricted(ruleset(fs), path("/data", fs)), "paths", *words)
    assert found == {word: 0 if word[2:].startswith("/data") else errno.EACCES for word in words}


def test_execution_is_allowed_where_a_rule_says_so(container: Container) -> None:
    """A rule for a file cuts itself to what a file can be allowed; the program is executed under the restriction."""
    fs = ACCESS_FS["EXECUTE"] | MAKE
    edit = restricted(ruleset(fs), path("/probe", fs), path("/bin/busybox", fs))
    container.bundle.file("/copy", mode=0o755).write_bytes((container.bundle.rootfs / "bin/busybox").read_bytes())
    found = answers(container, edit, "paths", "x:/bin/true", "x:/copy")
    assert found == {"x:/bin/true": 0, "x:/copy": errno.EACCES}


def test_a_program_that_may_not_be_executed_is_no_container(container: Container) -> None:
    """The restriction holds for execve itself, and the failure has words."""
    container.bundle.args("/bin/busybox", "true")
    result = execute(container, restricted(ruleset(RUN), path("/probe", RUN)))
    result.refused("exec /bin/busybox: permission denied")


def test_a_rule_does_not_follow_symlinks(container: Container) -> None:
    """An image that leads a path elsewhere gains nothing; OPTIONAL passes it over, and what is missing with it."""
    (container.bundle.rootfs / "data").symlink_to("/etc")
    edit = restricted(ruleset(READ), path("/data", READ))
    container.bundle.probe("paths", "r:/etc/passwd")
    execute(container, edit).refused('unable to allow access to "/data": too many levels of symbolic links')
    skipped = [path(name, READ, "OPTIONAL") for name in ("/data", "/data/passwd", "/none", "/etc/passwd/none")]
    assert answers(container, restricted(ruleset(READ), PROBE, *skipped), "paths", "r:/etc/passwd") == {
        "r:/etc/passwd": errno.EACCES
    }


def test_a_missing_path_is_an_error(container: Container) -> None:
    """Unless the operation says that it need not be there."""
    container.bundle.probe("facts")
    execute(container, restricted(ruleset(READ), path("/none", READ))).refused('allow access to "/none": no such file')


def test_rights_of_directories_are_nothing_for_a_file(container: Container) -> None:
    """Such a rule is left out: the kernel takes none that allows nothing."""
    edit = restricted(ruleset(READ), PROBE, path("/etc/passwd", ACCESS_FS["READ_DIR"]))
    assert answers(container, edit, "paths", "r:/etc/passwd") == {"r:/etc/passwd": errno.EACCES}


def test_a_restriction_cannot_be_left(container: Container) -> None:
    """Neither by a mount, though the capability for it is there, nor through another way to the same file."""
    container.bundle.caps("CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
    container.bundle.file("/other/closed")
    container.bundle.file("/data/mine")
    container.bundle.shell(
        "mount -o bind /other /data || echo no bind; mount -t tmpfs none /data || echo no tmpfs;"
        "cat /other/closed || echo no file; cat /proc/1/root/other/closed || echo no way round; cat /data/mine"
    )
    fs = READ | ACCESS_FS["EXECUTE"]
    result = execute(container, restricted(ruleset(fs), path("/data", READ), path("/bin", fs)))
    assert result.out == "no bind\nno tmpfs\nno file\nno way round\ncontent\n", repr(result)


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a TCP server on the loopback of this network namespace."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_hang_up, args=[server], daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _hang_up(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()


@since(4)
@pytest.mark.parametrize("allowed", [True, False])
def test_connecting_needs_a_rule_for_the_port(container: Container, listener: int, allowed: bool) -> None:
    """From inside the network of the host."""
    rules = [port(listener, "CONNECT_TCP")] if allowed else [port(listener ^ 1, "CONNECT_TCP")]
    container.bundle.without_namespace("network").shell(f"busybox nc -w 1 127.0.0.1 {listener} </dev/null")
    result = execute(container, restricted(ruleset(net=ACCESS_NET["CONNECT_TCP"]), *rules))
    assert (result.rc == 0) == allowed, repr(result)
    assert ("ermission denied" in result.err) == (not allowed), repr(result)


@since(4)
def test_binding_needs_a_rule_for_the_port(container: Container) -> None:
    """In a network of the container's own."""
    script = "for port in 8080 8081; do busybox timeout 1 busybox nc -l -p $port </dev/null; done"
    container.bundle.shell(script)
    result = execute(container, restricted(ruleset(net=ACCESS_NET["BIND_TCP"]), port(8080, "BIND_TCP")))
    assert result.err.count("ermission denied") == 1, repr(result)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([ruleset(1 << 60)], "does not know these rights"),
        ([ruleset(net=1 << 60)], "does not know these rights"),
        ([ruleset(READ), path("/etc", ACCESS_FS["EXECUTE"])], 'allow access to "/etc": invalid argument'),
    ],
)
def test_what_the_kernel_does_not_know_is_an_error(container: Container, rules: list[Op], words: str) -> None:
    """A restriction is never dropped silently."""
    container.bundle.probe("facts")
    execute(container, restricted(*rules)).refused(words)
