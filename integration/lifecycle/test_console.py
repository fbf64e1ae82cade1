"""Terminals: the console socket, a foreground terminal that is driven, resizing, and the refused combinations."""

from __future__ import annotations

import json
import os
import signal
import termios
from collections.abc import Iterator

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.sockets import FdReceiver
from integration.framework.terminal import Terminal, set_size

CRUN_SIZE = differs("crun", reason="crun sets the size of the terminal after the program started", strict=False)


@pytest.fixture
def receiver(container: Container) -> Iterator[FdReceiver]:
    """A console socket in the bundle."""
    with FdReceiver(container.bundle.path / "tty.sock") as listening:
        yield listening


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A pseudo-terminal for a foreground run."""
    opened = Terminal.open(30, 90)
    yield opened
    opened.close()


def with_terminal(container: Container, rows: int = 0, cols: int = 0) -> None:
    """Ask for a terminal, with a size if given."""
    container.bundle.process["terminal"] = True
    if rows:
        container.bundle.process["consoleSize"] = {"height": rows, "width": cols}


def run_on(container: Container, terminal: Terminal) -> None:
    """Start a foreground run whose streams are the terminal."""
    container.foreground(stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, new_session=True)


def test_console_socket(container: Container, receiver: FdReceiver) -> None:
    """create sends one master with a name; the container's streams are its slave, in the container's own devpts."""
    with_terminal(container, 33, 111)
    container.bundle.shell("/probe facts > /facts; stty size; echo typed $(read -r x; echo $x)")
    container.create("--console-socket", str(receiver.path))
    message, fds = receiver.receive()
    assert 0 < len(message) <= 4096
    assert len(fds) == 1
    container.start()
    terminal = Terminal(os.dup(fds[0]))
    terminal.expect("33 111")
    terminal.type("words\n")
    terminal.expect("typed words")
    container.exit_code()
    facts = json.loads((container.bundle.rootfs / "facts").read_text())
    terminal.close()
    assert facts["tty"]["is"] == [1, 0, 1]
    assert facts["tty"]["name"].startswith(("/dev/pts/", "/dev/console"))
    assert facts["sid"] == 1


def test_create_does_not_wait_for_the_reader(container: Container, receiver: FdReceiver) -> None:
    """create returns although nobody has accepted the connection yet."""
    with_terminal(container)
    container.create("--console-socket", str(receiver.path))
    assert container.status() == "created"
    assert len(receiver.receive()[1]) == 1


@differs("crun", reason="crun makes /dev/console a link")
def test_dev_console(container: Container, receiver: FdReceiver) -> None:
    """/dev/console is the same terminal, owned by the user of the process."""
    with_terminal(container)
    container.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    container.bundle.shell("/probe stat /dev/console > /tmp/facts; echo over > /dev/console")
    container.create("--console-socket", str(receiver.path))
    _, fds = receiver.receive()
    container.start()
    terminal = Terminal(os.dup(fds[0]))
    terminal.expect("over")
    terminal.close()
    container.exit_code()
    facts = json.loads((container.bundle.rootfs / "tmp/facts").read_text())["/dev/console"]
    assert facts["type"] == 0o020000
    assert facts["rdev"][0] == 136
    assert facts["uid"] == 1000


def test_relative_console_socket(container: Container, receiver: FdReceiver) -> None:
    """A relative --console-socket is relative to the bundle."""
    with_terminal(container)
    container.create("--console-socket", "tty.sock", cwd="/")
    assert len(receiver.receive()[1]) == 1


def test_shim_streams_end(container: Container, receiver: FdReceiver) -> None:
    """With a terminal nobody keeps create's own outputs open after it returned: a shim reads them to their end."""
    with_terminal(container)
    container.bundle.probe("wait").save()
    reader, writer = os.pipe()
    words = ("create", "--bundle", str(container.bundle.path), "--console-socket", str(receiver.path), container.id)
    process = container.runtime.spawn(*words, stdout=writer, stderr=writer)
    os.close(writer)
    assert process.wait(timeout=20) == 0
    os.set_blocking(reader, False)
    assert os.read(reader, 4096) == b""
    os.close(reader)


@CRUN_SIZE
@pytest.mark.parametrize("size", [(24, 80), (50, 132)])
def test_foreground(container: Container, terminal: Terminal, size: tuple[int, int]) -> None:
    """A foreground run with a terminal relays input and output, and its exit code is the program's."""
    with_terminal(container)
    set_size(terminal.slave, *size)
    container.bundle.shell("echo start; read x; echo got-$x; stty size; exit 6")
    run_on(container, terminal)
    terminal.expect("start")
    terminal.type("abc\n")
    terminal.expect("got-abc")
    terminal.expect(f"{size[0]} {size[1]}")
    assert container._spawned[-1].wait(timeout=10) == 6


