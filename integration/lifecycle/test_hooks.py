"""The six kinds of hooks: order, place, what they are told, time limits, and what their failure does."""

from __future__ import annotations

import os

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.hooks import HookRecorder

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
CREATING = KINDS[:3]
RUNC_POSTSTART = differs("runc", reason="runc runs poststart hooks at the end of create")


@pytest.fixture
def hooks(container: Container) -> HookRecorder:
    """A recorder on the container's bundle."""
    return HookRecorder(container.bundle)


def whole_life(container: Container) -> None:
    """create, start, end, delete."""
    container.bundle.probe("wait")
    container.up()
    container.kill("KILL").ok()
    container.exit_code()
    container.delete().ok()


@RUNC_POSTSTART
@differs("crun", reason="crun starts poststart hooks while startContainer hooks still run", strict=False)
def test_order(container: Container, hooks: HookRecorder) -> None:
    """All kinds run in the specification's order, each kind's hooks in theirs."""
    for kind in KINDS:
        hooks.add(kind, f"{kind}1")
        hooks.add(kind, f"{kind}2")
    container.bundle.probe("wait")
    container.create()
    assert hooks.order() == [f"{kind}{n}" for kind in CREATING for n in "12"]
    container.start()
    assert hooks.order() == [f"{kind}{n}" for kind in KINDS[:5] for n in "12"]
    container.kill("KILL").ok()
    container.exit_code()
    assert len(hooks.order()) == 10
    container.delete().ok()
    assert hooks.order() == [f"{kind}{n}" for kind in KINDS for n in "12"]


@RUNC_POSTSTART
@differs("crun", reason="crun tells startContainer hooks / for the bundle, and other statuses")
def test_state_on_stdin(container: Container, hooks: HookRecorder) -> None:
    """Every hook reads the state: id, bundle, annotations, the status of its moment and the pid as it is there."""
    container.bundle.config["annotations"] = {"org.example": "yes"}
    for kind in KINDS:
        hooks.add(kind)
    whole_life(container)
    states = {kind: hooks.state(kind) for kind in KINDS}
    assert {state["id"] for state in states.values()} == {container.id}
    assert {state["bundle"] for state in states.values()} == {str(container.bundle.path)}
    assert all(state["annotations"] == {"org.example": "yes"} for state in states.values())
    assert [states[kind]["status"] for kind in KINDS] == [
        "creating",
        "creating",
        "creating",
        "created",
        "running",
        "stopped",
    ]
    init = container.pid
    assert [states[kind].get("pid", 0) for kind in KINDS] == [init, init, init, 1, init, 0]


def test_namespaces(container: Container, hooks: HookRecorder) -> None:
    """prestart, createRuntime, poststart, poststop run on the host; createContainer, startContainer in the container."""
    for kind in KINDS:
        hooks.add(kind)
    whole_life(container)
    host = os.readlink("/proc/self/ns/mnt")
    where = {kind: hooks.facts(kind)["mnt"] == host for kind in KINDS}
    assert where == dict(zip(KINDS, (True, True, False, False, True, True), strict=True))
    assert hooks.facts("createContainer")["mnt"] == hooks.facts("startContainer")["mnt"]
    assert hooks.facts("startContainer")["net"] != os.readlink("/proc/self/ns/net")


@differs("crun", "runc<1.2", reason="these do not change the working directory of this hook", strict=False)
def test_working_directories(container: Container, hooks: HookRecorder) -> None:
    """createContainer starts in the rootfs as the host sees it; startContainer in the container's /."""
    for kind in KINDS:
        hooks.add(kind)
    whole_life(container)
    assert hooks.facts("createContainer")["cwd"] == str(container.bundle.rootfs)
    assert hooks.facts("startContainer")["cwd"] == "/"


def test_arguments_and_environment(container: Container, hooks: HookRecorder) -> None:
    """args are the whole argv; env, when given, is the whole environment."""
    hooks.add("createRuntime", env=["ONLY=this", "PATH=/usr/bin:/bin"])
    hooks.add("createContainer", env=["OTHER=that", "PATH=/usr/bin:/bin"])
    container.bundle.args("/bin/true")
    assert container.run().rc == 0
    assert "ONLY=this" in hooks.env("createRuntime")
    assert not [line for line in hooks.env("createRuntime") if line.startswith(("LANG", "HOME", "TERM"))]
    assert "OTHER=that" in hooks.env("createContainer")
    assert hooks.facts("createRuntime")["args"] == "name argument"


