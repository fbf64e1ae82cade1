"""The executor's parent half on plans that fail before anything is cloned: what it says, and what it removes."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from runtime.plan.encode import encode_plan
from runtime.plan.launch_plan import LaunchPlan, Op, op
from runtime.plan.layout import FLAGS
from tests.runtime.native.plans import saved_hooks

PREFIX = "runc create failed: unable to start container process: "


class Executor:
    """Runs plans whose state root is a directory of the test."""

    def __init__(self, program: str, root: Path) -> None:
        """Nothing happens yet."""
        self.program, self.root = program, root
        self.state = root / "web"

    def plan(self, host: list[Op], mode: str = "CREATE", log: Path | None = None) -> LaunchPlan:
        """A plan that begins with the state directory."""
        make = op("STATE_DIR", "unable to make the state directory", dir=0, root=str(self.root), id="web")
        flags = FLAGS["LOG_JSON"] if log else 0
        texts = ("web", str(self.root), PREFIX, str(log) if log else None, None, None, '{"status":"', "}")
        return LaunchPlan(mode, flags, 0, {"HOST": [make, *host]}, *texts)

    def run(self, image: bytes, sealed: bool = True) -> tuple[int, str]:
        """Give it an image in a memfd; its exit code and what it said."""
        fd = os.memfd_create("plan", os.MFD_ALLOW_SEALING)
        try:
            os.write(fd, image)
            if sealed:
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0xF)
            words = ["postern:init", str(fd)]
            result = subprocess.run(
                words, executable=self.program, check=False, capture_output=True, text=True, pass_fds=[fd], timeout=60
            )
        finally:
            os.close(fd)
        assert result.stdout == ""
        return result.returncode, result.stderr


@pytest.fixture
def executor(program: list[str], tmp_path: Path) -> Executor:
    """The executor; an emulator hides argv[0], by which the program knows what to be."""
    if len(program) > 1:
        pytest.skip("an emulator is in between")
    return Executor(program[0], tmp_path / "run/root")


def message(stderr: str) -> str:
    """The msg of the one logrus line."""
    assert stderr.count("\n") == 1
    quoted: str = json.loads(stderr.partition(" msg=")[2])
    return quoted


@pytest.mark.parametrize("sealed", [True, False])
def test_what_is_no_plan_is_refused(executor: Executor, sealed: bool) -> None:
    """Whether it could still change (and is copied) or not (and is mapped)."""
    rc, text = executor.run(b"x" * 1000, sealed)
    assert (rc, message(text)) == (1, "launch plan refused: not a launch plan")


def test_a_missing_descriptor_is_refused(executor: Executor) -> None:
    """Nobody calls it by hand and gets anything else than a sentence."""
    for words in (["postern:init"], ["postern:init", "x"], ["postern:init", "3", "4"]):
        result = subprocess.run(
            words, executable=executor.program, check=False, capture_output=True, text=True, timeout=60
        )
        assert (result.returncode, message(result.stderr)) == (1, "launch plan refused: no descriptor given")


def test_saved_hooks_are_not_executed(executor: Executor) -> None:
    """hooks.plan belongs to start and delete."""
    rc, text = executor.run(encode_plan(saved_hooks()))
    assert (rc, message(text)) == (1, "launch plan refused: saved hooks are not run on their own")


def test_a_failed_operation_is_named_and_undone(executor: Executor) -> None:
    """Prefix, phrase, reason; the state directory with its files is removed, the root stays."""
    host = [
        op("SAVE_STATE", "state", "CREATING", dir=0, head='{\n"phase": "', tail="\n}\n"),
        op("SAVE_FILE", "config", dir=0, mode=0o600, name="config.json", blob=b"{}"),
        op("FIFO", "fifo", dir=0, fifo=4, uid=os.getuid(), gid=os.getgid()),
        op("OPEN_PATH", 'error mounting "/none"', fd=20, path=str(executor.root / "none")),
    ]
    rc, text = executor.run(encode_plan(executor.plan(host)))
    assert (rc, message(text)) == (1, f'{PREFIX}error mounting "/none": no such file or directory')
    assert os.listdir(executor.root) == []
    assert stat.S_IMODE(executor.root.stat().st_mode) == 0o700


@pytest.mark.parametrize(("mode", "rc"), [("CREATE", 1), ("RUN", 1), ("EXEC", 255)])
def test_exit_codes(executor: Executor, mode: str, rc: int) -> None:
    """runc's: 1, and 255 for exec."""
    host = [op("OPEN_PATH", "x", fd=20, path=str(executor.root / "none"))]
    assert executor.run(encode_plan(executor.plan(host, mode)))[0] == rc


