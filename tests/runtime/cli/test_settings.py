"""Global flags and the environment become settings."""

import posix
from pathlib import Path

import pytest

from runtime.cli.settings import default_root, report_of, settle
from runtime.commands.invocation import Invocation, Value, absolute
from runtime.errors import OciError, UsageError
from runtime.launch.report import Report

RUNTIME_DIR = b"/run/user/7"


@pytest.mark.parametrize(
    ("euid", "initial", "environment", "root"),
    [
        (0, True, {b"XDG_RUNTIME_DIR": RUNTIME_DIR}, "/run/postern"),
        (7, True, {b"XDG_RUNTIME_DIR": RUNTIME_DIR}, "/run/user/7/postern"),
        (7, True, {b"XDG_RUNTIME_DIR": b""}, "/run/postern"),
        (7, True, {}, "/run/postern"),
        (0, False, {b"XDG_RUNTIME_DIR": RUNTIME_DIR}, "/run/user/7/postern"),
        (0, False, {b"XDG_RUNTIME_DIR": RUNTIME_DIR, b"USER": b"me"}, "/run/user/7/postern"),
        (0, False, {b"XDG_RUNTIME_DIR": RUNTIME_DIR, b"USER": b"root"}, "/run/postern"),
    ],
)
def test_default_root(
    monkeypatch: pytest.MonkeyPatch, euid: int, initial: bool, environment: dict[bytes, bytes], root: str
) -> None:
    """Who we are decides; an empty variable is an unset one."""
    monkeypatch.setattr(posix, "geteuid", lambda: euid)
    monkeypatch.setattr("runtime.host.probe.probe_initial_userns", lambda: initial)
    assert default_root(environment) == root


@pytest.mark.parametrize(
    ("values", "rootless", "manager"),
    [
        ({}, None, "cgroupfs"),
        ({"rootless": "auto", "systemd-cgroup": True}, None, "systemd"),
        ({"rootless": "true", "cgroup-manager": "disabled", "systemd-cgroup": True}, True, "disabled"),
        ({"rootless": "false", "systemd-cgroup": False}, False, "cgroupfs"),
    ],
)
def test_settings(values: dict[str, Value], rootless: bool | None, manager: str) -> None:
    """--cgroup-manager says more than --systemd-cgroup."""
    invocation = Invocation("list", {}, [])
    settle(invocation, values, Report())
    assert (invocation.rootless, invocation.cgroup_manager) == (rootless, manager)


def test_the_policy_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb's own flag takes the place of the global one; files are absolute before anything changes the directory."""
    monkeypatch.chdir("/usr")
    monkeypatch.setattr(posix, "stat", lambda _path: None)
    for flags, values, policy, directory in (
        ({}, {}, None, ""),
        ({}, {"policy": "agent", "policy-dir": "site/"}, "agent", "/usr/site"),
        ({"policy": "none"}, {"policy": "agent"}, "none", ""),
        ({"policy": "p.yaml"}, {"policy-dir": "/s"}, "/usr/p.yaml", "/s"),
        ({}, {"policy": "./p"}, "/usr/./p", ""),
    ):
        invocation = Invocation("create", dict(flags), [])
        settle(invocation, dict(values), Report())
        assert (invocation.policy, invocation.policy_dir) == (policy, directory)


@pytest.mark.parametrize(("flags", "values"), [({"policy": ""}, {"policy": "agent"}), ({}, {"policy": ""})])
def test_an_empty_policy_is_refused(flags: dict[str, Value], values: dict[str, Value]) -> None:
    """An unset variable in a script must not start a container without a policy."""
    with pytest.raises(UsageError, match="none says on purpose"):
        settle(Invocation("create", flags, []), values, Report())


@pytest.mark.parametrize("verb", ["create", "run", "exec", "plan", "policy"])
@pytest.mark.parametrize("directory", ["", "missing", "/missing/", "file"])
def test_a_site_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, directory: str) -> None:
    """A misspelt one would have no floor: whoever names a site gets that one or an error."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r'invalid --policy-dir ".*": (must name|no such|not a dir)'):
        settle(Invocation(verb, {}, []), {"policy-dir": directory}, Report())


def test_a_site_that_is_gone_keeps_nobody_from_ending_a_container() -> None:
    """Nor is the usual one missed where it is named."""
    for verb, directory in (
        ("delete", "/missing"),
        ("kill", "/missing"),
        ("broker", "/missing"),
        ("create", "/etc/postern"),
    ):
        invocation = Invocation(verb, {}, [])
        settle(invocation, {"policy-dir": directory}, Report())
        assert invocation.policy_dir == directory


def test_root_and_log_start_where_the_caller_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are absolute before anything changes the directory."""
    monkeypatch.chdir("/usr")
    invocation = Invocation("list", {}, [])
    settle(invocation, {"root": "state"}, Report())
    assert invocation.root == "/usr/state"
    assert report_of({"log": "file:log"}).path == "/usr/log"
    assert absolute("/x") == "/x"
    assert absolute("x", "/y") == "/y/x"


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ({}, "warning"),
        ({"debug": True}, "debug"),
        ({"debug": True, "log-level": "error"}, "debug"),
        ({"log-level": "WARN"}, "warning"),
        ({"log-level": "trace"}, "debug"),
    ],
)
def test_levels(values: dict[str, Value], level: str) -> None:
    """logrus's and crun's names; --debug wins."""
    assert report_of(values).level == level


def test_criu_is_answered(capfd: pytest.CaptureFixture[str]) -> None:
    """An old caller's flag is not ignored silently."""
    settle(Invocation("list", {}, []), {"criu": "/x"}, Report())
    assert "--criu ignored" in capfd.readouterr().err


@pytest.mark.parametrize("container_id", ["", ".", "..", "a/b", "a b", "ä", "a\\n", "x" * 1024])
def test_ids_that_must_never_reach_a_path(container_id: str) -> None:
    """Checked where the invocation hands the ID out."""
    with pytest.raises(OciError, match=r"container id cannot be empty|invalid container ID format"):
        Invocation("state", {}, [container_id]).container_id()