@pytest.mark.parametrize("kind", CREATING)
@differs("runc<1.2", reason="this runc does not name the kind", strict=False)
def test_failure_fails_create(container: Container, hooks: HookRecorder, kind: str) -> None:
    """A hook that fails before the program runs fails create; the later ones do not run, and nothing is left."""
    hooks.add(kind, "first")
    hooks.add(kind, "bad", then="exit 3")
    hooks.add(kind, "never")
    container.bundle.probe("wait")
    container.refuses_creation(container.says(rf"error running {kind} hook #1: .*exit status 3", "hook|exit"))
    assert hooks.order() == ["first", "bad"]


@RUNC_POSTSTART
@differs("crun", reason="crun runs poststart hooks although startContainer failed", strict=False)
def test_failure_of_start_container(container: Container, hooks: HookRecorder) -> None:
    """A startContainer hook that fails ends the container before its program runs."""
    hooks.add("startContainer", "first")
    hooks.add("startContainer", "bad", then="exit 3")
    hooks.add("startContainer", "never")
    hooks.add("poststart")
    container.bundle.shell("echo ran")
    container.create()
    container.start(check=False)
    container.wait_for("stopped")
    assert hooks.order() == ["first", "bad"]
    assert "ran" not in container.output()


@differs("runc", "crun", reason="runc runs poststart hooks within create; crun ignores their failure", strict=False)
def test_failure_of_poststart(container: Container, hooks: HookRecorder) -> None:
    """A poststart hook that fails fails start; the container is stopped and destroyed (specification 1.3, steps 9, 12, 13)."""
    hooks.add("poststart", "bad", then="exit 3")
    hooks.add("poststop")
    container.bundle.probe("wait")
    container.create()
    assert container.start(check=False).rc == 1
    assert hooks.order() == ["bad", "poststop"]
    container.call("state", container.id).refused("container does not exist")


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
@differs("crun", reason="crun runs no poststop hooks after a failed create", strict=False)
@differs("runc<1.2", reason="fixed later", strict=False)
def test_poststop_after_failed_create(container: Container, hooks: HookRecorder, kind: str) -> None:
    """poststop hooks run for a container that a failing hook ended."""
    hooks.add(kind, "bad", then="exit 3")
    hooks.add("poststop")
    container.create(check=False).refused(".")
    assert hooks.order() == ["bad", "poststop"]


def test_poststop_failure(container: Container, hooks: HookRecorder) -> None:
    """A failing poststop hook does not keep the container from being deleted, and the next ones run."""
    hooks.add("poststop", "bad", then="exit 1")
    container.bundle.args("/bin/true")
    container.create()
    container.start()
    container.wait_for("stopped")
    container.delete()
    assert hooks.order() == ["bad"]
    container.assert_gone()


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
@differs("crun", reason="crun's words are others", strict=False)
def test_timeout(container: Container, hooks: HookRecorder, kind: str) -> None:
    """A hook that runs longer than its timeout is killed and fails, in runc's words."""
    hooks.add(kind, "slow", then="exec sleep 60", timeout=1)
    container.refuses_creation(r"hook ran past specified timeout of 1\.0s|hook ran past specified timeout of 1s")


@pytest.mark.parametrize("kind", KINDS[:3])
def test_missing_hook(container: Container, kind: str) -> None:
    """A hook that is not there fails create with its path."""
    container.bundle.hook(kind, "/nowhere/hook")
    container.refuses_creation(container.says("/nowhere/hook.*no such file or directory", "/nowhere/hook|hook"))


def test_hook_that_reads_nothing(container: Container) -> None:
    """A hook need not read its state, and its output does not disturb the runtime."""
    container.bundle.hook("createRuntime", "/bin/true")
    container.bundle.hook("poststop", "/bin/true")
    container.bundle.args("/bin/true")
    assert container.run().rc == 0


def test_network_hook(container: Container) -> None:
    """A createRuntime hook can reach the container's namespaces through the pid: what network plugins live on."""
    script = (
        "pid=$(sed -e 's/.*\"pid\": *//;s/[^0-9].*//'); readlink /proc/$pid/ns/net > "
        f"{container.bundle.path}/net; nsenter -t $pid -n ip link set lo mtu 1400"
    )
    script = script.replace("sed -e 's/", "tr -d '\\n' | sed -e 's/")
    container.bundle.hook("createRuntime", "/bin/sh", "-c", script)
    container.bundle.shell("cat /sys/class/net/lo/mtu; readlink /proc/self/ns/net")
    mtu, inside = container.run().ok().out.split()
    assert mtu == "1400"
    assert (container.bundle.path / "net").read_text().strip() == inside
