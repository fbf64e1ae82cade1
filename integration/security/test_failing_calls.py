"""Every system call that makes a container is made to fail in turn: run says so in one line and leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs, only
from integration.framework.leftovers import leftovers, scrub
from integration.framework.runtime import CLEAN_ENV, Runtime

# how often a plain run makes the call, at most: what is beyond that simply succeeds
CALLS = {
    # the parent half
    "renameat2": 3,
    "clone3": 1,
    "socketpair": 1,
    "recvmsg": 2,
    "bpf": 2,
    "writev": 2,
    # init
    "unshare": 1,
    "keyctl": 2,
    "open_tree": 6,
    "move_mount": 14,
    "fsopen": 9,
    "fsconfig": 30,
    "fsmount": 9,
    "mount_setattr": 12,
    "symlinkat": 6,
    "mknodat": 7,
    "pivot_root": 1,
    "umount2": 1,
    "fchdir": 2,
    "sethostname": 1,
    "setsid": 1,
    "capset": 1,
    "setgroups": 1,
    "setresuid": 1,
    "setresgid": 1,
    "faccessat2": 1,
}


# what a policy adds to that; which Landlock there is was asked before, by a process of its own
POLICY_CALLS = {
    "open_tree": 11,
    "mount_setattr": 17,
    "move_mount": 19,
    "landlock_add_rule": 5,
    "landlock_restrict_self": 1,
    "seccomp": 1,
}
POLICY = "name: files\nversion: 1\nfilesystem: {read: [/probe, /etc], write: [/tmp, /dev], execute: [/probe]}\n"


def failing_run(container: Container, call: str, number: int, *flags: str) -> tuple[int, str]:
    """run with EIO for one call; its exit code and what it said."""
    words = ("run", "--bundle", str(container.bundle.path), *flags, container.id)
    tracer = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"]
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={number}"]
    log = container.bundle.path / "failing.log"
    with log.open("wb") as stream:
        argv = [*tracer, *inject, *container.runtime.argv(*words)]
        run = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=CLEAN_ENV, timeout=60, check=False
        )
    return run.returncode, log.read_text(errors="replace")


def verdict(container: Container, call: str, number: int, *flags: str) -> str:
    """What is wrong with the way in which run failed; "" when nothing is."""
    rc, text = failing_run(container, call, number, *flags)
    if rc == 0 and not text and number > 1:
        return ""  # the call is made less often than this
    path = container.bundle.linux["cgroupsPath"]
    remains = leftovers(container.id, container.runtime.root, container.bundle.path, path)
    lines = text.splitlines()
    if rc != 1 or len(lines) != 1 or "level=error" not in lines[0] or "input/output error" not in lines[0]:
        return f"{call} {number}: rc {rc}, {text!r}"
    return f"{call} {number}: left {remains}" if remains else ""


def verdicts(container: Container, calls: dict[str, int], *flags: str) -> list[str]:
    """One line for each call that failed in a wrong way."""
    wrong = []
    for call, count in calls.items():
        for number in range(1, count + 1):
            problem = verdict(container, call, number, *flags)
            if problem:
                wrong.append(problem)
                scrub(container.id, container.runtime.root, container.bundle.path, container.cgroup)
    return wrong


@pytest.fixture
def unshared(runtime: Runtime) -> Iterator[None]:
    """Nobody's programs can be shared, so that a container's own are made."""
    place = runtime.root / "@programs"
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.touch(mode=0o600)
    yield
    place.unlink()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("unshared")
@differs("runc", "crun", reason="the list of calls is that of this program", strict=False, run=False)
def test_each_call_that_fails(container: Container) -> None:
    """A run that could not do one thing is as if it had never been."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    container.bundle.probe("exit").save()
    assert verdicts(container, CALLS) == []


@only("postern", reason="what is shared is postern's own")
def test_shared_programs_that_cannot_be_had(make: Callable[[], Container]) -> None:
    """A container gets its own where those of another one are there and cannot be taken; where they cannot be attached it is not made."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    container = make()
    container.bundle.probe("exit").save()
    answers = []
    for number in (1, 2, 3):
        shutil.rmtree(container.runtime.root / "@programs", ignore_errors=True)
        standing = make()
        standing.bundle.probe("wait")
        standing.create()
        answers.append(failing_run(container, "bpf", number))
    assert answers[:2] == [(0, ""), (0, "")]
    rc, text = answers[2]
    assert (rc, len(text.splitlines())) == (1, 1)
    assert "unable to attach the device filter to the cgroup: input/output error" in text


@pytest.mark.slow
@pytest.mark.landlock
@pytest.mark.timeout(240)
@only("postern", reason="policies are postern's")
def test_each_call_that_fails_under_a_policy(container: Container) -> None:
    """No part of a policy is left out because it did not work."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    path = container.bundle.path / "policy.yaml"
    path.write_text(POLICY)
    container.bundle.probe("exit").save()
    container.run("--policy", str(path)).ok()
    assert verdicts(container, POLICY_CALLS, "--policy", str(path)) == []
