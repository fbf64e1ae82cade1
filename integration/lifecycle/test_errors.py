"""What cannot be created: one clear line in the words engines match on, exit code 1, and nothing left behind."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs, only

RUNC_PREFIX = "(runc|postern) create failed: unable to start container process: (error during container init: )?"
CRUN_WORDS = "executable file `.*` not found|open executable|Permission denied|is a directory|No such file|not executable|exec|not a regular file"

CRUN_LOG = differs("crun", reason="crun's JSON log is not one object a line", strict=False)


@pytest.mark.parametrize(
    ("argv0", "pattern"),
    [
        ("/missing", r'exec: "/missing": stat /missing: no such file or directory'),
        ("missing", r'exec: "missing": executable file not found in \$PATH'),
        ("./missing", r'exec: "\./missing": stat \./missing: no such file or directory'),
        ("/etc/passwd", r'exec: "/etc/passwd": permission denied'),
        ("/etc", r'exec: "/etc": (permission denied|is a directory)'),
    ],
)
def test_program(container: Container, argv0: str, pattern: str) -> None:
    """A program that cannot be found or executed fails create: Docker and podman make 127 and 126 of these words."""
    container.bundle.args(argv0)
    container.refuses_creation(container.says(RUNC_PREFIX + pattern, CRUN_WORDS))


def test_empty_program(container: Container) -> None:
    """An empty program name is refused; podman looks for these words, too."""
    container.bundle.args("")
    container.refuses_creation(container.says('exec: "": |executable path is empty', "."))


@pytest.mark.parametrize("path", ["", "/nonexistent:/bin/nothing"])
@differs("crun", reason="crun searches a default path", strict=False)
def test_program_without_path(container: Container, path: str) -> None:
    """The search uses the container's PATH alone."""
    container.bundle.args("true").process["env"] = [f"PATH={path}"]
    container.refuses_creation(r'exec: "true": executable file not found in \$PATH')


def test_format_error_comes_after_start(container: Container) -> None:
    """A file the kernel cannot execute passes create; the container then ends with an error on its own stderr."""
    container.bundle.file("bad", "\x01\x02not a program", 0o755)
    container.bundle.args("/bad")
    container.create()
    container.start(check=False)
    assert container.exit_code() in (1, 126, 127, 255)
    assert re.search("(?i)exec format error", container.error_output())


@pytest.mark.parametrize(
    ("edit", "pattern"),
    [
        ({"args": []}, "args must not be empty"),
        ({"cwd": "tmp"}, "Cwd must be an absolute path"),
        ({"cwd": ""}, "Cwd property must not be empty|Cwd must be an absolute path"),
    ],
)
@differs("crun", reason="crun has its own words", strict=False)
def test_process(container: Container, edit: dict[str, Any], pattern: str) -> None:
    """process is checked before anything is made."""
    container.bundle.process.update(edit)
    container.refuses_creation(pattern)


def test_cwd_is_a_file(container: Container) -> None:
    """A working directory that is none fails create with its name."""
    container.bundle.process["cwd"] = "/etc/passwd"
    container.refuses_creation(
        container.says(
            r'chdir to cwd \("/etc/passwd"\) set in config.json failed|mkdir .*/etc/passwd', "/etc/passwd|chdir"
        )
    )


def test_no_bundle(container: Container, tmp_path: Path) -> None:
    """A bundle without config.json."""
    result = container.call("create", "--bundle", str(tmp_path), container.id)
    result.refused(container.says("JSON specification file config.json not found", "config.json"))


def test_missing_bundle(container: Container) -> None:
    """A bundle that is not there."""
    container.call("create", "--bundle", "/nowhere/bundle", container.id).refused("(?i)no such file or directory")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', "null", '{"ociVersion": 1}', '{"ociVersion":"1.0.2"} trailing', "\x00"]
)
@differs("crun", reason="crun overlooks what follows the document", strict=False)
@differs("runc", reason="Go's decoder stops after the first value and takes null for empty", strict=False)
def test_broken_json(container: Container, text: str) -> None:
    """A config that is not one JSON object of the right shape is refused."""
    container.bundle.save()
    (container.bundle.path / "config.json").write_text(text)
    result = container.call("create", "--bundle", str(container.bundle.path), container.id)
    assert result.rc == 1
    assert result.err.strip()
    assert "Traceback" not in result.err
    container.assert_gone()


