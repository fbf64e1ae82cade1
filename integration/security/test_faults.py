"""SIGKILL at every step: whatever moment the runtime or its helper dies, `delete --force` clears the machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from integration.framework import probe
from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.leftovers import leftovers
from integration.framework.leftovers import scrub as remove_remnants
from integration.framework.runtime import CLEAN_ENV

NEVER, STRUCK, ENDED = 1_000_000, 99, 98
SAMPLES = 45


def stepped(container: Container, mode: str, call: int, verb: str) -> tuple[int, str]:
    """Run `create` or `run -d` under the stepper; its exit code and what it said."""
    container.bundle.probe("wait").save()
    flags = ("-d",) if verb == "run" else ()
    words = (verb, *flags, "--bundle", str(container.bundle.path), "--pid-file", str(container.pid_file), container.id)
    argv = [str(probe.built("stepper")), mode, str(call), *container.runtime.argv(*words)]
    log = container.bundle.path / "stepper.log"
    with log.open("wb") as stream:
        rc = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            env=CLEAN_ENV,
            timeout=60,
            check=False,
        ).returncode
    return rc, log.read_text(errors="replace")


def steps(config: pytest.Config, total: int) -> list[int]:
    """Every step with --thorough, else the sampled ones, the last ones among them."""
    stride = 1 if config.option.thorough else max(1, total // SAMPLES)
    return list(range(total, 0, -stride))


def counted(container: Container, mode: str, verb: str) -> int:
    """How many state-changing calls an undisturbed create makes."""
    rc, text = stepped(container, mode, NEVER, verb)
    assert rc == ENDED, text
    container.delete("--force").ok()
    match = re.search(r"calls (\d+)", text)
    assert match
    return int(match[1])


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("verb", ["create", "run"])
@differs(
    "runc",
    "crun",
    reason="these write their state after they made the cgroup and started init",
    strict=False,
    run=False,
)
def test_killed_runtime(make: Callable[[], Container], request: pytest.FixtureRequest, verb: str) -> None:
    """The runtime's own process is killed at the entry of each state-changing call."""
    first = make()
    total = counted(first, "main", verb)
    failures = []
    for step in steps(request.config, total):
        rc, text = stepped(first, "main", step, verb)
        forced = first.delete("--force")
        remains = []
        if forced.rc != 0:
            remains.append(f"delete --force: {forced!r}")
        try:
            first.assert_gone()
        except AssertionError as error:
            remains.append(str(error))
            first.close(inspect=False)
        if remains and rc == STRUCK:
            failures.append(f"step {step} of {total} ({text.strip().splitlines()[0]}): {remains}")
            scrub(first)
    assert failures == [], "\n".join(failures)


@pytest.mark.slow
@pytest.mark.timeout(240)
@differs("runc", "crun", reason="a sample of their steps leaves a cgroup or a state directory", strict=False, run=False)
def test_killed_helper(make: Callable[[], Container], request: pytest.FixtureRequest) -> None:
    """A child of the runtime is killed at each of its calls: create fails by itself and leaves nothing behind."""
    container = make()
    total = counted(container, "other", "create")
    failures = []
    for step in steps(request.config, total):
        rc, text = stepped(container, "other", step, "create")
        if rc != STRUCK:
            continue
        ended = re.search(r"ended (\d+)", text)
        remains = leftovers(
            container.id, container.runtime.root, container.bundle.path, container.bundle.linux["cgroupsPath"]
        )
        if ended and ended[1] != "0" and remains:
            failures.append(
                f"step {step} of {total} ({text.strip().splitlines()[0]}): create failed but left {remains}"
            )
        forced = container.delete("--force")
        if forced.rc != 0:
            failures.append(f"step {step}: {forced!r}")
        scrub(container)
    assert failures == [], "\n".join(failures)


def scrub(container: Container) -> None:
    """Start the next step from a clean machine."""
    remove_remnants(container.id, container.runtime.root, container.bundle.path, container.cgroup)


def test_killed_start(container: Container) -> None:
    """start killed at each of its calls leaves a container that can be deleted by force."""
    container.bundle.probe("wait")
    for step in range(1, 12):
        container.create()
        argv = [str(probe.built("stepper")), "main", str(step), *container.runtime.argv("start", container.id)]
        rc = subprocess.run(argv, capture_output=True, env=CLEAN_ENV, timeout=30, check=False).returncode
        container.delete("--force").ok()
        container.assert_gone()
        if rc == ENDED:
            break


def test_killed_delete(container: Container) -> None:
    """delete killed at each of its calls can be repeated."""
    container.bundle.args("/bin/true")
    for step in range(1, 30):
        container.create()
        container.start()
        container.wait_for("stopped")
        argv = [str(probe.built("stepper")), "main", str(step), *container.runtime.argv("delete", container.id)]
        rc = subprocess.run(argv, capture_output=True, env=CLEAN_ENV, timeout=30, check=False).returncode
        container.delete("--force").ok()
        container.assert_gone()
        if rc == ENDED:
            break
