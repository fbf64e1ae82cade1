"""The life of a container: which verb is allowed in which state, and the words of the refusals."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only

MISSING = "container does not exist"
CRUN_MISSING = "does not exist|No such file or directory|error opening file"


def test_whole_life(container: Container) -> None:
    """create, start, kill, delete take a container through created, running and stopped, and nothing remains."""
    container.bundle.probe("wait")
    container.create()
    assert container.status() == "created"
    container.start()
    container.wait_for_output("ready")
    assert container.status() == "running"
    container.kill("TERM").ok()
    assert container.exit_code() == 0
    assert container.status() == "stopped"
    container.delete().ok()
    container.assert_gone()


def test_user_program_waits_for_start(container: Container) -> None:
    """Nothing of process.args runs before start."""
    container.bundle.shell("echo ran")
    container.create()
    assert container.output() == ""
    container.start()
    container.wait_for("stopped")
    assert container.output() == "ran\n"


def test_later_config_edits_have_no_effect(container: Container) -> None:
    """What was created is what is started."""
    container.bundle.shell("echo old")
    container.create()
    container.bundle.shell("echo new").save()
    container.start()
    container.wait_for("stopped")
    assert container.output() == "old\n"


@pytest.mark.parametrize(
    ("verb", "words"),
    [("state", ()), ("start", ()), ("kill", ("9",)), ("delete", ()), ("exec", ("/bin/true",))],
)
def test_unknown_container(container: Container, verb: str, words: tuple[str, ...]) -> None:
    """Every verb refuses an ID it does not know, in the words containerd looks for."""
    rc = 255 if verb == "exec" and container.runtime.flavour != "crun" else 1
    container.call(verb, container.id, *words).refused(container.says(MISSING, CRUN_MISSING), rc)


def test_delete_force_of_unknown_succeeds(container: Container) -> None:
    """The shim deletes twice; the second time must be quiet success."""
    result = container.delete("--force").ok()
    assert result.out == ""
    assert result.err == ""


def test_id_in_use(container: Container) -> None:
    """A second create with the same ID is refused and leaves the first alone."""
    container.waiting()
    container.create(check=False).refused(container.says("container with given ID already exists", "already exists"))
    assert container.status() == "running"


def test_start_twice(container: Container) -> None:
    """A running container cannot be started."""
    container.waiting()
    container.start(check=False).refused(
        container.says("cannot start an already running container", "exec.fifo|not in .created. state|cannot start")
    )


def test_start_after_end(container: Container) -> None:
    """A stopped container cannot be started again."""
    container.bundle.args("/bin/true")
    container.create()
    container.start()
    container.wait_for("stopped")
    container.start(check=False).refused(container.says("cannot start a container that has stopped", "."))


def test_delete_running_refused(container: Container) -> None:
    """Plain delete does not touch a running container."""
    container.waiting()
    refusal = f"cannot delete container {container.id} that is not stopped: running"
    container.delete().refused(container.says(re.escape(refusal), "is not in `created` or `stopped` state"))
    assert container.status() == "running"


def test_delete_force_running(container: Container) -> None:
    """delete --force ends a running container and removes it."""
    container.waiting()
    container.delete("--force").ok()
    container.assert_gone()


def test_delete_created(container: Container) -> None:
    """Plain delete removes a container that was never started."""
    container.create()
    container.delete().ok()
    container.assert_gone()


@pytest.mark.parametrize("dead", ["stopped", "killed while created"])
def test_delete_dead(container: Container, dead: str) -> None:
    """delete removes a container whose init is gone, however it went."""
    container.bundle.probe("wait")
    container.create()
    if dead == "stopped":
        container.start()
    os.kill(container.pid, 9)
    assert container.exit_code() == 137
    container.wait_for("stopped").delete().ok()
    container.assert_gone()


def test_state_of_unreaped_init_is_stopped(container: Container) -> None:
    """A zombie init counts as stopped: the engine may be slow to reap."""
    container.waiting()
    pid = container.pid
    os.kill(pid, 9)
    container.wait_for("stopped")
    assert Path(f"/proc/{pid}").exists()
    assert container.state()["pid"] == 0


def test_start_of_dead_init_fails_at_once(container: Container) -> None:
    """start does not wait for ever for an init that was killed while it waited."""
    container.create()
    os.kill(container.pid, 9)
    container.exit_code()
    assert container.start(check=False).rc == 1


def test_state_json(container: Container) -> None:
    """state prints the specification's fields, indented by two, and runc's created, rootfs and owner."""
    container.bundle.config["annotations"] = {"org.example.key": "välue", "empty": ""}
    container.waiting()
    text = container.call("state", container.id).ok().out
    state = json.loads(text)
    assert text.startswith('{\n  "ociVersion": ')
    assert state["id"] == container.id
    assert state["status"] == "running"
    assert state["pid"] == container.pid
    assert state["bundle"] == str(container.bundle.path)
    assert state["rootfs"] == container.says(str(container.bundle.rootfs), "rootfs")
    assert state["annotations"] == {"org.example.key": "välue", "empty": ""}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", state["created"])
    assert state["owner"] in ("", "root")


def test_state_file_is_private(container: Container) -> None:
    """The state directory is not readable by others, and state.json is there."""
    container.create()
    directory = container.runtime.root / container.id
    assert directory.stat().st_mode & 0o066 == 0
    assert list(directory.iterdir())


@only("runc", "postern", reason="crun keeps its state under other names")
def test_exec_fifo_marks_created(container: Container) -> None:
    """exec.fifo is there exactly while the container is created."""
    container.bundle.probe("wait")
    container.create()
    fifo = container.runtime.root / container.id / "exec.fifo"
    assert fifo.is_fifo()
    assert fifo.stat().st_mode & 0o777 == 0o622
    container.start()
    assert not fifo.exists()


def test_reused_pid_is_not_the_container(container: Container) -> None:
    """State is about the init that was made: a stopped container stays stopped and refuses kill."""
    container.bundle.args("/bin/true")
    container.create()
    container.start()
    assert container.exit_code() == 0
    container.wait_for("stopped")
    container.kill("9").refused(container.says("container not running", "not running|No such process"))


def test_two_containers_at_once(make: Callable[[], Container]) -> None:
    """Two containers do not know of each other."""
    first, second = make().waiting(), make().waiting()
    first.delete("--force").ok()
    assert second.status() == "running"
    assert second.exec("/bin/true").rc == 0
