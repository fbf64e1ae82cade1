"""Where the front's errors go: stderr and the --log file, in runc's forms."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.runtime.native.conftest import Call
from tests.runtime.native.containers import Containers

RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def test_without_a_log_a_record_goes_to_stderr(call: Call) -> None:
    """logrus's text form, message quoted."""
    assert re.fullmatch(rf'time="{RFC3339}" level=error msg="container does not exist"\n', call("state", "x").stderr)


def test_with_a_json_log_both_get_it(call: Call, tmp_path: Path) -> None:
    """stderr gets the plain line, the file one JSON object that is appended."""
    log = tmp_path / "log.json"
    log.write_text("before\n")
    result = call("--log", str(log), "--log-format=json", "state", "x")
    assert result.stderr == "container does not exist\n"
    before, record, rest = log.read_text().split("\n")
    assert (before, rest) == ("before", "")
    entry = json.loads(record)
    assert list(entry) == ["level", "msg", "time"]
    assert entry["level"] == "error"
    assert entry["msg"] == "container does not exist"
    assert re.fullmatch(RFC3339, entry["time"])


def test_stderr_gets_one_line_without_control_characters(call: Call, tmp_path: Path) -> None:
    """A name cannot forge a second record, nor move a terminal's cursor; the log keeps it, escaped."""
    root, log = tmp_path / 'a\n{"level":"error"}\x1b[2J', tmp_path / "log"
    root.write_text("no directory")
    result = call("--root", str(root), "--log", str(log), "--log-format=json", "state", "x")
    shown = str(root).replace("\n", " ").replace("\x1b", " ")
    assert result.stderr == f"open {shown}/x: not a directory\n"
    assert json.loads(log.read_text())["msg"] == f"open {root}/x: not a directory"


def test_a_text_log_gets_logrus_records(call: Call, tmp_path: Path) -> None:
    """Text is the default; file: is crun's prefix for a path."""
    log = tmp_path / "log"
    call(f"--log=file:{log}", "state", "x")
    assert re.fullmatch(rf'time="{RFC3339}" level=error msg="container does not exist"\n', log.read_text())


def test_success_writes_no_log(call: Call, tmp_path: Path) -> None:
    """podman wants exactly one line on failure and none otherwise."""
    call("--log", str(tmp_path / "log"), "delete", "--force", "x")
    assert not (tmp_path / "log").exists()


def test_a_log_that_cannot_be_written_does_not_swallow_the_error(call: Call, tmp_path: Path) -> None:
    """The error comes first, then what is wrong with the log."""
    lines = call("--log", f"{tmp_path}/none/log", "state", "x").stderr.splitlines()
    assert lines == [
        "container does not exist",
        f"unable to open the log {tmp_path}/none/log: no such file or directory",
    ]


def test_debug_says_what_was_done(call: Call, containers: Containers) -> None:
    """--debug is heard: kill says where the signal went."""
    containers.make("web", containers.process().pid)
    assert 'level=debug msg="signal 0 sent to init"' in call("--debug", "kill", "web", "0").stderr
    assert call("kill", "web", "0").stderr == ""
