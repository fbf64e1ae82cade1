"""What the front hands over to Python, and how."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.native.containers import Containers

SHOW = """#!/bin/sh
echo "$1 $2 $3 $4"
readlink "/proc/self/fd/$5"
shift 5
echo "$@"
"""


@pytest.fixture
def installed(program: list[str], tmp_path: Path) -> list[str]:
    """A copy of the program with a launch file beside it, whose Python shows what it was called with."""
    directory = tmp_path / "bin"
    directory.mkdir()
    shutil.copy(program[-1], directory / "postern")
    (directory / "show").write_text(SHOW)
    (directory / "show").chmod(0o755)
    (directory / "postern.launch").write_text("python=show\nentry=lib/postern.pyc\n")
    return [*program[:-1], str(directory / "postern")]


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """One call with an empty environment."""
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={}, timeout=60)


def entry_line(installed: list[str]) -> str:
    """The first line that SHOW prints."""
    return f"-I -S -B {os.path.dirname(installed[-1])}/lib/postern.pyc"


@pytest.mark.parametrize("verb", ["start", "kill", "delete"])
def test_what_needs_python_is_handed_over(verb: str, installed: list[str], containers: Containers) -> None:
    """PYTHON -I -S -B ENTRY EXE_FD and the arguments as they were; the descriptor is the program."""
    containers.make("web", containers.process().pid, needsPython=True)
    words = ["--root", str(containers.root), verb, "web"]
    assert run([*installed, *words]).stdout.splitlines() == [entry_line(installed), installed[-1], " ".join(words)]


@pytest.mark.parametrize("verb", ["start", "kill", "delete"])
def test_python_can_call_back(verb: str, installed: list[str], containers: Containers) -> None:
    """--planned: Python has done its part."""
    containers.make("web", containers.process().pid, needsPython=True)
    result = run([*installed, "--root", str(containers.root), verb, "--planned", "web"])
    assert result.stdout == ""
    assert (result.returncode, verb) in {(1, "start"), (0, "kill"), (1, "delete")}


def test_delete_under_systemd_is_handed_over(installed: list[str], containers: Containers) -> None:
    """Its scope is removed over D-Bus; kill and start need only the cgroup."""
    containers.make("web", containers.process().pid, cgroupManager="systemd")
    words = ["--root", str(containers.root), "delete", "web"]
    assert run([*installed, *words]).stdout.startswith(entry_line(installed))
    assert run([*installed, "--root", str(containers.root), "kill", "web", "0"]).stdout == ""


@pytest.mark.parametrize(
    "text",
    [
        '{"posternState": 1}',
        "{\n}\n",
        "",
    ],
)
def test_a_state_in_another_form_is_handed_over(text: str, installed: list[str], containers: Containers) -> None:
    """Only the canonical form is read in C."""
    (containers.root / "web").mkdir()
    (containers.root / "web/state.json").write_text(text)
    for verb in ("start", "state", "kill", "delete"):
        result = run([*installed, "--root", str(containers.root), verb, "web"])
        assert result.stdout.startswith(entry_line(installed))
    assert (containers.root / "web/state.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["state"],
        ["state", "a", "b"],
        ["state", "--help", "a"],
        ["state", "--nope", "a"],
        ["kill", "a", "b", "c"],
        ["kill", "--regex", "a"],
        ["delete", "--force=maybe", "a"],
        ["--log-format", "xml", "state", "a"],
        ["--log", "journald:a", "state", "a"],
        ["--rootless=perhaps", "state", "a"],
        ["--cgroup-manager=mine", "state", "a"],
        ["--nope", "state", "a"],
        ["--root"],
        ["--root", "", "state", "a"],
        ["list"],
        ["--version"],
        [],
    ],
)
def test_what_it_does_not_understand_is_pythons_to_explain(words: list[str], installed: list[str]) -> None:
    """Nothing is done in C that was not understood to the last word."""
    lines = run([*installed, *words]).stdout.splitlines()
    assert lines[0] == entry_line(installed)
    assert lines[2] == " ".join(words)


@pytest.mark.parametrize("verb", ["create", "run", "exec"])
def test_the_executor_is_a_sealed_copy(verb: str, installed: list[str]) -> None:
    """For verbs that put a process into a container, whatever the global flags are."""
    for words in ([verb, "web"], ["--log-level=error", verb, "web"], ["--criu=/x", verb, "web"]):
        assert run([*installed, *words]).stdout.splitlines()[1].startswith("/memfd:postern")


def test_the_copy_is_the_program_and_cannot_be_changed(installed: list[str]) -> None:
    """Byte for byte, with every seal, executable."""
    directory = Path(installed[-1]).parent
    (directory / "show").write_text(f"""#!/bin/sh
cmp "/proc/self/fd/$5" {installed[-1]} && echo same
sh -c "echo x >/proc/self/fd/$5" 2>/dev/null || echo sealed
[ "$5" -ge 60 ] && echo high
exec "/proc/self/fd/$5" --version
""")
    assert run([*installed, "create", "web"]).stdout.splitlines()[:3] == ["same", "sealed", "high"]


def test_a_program_in_bin_finds_its_files_in_lib(program: list[str], tmp_path: Path) -> None:
    """make install and pip install lay them out so."""
    for place in ("lib/postern", "lib/python3.12/site-packages/postern", "lib/python3.13/dist-packages/postern"):
        prefix = tmp_path / place.replace("/", "-")
        (prefix / "bin").mkdir(parents=True)
        (prefix / place).mkdir(parents=True)
        shutil.copy(program[-1], prefix / "bin/postern")
        (prefix / place / "launch").write_text("entry=postern.pyc\npython=/bin/echo\n")
        result = run([*program[:-1], f"{prefix}/bin/postern", "list"])
        assert f"/{place}/postern.pyc" in result.stdout


def test_an_incomplete_installation_is_one_clear_line(program: list[str], tmp_path: Path) -> None:
    """No launch file, an empty one, an interpreter that is not there."""
    (tmp_path / "bin").mkdir()
    argv = [*program[:-1], str(tmp_path / "bin/postern"), "list"]
    shutil.copy(program[-1], tmp_path / "bin/postern")
    launch = tmp_path / "bin/postern.launch"
    expected = {
        None: "the launch file beside the postern program cannot be read: no such file or directory",
        "": "the launch file names no python or no entry: is the installation complete?",
        "python=/none/python\nentry=x\n": "/none/python: no such file or directory",
    }
    for content, text in expected.items():
        if content is not None:
            launch.write_text(content)
        result = run(argv)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert f'msg="{text}"' in result.stderr
    assert run([*argv[:-1], "exec", "web", "x"]).returncode == 255


def test_a_bare_program_knows_its_version(program: list[str], tmp_path: Path) -> None:
    """The one question that can be answered without the Python half; the number is the project's."""
    from runtime.host.version import SPEC_VERSION, VERSION

    shutil.copy(program[-1], tmp_path / "postern")
    result = run([*program[:-1], str(tmp_path / "postern"), "--version"])
    assert result.stdout == f"postern version {VERSION}\nspec: {SPEC_VERSION}\n"