def test_an_existing_container_is_left_alone(executor: Executor) -> None:
    """runc's words without the second half of the prefix; nothing of the other container is touched."""
    executor.state.mkdir(parents=True)
    (executor.state / "state.json").write_text("of somebody else")
    rc, text = executor.run(encode_plan(executor.plan([])))
    assert (rc, message(text)) == (1, "runc create failed: container with given ID already exists")
    assert (executor.state / "state.json").read_text() == "of somebody else"


def test_an_id_that_is_a_path_is_refused(executor: Executor) -> None:
    """Checked again here, before a directory is made of it."""
    plan = executor.plan([])
    bad = op("STATE_DIR", "unable to make the state directory", dir=0, root=str(executor.root), id="../x")
    plan.stages["HOST"] = [bad]
    rc, text = executor.run(encode_plan(plan))
    assert (rc, message(text)) == (1, f"{PREFIX}unable to make the state directory: invalid argument")
    assert not executor.root.exists()


def test_an_optional_operation_may_miss_its_target(executor: Executor) -> None:
    """OPTIONAL: the next operation's failure is the one that is reported."""
    missing = str(executor.root / "none")
    host = [op("OPEN_PATH", "first", "OPTIONAL", fd=20, path=missing), op("OPEN_PATH", "second", fd=21, path=missing)]
    assert message(executor.run(encode_plan(executor.plan(host)))[1]) == f"{PREFIX}second: no such file or directory"


def test_a_namespace_of_another_type_is_refused(executor: Executor) -> None:
    """The file is opened, asked what it is, and only then used."""
    what = 'unable to join the network namespace "/proc/self/ns/uts"'
    host = [op("OPEN_NS", what, ns=20, type=0x40000000, path="/proc/self/ns/uts")]
    assert message(executor.run(encode_plan(executor.plan(host)))[1]) == f"{PREFIX}{what}: not a namespace of this type"


def test_a_false_device_is_refused(executor: Executor, tmp_path: Path) -> None:
    """CVE-2025-31133: what should be /dev/null is looked at by descriptor, symlinks are not followed."""
    (tmp_path / "link").symlink_to("/dev/null")
    for path in ("/dev/zero", str(tmp_path / "link")):
        host = [op("OPEN_DEVICE", "null", tree=9, mode=stat.S_IFCHR, rdev=os.makedev(1, 3), path=path)]
        text = message(executor.run(encode_plan(executor.plan(host)))[1])
        assert text == f"{PREFIX}null: not the device that it should be"


def test_the_log_gets_one_json_record(executor: Executor, tmp_path: Path) -> None:
    """As engines read it: one object in the file, the plain line on stderr."""
    log = tmp_path / "log.json"
    host = [op("OPEN_PATH", "x", fd=20, path=str(executor.root / "none"))]
    _rc, text = executor.run(encode_plan(executor.plan(host, log=log)))
    assert text == f"{PREFIX}x: no such file or directory\n"
    record = json.loads(log.read_text())
    assert (record["level"], record["msg"]) == ("error", text.rstrip("\n"))


def test_a_pidfd_of_another_process_is_refused(executor: Executor) -> None:
    """exec: the number alone is not enough, the start time must be that of the container's init."""
    host = [op("PIDFD_OPEN", "unable to reach the container's init", pidfd=7, pid=os.getpid(), start_time=1)]
    rc, text = executor.run(encode_plan(executor.plan(host, "EXEC")))
    assert (rc, message(text)) == (255, f"{PREFIX}unable to reach the container's init: no such process")