@pytest.mark.parametrize(
    ("edit", "pattern"),
    [
        (lambda config: config.update(root={"path": "nowhere"}), "(?i)nowhere"),
        (lambda config: config.update(root=None), "(?i)root"),
        (lambda config: config["linux"]["namespaces"].append({"type": "pid"}), "malformed spec file: duplicated ns|duplicated"),
        (lambda config: config["linux"]["namespaces"].append({"type": "nonsense"}), "nonsense"),
        (lambda config: config["linux"]["namespaces"].append({"type": "time", "path": "/nowhere/ns"}), "/nowhere/ns|time"),
        (lambda config: config["mounts"].append({"destination": "/x", "source": "/nowhere/src", "type": "bind", "options": ["bind"]}), "/nowhere/src|nowhere"),
        (lambda config: config["mounts"].append({"destination": "/x", "source": "x", "type": "nonsensefs"}), "(?i)nonsensefs|no such device"),
        (lambda config: config["process"].update(rlimits=[{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]), "RLIMIT_NONSENSE"),
        (lambda config: config["linux"].update(sysctl={"kernel.shm_nonsense": "1"}), 'sysctl "kernel.shm_nonsense" is not in a separate kernel namespace'),
        (lambda config: config["linux"].update(sysctl={"vm.swappiness": "1"}), 'sysctl "vm.swappiness" is not in a separate kernel namespace'),
        (lambda config: config["linux"].update(rootfsPropagation="nonsense"), "(?i)propagation"),
        (lambda config: config["linux"].update(seccomp={"defaultAction": "SCMP_ACT_NONSENSE"}), "SCMP_ACT_NONSENSE|[Aa]ction"),
        (lambda config: config["linux"].update(devices=[{"path": "/dev/x", "type": "z", "major": 1, "minor": 1}]), "(?i)type|z|device"),
        (lambda config: config["process"].update(scheduler={"policy": "SCHED_NONSENSE"}), "(?i)sched"),
        (lambda config: config["process"].update(ioPriority={"class": "IOPRIO_CLASS_NONSENSE", "priority": 1}), "(?i)ioprio|io priority|class"),
        (lambda config: config["linux"].update(personality={"domain": "NONSENSE"}), "(?i)personality|domain|NONSENSE"),
    ],
    ids=["root missing", "no root", "namespace twice", "namespace unknown", "namespace path", "bind source", "file system type", "rlimit", "sysctl shm", "sysctl vm", "propagation", "seccomp action", "device type", "scheduler", "ioprio", "personality"],
)  # fmt: skip
@differs("crun", reason="crun ignores some values, and leaves its cgroup when it fails early", strict=False)
@differs(
    "runc<1.2",
    reason="this runc knows neither schedulers, I/O priorities, personalities nor time namespaces",
    strict=False,
)
def test_refused_config(container: Container, edit: Any, pattern: str) -> None:
    """Values that cannot be honoured fail create, name their object, and leave nothing."""
    edit(container.bundle.config)
    container.refuses_creation(pattern)


@only("postern", reason="runc and crun stop at the first violation")
def test_every_violation_in_one_line(container: Container) -> None:
    """A bad config gives one line that has every violation with its JSON pointer."""
    container.bundle.process["cwd"] = 5
    container.bundle.config["hostname"] = ["x"]
    container.bundle.config["mounts"][1]["destination"] = 7
    container.bundle.linux["namespaces"][0]["type"] = "nonsense"
    result = container.refuses_creation(".")
    line = result.err.strip().splitlines()
    assert len(line) == 1, result
    for pointer in ("/process/cwd", "/hostname", "/mounts/1/destination", "/linux/namespaces/0/type"):
        assert pointer in line[0], f"{pointer} not in {line[0]}"


def test_unknown_keys_are_ignored(container: Container) -> None:
    """Properties the specification does not know must not disturb."""
    container.bundle.config["x-unknown"] = {"a": [1]}
    container.bundle.process["x-unknown"] = 1
    container.bundle.linux["x-unknown"] = None
    assert container.facts()["pid"] == 1


@CRUN_LOG
@pytest.mark.parametrize("style", ["text", "json"])
def test_log_file(container: Container, style: str) -> None:
    """--log takes the error; the plain message is on stderr too. The shim reads the last error and its RFC3339 time."""
    log = container.bundle.path / "log"
    container.bundle.args("/missing")
    result = container.create(check=False, globals_=("--log", str(log), "--log-format", style))
    assert result.rc == 1
    assert "missing" in result.err
    text = log.read_text()
    if style == "json":
        last = [entry for entry in map(json.loads, text.splitlines()) if entry["level"] == "error"][-1]
        datetime.fromisoformat(last["time"])
        assert "missing" in last["msg"]
        if container.runtime.flavour != "crun":
            assert last["msg"] in result.err
    else:
        assert "missing" in text
    container.assert_gone()


@CRUN_LOG
def test_log_is_appended(container: Container) -> None:
    """An existing log keeps its content."""
    log = container.bundle.path / "log"
    log.write_text('{"level":"info","msg":"before","time":"2020-01-01T00:00:00Z"}\n')
    container.bundle.args("/missing")
    container.create(check=False, globals_=("--log", str(log), "--log-format", "json"))
    lines = log.read_text().splitlines()
    assert "before" in lines[0]
    assert all(json.loads(line)["time"] for line in lines)
    assert len(lines) >= 2


@CRUN_LOG
def test_one_line_for_podman(container: Container) -> None:
    """Without warnings a failed create writes exactly one JSON line: podman reads the file as one object."""
    log = container.bundle.path / "log"
    container.bundle.args("/missing")
    container.create(check=False, globals_=("--log", str(log), "--log-format", "json"))
    errors = [line for line in log.read_text().splitlines() if json.loads(line)["level"] == "error"]
    assert len(errors) == 1


def test_success_is_silent(container: Container) -> None:
    """A life without trouble writes nothing to stderr and no error to the log."""
    log = container.bundle.path / "log"
    container.bundle.probe("wait")
    created = container.create(globals_=("--log", str(log), "--log-format", "json"))
    assert (created.out, created.err) == ("", "")
    assert container.start().err == ""
    assert container.kill("KILL").ok().err == ""
    container.exit_code()
    assert container.delete().ok().err == ""
    assert "error" not in (log.read_text() if log.exists() else "")
