"""list, state, ps, pause, resume, update, events and delete on a container whose files are ours."""

import json
import os
import posix
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.cli.main import main
from runtime.commands.update import fill_in

if TYPE_CHECKING:
    from tests.runtime.commands.conftest import FakeContainer


def call(web: "FakeContainer", *argv: str) -> int:
    """The exit code of a command line under the container's root."""
    return main(-1, ["--root", str(web.root), *argv])


def test_state(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """runc's fields in runc's order; a stopped container has pid 0."""
    assert call(web, "state", "web") == 0
    document = json.loads(capfd.readouterr().out)
    assert list(document) == [
        *("ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner")
    ]
    assert document["status"] == "running"
    web.stop()
    assert call(web, "state", "web") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["status"], document["pid"]) == ("stopped", 0)


def test_list_skips_what_is_broken(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """One damaged state is a warning; the others are listed."""
    (web.root / "bad").mkdir()
    (web.root / "bad" / "state.json").write_text("{")
    assert call(web, "list", "-f", "json") == 0
    out, err = capfd.readouterr()
    assert [document["id"] for document in json.loads(out)] == ["web"]
    assert "level=warning" in err
    assert "bad" in err


def test_list_of_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A root that does not exist is empty."""
    assert main(-1, ["--root", str(tmp_path / "none"), "list", "-f", "json"]) == 0
    assert capfd.readouterr().out == "null\n"
    assert main(-1, ["--root", str(tmp_path / "none"), "list", "-f", "yaml"]) == 1


def test_ps(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """All processes of the cgroup and below it; 0 is somebody we cannot name."""
    web.put("below/cgroup.procs", "1\n")
    assert call(web, "ps", "-f", "json", "web") == 0
    assert json.loads(capfd.readouterr().out) == [os.getpid(), 1]
    web.stop()
    assert call(web, "ps", "--format=json", "web") == 0
    assert capfd.readouterr().out == "null\n"


def test_ps_as_a_table(
    web: "FakeContainer", capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's ps gets the arguments and is cut down to the container's lines."""
    program = tmp_path / "ps"
    program.write_text(f'#!/bin/sh\necho PID "$@"\necho {os.getpid()} us\necho 999999 them\n')
    program.chmod(0o755)
    monkeypatch.setitem(posix.environ, b"PATH", str(tmp_path).encode())
    assert call(web, "ps", "web", "-o", "pid") == 0
    assert capfd.readouterr().out == f"PID -o pid\n{os.getpid()} us\n"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    assert call(web, "ps", "web") == 1
    assert "exit status 3: broken" in capfd.readouterr().err


def test_pause_and_resume(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """cgroup.freeze is written, and what is not legal is refused in runc's words."""
    web.put("cgroup.freeze", "0")
    web.put("cgroup.events", "populated 1\nfrozen 1\n")
    assert call(web, "resume", "web") == 1
    assert "container not paused" in capfd.readouterr().err
    assert call(web, "pause", "web") == 0
    assert web.read("cgroup.freeze") == "1"
    assert call(web, "pause", "web") == 1
    assert "container not running" in capfd.readouterr().err
    web.put("cgroup.events", "populated 1\nfrozen 0\n")
    assert call(web, "resume", "web") == 0
    assert web.read("cgroup.freeze") == "0"


def test_pause_that_never_comes_true_is_taken_back(
    web: "FakeContainer", capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A freeze that times out leaves the container running."""
    monkeypatch.setattr("runtime.commands.freezing._TIMEOUT_S", 0.01)
    web.put("cgroup.freeze", "0")
    web.put("cgroup.events", "frozen 0\n")
    assert call(web, "pause", "web") == 1
    assert web.read("cgroup.freeze") == "0"
    assert "timed out" in capfd.readouterr().err


def test_update(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """Limits become writes; a controller that is not there is an error, and nothing else is written."""
    for name, text in (("cgroup.controllers", "cpu pids"), ("cpu.max", "max 100000"), ("pids.max", "max")):
        web.put(name, text)
    assert call(web, "update", "--pids-limit", "7", "--cpu-quota", "5000", "web") == 0
    assert web.read("pids.max") == "7"
    assert web.read("cpu.max") == "5000 100000"
    assert call(web, "update", "--memory", "1g", "web") == 1
    assert "the memory controller is not available" in capfd.readouterr().err


def test_update_from_a_file(web: "FakeContainer", capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A document that breaks the specification changes nothing and is explained."""
    web.put("cgroup.controllers", "pids")
    web.put("pids.max", "max")
    document = tmp_path / "resources.json"
    document.write_text('{"pids": {"limit": 9}, "devices": [{"allow": true, "access": "rwm"}]}')
    assert call(web, "update", "--resources", str(document), "--pids-limit", "1", "web") == 0
    assert web.read("pids.max") == "9"
    document.write_text('{"pids": {"limit": "x"}}')
    assert call(web, "update", f"-r={document}", "web") == 1
    assert "/pids/limit" in capfd.readouterr().err
    assert web.read("pids.max") == "9"


def test_update_of_a_stopped_container(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """It has nothing to limit."""
    web.stop()
    assert call(web, "update", "--pids-limit", "7", "web") == 1
    assert "container not running" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "cpu_max", "filled"),
    [
        ({"cpu": {"quota": 5}}, "max 200\n", {"cpu": {"quota": 5, "period": 200}}),
        ({"cpu": {"quota": 5}}, "", {"cpu": {"quota": 5, "period": 100000}}),
        ({"cpu": {"period": 7}}, "9 200\n", {"cpu": {"period": 7, "quota": 9}}),
        ({"cpu": {"period": 7}}, "max 200\n", {"cpu": {"period": 7}}),
        ({"memory": {"limit": -1}}, "", {"memory": {"limit": -1, "swap": -1}}),
        ({"memory": {"limit": -1, "swap": 5}}, "", {"memory": {"limit": -1, "swap": 5}}),
        ({"devices": [], "pids": None}, "", {}),
    ],
)
def test_one_limit_speaks_for_another(given: dict[str, object], cpu_max: str, filled: dict[str, object]) -> None:
    """As runc fills them in."""
    assert fill_in(given, cpu_max) == filled


def test_events(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """--stats prints one line; a stopped container has no statistics."""
    web.put("pids.current", "3")
    assert call(web, "events", "--stats", "web") == 0
    event = json.loads(capfd.readouterr().out)
    assert (event["type"], event["id"], event["data"]["pids"]["current"]) == ("stats", "web", 3)
    web.stop()
    assert call(web, "events", "--stats", "web") == 1


def test_delete_force_of_a_damaged_state(web: "FakeContainer", capfd: pytest.CaptureFixture[str]) -> None:
    """What nobody can read goes, with a warning; without --force it is an error."""
    (web.directory / "state.json").write_text("{")
    (web.directory / "notify").mkdir()
    (web.directory / "notify" / "notify.sock").touch()
    (web.directory / "link").symlink_to("/etc/passwd")
    assert call(web, "delete", "--planned", "web") == 1
    assert "state.json cannot be understood" in capfd.readouterr().err
    assert call(web, "delete", "--force", "web") == 0
    assert "level=warning" in capfd.readouterr().err
    assert not web.directory.exists()
    assert os.path.exists("/etc/passwd")


@pytest.mark.parametrize("verb", ["start", "kill", "delete"])
def test_a_state_that_the_front_refused_is_an_error(
    web: "FakeContainer", verb: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """No endless calling back and forth."""
    assert call(web, verb, "--planned", "web") == 1
    assert "state.json of web is not as create wrote it" in capfd.readouterr().err


def test_regex_selects(web: "FakeContainer", capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each selected container gets a call of its own; one that fails makes the whole fail."""
    calls = tmp_path / "calls"
    program = tmp_path / "front"
    program.write_text(f'#!/bin/sh\necho "$@" >>{calls}\nexit 3\n')
    program.chmod(0o755)
    fd = os.open(program, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        argv = ["--root", str(web.root), "kill", "--all", "--regex", "^w", "KILL"]
        assert main(fd, argv) == 1
        assert calls.read_text() == f"--root {web.root} kill --planned --all -- web KILL\n"
        assert main(fd, ["--root", str(web.root), "delete", "-r", "^nothing"]) == 0
        assert main(fd, ["--root", str(web.root), "delete", "-r", "("]) == 1
        assert "invalid regular expression" in capfd.readouterr().err
    finally:
        os.close(fd)


def test_spec(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Tab-indented, never over an existing file."""
    assert main(-1, ["spec", "--bundle", str(tmp_path)]) == 0
    text = (tmp_path / "config.json").read_text()
    assert text.startswith('{\n\t"ociVersion": "1.3.0",\n\t"process": {\n\t\t"terminal": true,')
    assert main(-1, ["spec", "--bundle", str(tmp_path)]) == 1
    assert "File config.json exists. Remove it first" in capfd.readouterr().err
    assert (tmp_path / "config.json").read_text() == text


def test_rootless_spec(tmp_path: Path) -> None:
    """A user namespace in place of a network namespace, and no device rules."""
    assert main(-1, ["spec", "--rootless", "-b", str(tmp_path), "-f", "other.json"]) == 0
    linux = json.loads((tmp_path / "other.json").read_text())["linux"]
    kinds = [space["type"] for space in linux["namespaces"]]
    assert "user" in kinds
    assert "network" not in kinds
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]


def test_features(capfd: pytest.CaptureFixture[str]) -> None:
    """CRI's two questions have answers, stderr is silent, and the document keeps to its own model."""
    from oci_schemas.features import Features

    assert main(-1, ["features"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith('{\n    "ociVersionMin": "1.0.0",\n')
    document = json.loads(out)
    assert "rro" in document["mountOptions"]
    assert "user" in document["linux"]["namespaces"]
    assert document["linux"]["mountExtensions"]["idmap"]["enabled"] in {True, False}
    Features.model_validate(document)


def test_plan_touches_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Text and JSON of the same plan, and no state root."""
    assert main(-1, ["spec", "--bundle", str(tmp_path)]) == 0
    config = json.loads((tmp_path / "config.json").read_text())
    config["process"]["terminal"] = False
    (tmp_path / "config.json").write_text(json.dumps(config))
    before = sorted(tmp_path.iterdir())
    root = str(tmp_path / "root")
    assert main(-1, ["--root", root, "plan", "--bundle", str(tmp_path)]) == 0
    assert "plan CREATE example" in capfd.readouterr().out
    assert main(-1, ["--root", root, "plan", "--json", "--bundle", str(tmp_path), "web"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["id"] == "web"
    assert document["stages"][0]["operations"][0]["op"] == "STATE_DIR"
    assert sorted(tmp_path.iterdir()) == before


def test_plan_of_what_spec_writes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The terminal of spec's example needs no console socket to be planned: it is run's."""
    assert main(-1, ["spec", "--bundle", str(tmp_path)]) == 0
    assert main(-1, ["plan", "--bundle", str(tmp_path)]) == 0
    shown = capfd.readouterr().out
    assert "plan RUN example" in shown
    assert "CONSOLE" in shown