@CRUN_SIZE
def test_foreground_resize(container: Container, terminal: Terminal) -> None:
    """SIGWINCH of the caller's terminal becomes the container's new size."""
    with_terminal(container)
    container.bundle.probe("tty")
    run_on(container, terminal)
    terminal.expect("size 30x90")
    set_size(terminal.slave, 41, 101)
    container._spawned[-1].send_signal(signal.SIGWINCH)
    terminal.expect("size 41x101")


@CRUN_SIZE
def test_foreground_interrupt(container: Container, terminal: Terminal) -> None:
    """Control-C typed on the terminal reaches the foreground process as SIGINT."""
    with_terminal(container)
    container.bundle.probe("tty")
    run_on(container, terminal)
    terminal.expect("size 30x90")
    terminal.type("\x03")
    terminal.expect("signal 2 ")
    assert container._spawned[-1].wait(timeout=10) == 7


def test_foreground_restores_the_terminal(container: Container, terminal: Terminal) -> None:
    """The caller's terminal has its old settings after the run."""
    with_terminal(container)
    before = termios.tcgetattr(terminal.slave)
    container.bundle.args("/bin/true")
    run_on(container, terminal)
    assert container._spawned[-1].wait(timeout=20) == 0
    assert termios.tcgetattr(terminal.slave)[:4] == before[:4]


@differs("runc", "crun", reason="they may set the size after the program has looked", strict=False)
def test_exec_terminal(container: Container, terminal: Terminal) -> None:
    """exec -t gives a terminal of its own and relays it."""
    container.waiting()
    streams = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
    process = container.spawn_exec(
        "/bin/sh", "-c", "stty size; read x; echo got-$x", flags=("-t",), new_session=True, **streams
    )
    terminal.expect("30 90")
    terminal.type("exec\n")
    terminal.expect("got-exec")
    assert process.wait(timeout=10) == 0


def test_exec_console_socket(container: Container, receiver: FdReceiver) -> None:
    """exec --detach --process with terminal sends a master as create does."""
    container.waiting()
    path = container.process_file(args=["/bin/sh", "-c", "echo in-exec; read x"], terminal=True)
    pid_file = container.bundle.path / "e.pid"
    container.call(
        "exec",
        "--process",
        path,
        "--console-socket",
        str(receiver.path),
        "--detach",
        "--pid-file",
        str(pid_file),
        container.id,
    ).ok()
    terminal = Terminal(os.dup(receiver.receive()[1][0]))
    terminal.expect("in-exec")
    terminal.type("x\n")
    os.waitpid(int(pid_file.read_text()), 0)
    terminal.close()


@pytest.mark.parametrize("verb", ["create", "run -d"])
@differs("crun", reason="crun has its own words")
def test_terminal_without_socket(container: Container, verb: str) -> None:
    """A terminal without a console socket cannot be detached from."""
    with_terminal(container)
    result = container.make(*verb.split(), check=False)
    result.refused("cannot allocate tty if runc will detach without setting console socket")
    container.assert_gone()


@differs("crun", reason="crun has its own words")
def test_foreground_terminal_without_one_of_ours(container: Container) -> None:
    """A terminal in the foreground is refused where the caller has none: nobody could end what reads from it."""
    with_terminal(container)
    container.bundle.save()
    words = ("run", "--bundle", str(container.bundle.path), container.id)
    process = container.runtime.spawn(*words, new_session=True)
    _out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"open /dev/tty: no such device or address" in err
    container.assert_gone()


@differs("crun", reason="crun ignores a console socket that is not needed")
def test_socket_without_terminal(container: Container, receiver: FdReceiver) -> None:
    """A console socket is refused where there is no terminal to send."""
    container.refuses_creation(
        "cannot use console socket if runc will not detach or allocate tty", "--console-socket", str(receiver.path)
    )


def test_missing_console_socket(container: Container) -> None:
    """A console socket that is not there fails create and leaves nothing."""
    with_terminal(container)
    container.refuses_creation(
        "no such file or directory|No such file or directory", "--console-socket", "/nowhere/tty.sock"
    )


def test_size_ignored_without_terminal(container: Container) -> None:
    """consoleSize without terminal is ignored, as the specification says."""
    container.bundle.process["consoleSize"] = {"height": 1, "width": 1}
    assert container.facts()["tty"]["is"] == [0, 0, 0]
