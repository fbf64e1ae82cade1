"""The one edge where errors become text: one line, the right exit code, usage on stdout."""

import json
import re
from pathlib import Path

import pytest

import runtime.commands.features
from runtime.cli.main import main
from runtime.cli.options import NOT_BUILT, VERBS

LOGRUS = re.compile(r'^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg="(.*)"\n$')


def test_error_without_log_is_a_logrus_line(capfd: pytest.CaptureFixture[str]) -> None:
    """stderr alone: one record."""
    assert main(-1, ["create", "a/b"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    match = LOGRUS.match(err)
    assert match
    assert match[1] == "runc create failed: invalid container ID format"


def test_error_with_log_is_a_plain_line_and_one_record(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """podman decodes the whole file as one object: exactly one record."""
    log = tmp_path / "log.json"
    assert main(-1, ["--log", str(log), "--log-format=json", "create", ""]) == 1
    assert capfd.readouterr().err == "runc create failed: container id cannot be empty\n"
    record = json.loads(log.read_text())
    assert record["level"] == "error"
    assert record["msg"] == "runc create failed: container id cannot be empty"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["time"])


def test_log_file_prefix(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """crun's `file:` spelling names the same file."""
    log = tmp_path / "log"
    assert main(-1, [f"--log=file:{log}", "create", ""]) == 1
    assert capfd.readouterr().err.count("\n") == 1
    assert "level=error" in log.read_text()


@pytest.mark.parametrize(("verb", "code"), [("create", 1), ("run", 1), ("exec", 255)])
def test_no_process_starts_without_its_log(
    verb: str, code: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An engine would never learn why it failed; the one line is on stderr."""
    log = tmp_path / "none" / "log"
    assert main(-1, ["--log", str(log), verb, "web", "true"][: 4 + (verb == "exec")]) == code
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert f'msg="open {log}: no such file or directory"' in err


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--log", "journald:x", "list"], "--log journald:x is not supported by this version of postern"),
        (["--log-format", "xml", "list"], "invalid log-format: xml"),
        (["--log-level", "loud", "list"], "invalid log-level: loud"),
        (["--cgroup-manager", "v3", "list"], 'invalid --cgroup-manager \\"v3\\": cgroupfs, systemd or disabled'),
        (["--rootless", "perhaps", "list"], 'invalid --rootless \\"perhaps\\": true, false or auto'),
        (["checkpoint", "--help"], "checkpoint is not supported by this version of postern"),
        (["restore", "--lsm-mount-context"], "restore is not supported by this version of postern"),
    ],
)
def test_refusals(argv: list[str], text: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One line each, exit code 1, nothing on stdout."""
    assert main(-1, argv) == 1
    out, err = capfd.readouterr()
    match = LOGRUS.match(err)
    assert match
    assert match[1] == text
    assert out == ""


def test_wrong_usage_shows_usage_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    """Missing arguments: usage on stdout, exit code 1."""
    assert main(-1, ["start"]) == 1
    out, err = capfd.readouterr()
    assert "postern start [options] ID" in out
    assert 'postern: \\"start\\" requires exactly 1 argument(s)' in err


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in NOT_BUILT])
def test_help_of_each_verb(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    """--help works without an ID, with exit code 0, and shows every flag."""
    assert main(-1, [verb, "--help"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"NAME:\n   postern {verb} - ")
    assert err == ""


@pytest.mark.parametrize(
    "argv", [["seccomp", "--help"], ["help", "seccomp"], ["seccomp", "help"], ["seccomp", "stat", "--help"]]
)
def test_help_of_seccomp_lists_its_actions(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Its usage errors point there."""
    assert main(-1, argv) == 0
    assert "\n   simulate PROFILE SYSCALL" in capfd.readouterr().out


def test_program_help_lists_every_verb(capfd: pytest.CaptureFixture[str]) -> None:
    """`--help`, `help`, `-h` and no argument at all are the same text."""
    texts = []
    for argv in (["--help"], ["help"], ["-h"], []):
        assert main(-1, argv) == 0
        texts.append(capfd.readouterr().out)
    assert len(set(texts)) == 1
    assert all(f"\n   {verb} " in texts[0] for verb in VERBS)


def test_internal_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A fault of ours shows no traceback on stderr; with --debug it is in the log."""

    def broken(_invocation: object) -> int:
        raise ZeroDivisionError("of\nours")

    monkeypatch.setattr(runtime.commands.features, "execute", broken)
    log = tmp_path / "log"
    assert main(-1, ["--debug", "--log", str(log), "features"]) == 1
    assert capfd.readouterr().err == "internal error: ZeroDivisionError: of ours\n"
    assert "Traceback" in log.read_text()


def test_failed_exec_ends_with_255(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """So that it differs from the process's own exit code."""
    assert main(-1, ["--root", str(tmp_path), "exec", "none", "true"]) == 255
    assert "container does not exist" in capfd.readouterr().err
