"""The bundle imports what it holds from memory, leaves cold modules on disk, and hands the command line over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bundle import make

MAIN = '''
import runtime.early
from runtime.part import inner


def main(exe_fd, argv):
    """What the tests look at."""
    print(exe_fd, argv, runtime.early.ORDER)
    if "lazy" in argv:
        from runtime.part.lazy import VALUE
        print("lazy", VALUE)
    if "cold" in argv:
        from runtime.part import cold
        print("cold", cold.__file__.rpartition("/")[2], cold.NUMBER)
    return inner.CODE
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tiny checkout: a main module, modules it needs, one that it may need, and one that is cold."""
    files = {
        "runtime/__init__.py": "",
        "runtime/early.py": "ORDER = ['early']",
        "runtime/cli/__init__.py": "",
        "runtime/cli/main.py": MAIN,
        "runtime/part/__init__.py": "",
        "runtime/part/inner.py": "from runtime import early\nearly.ORDER.append('inner')\nCODE = 7",
        "runtime/part/lazy.py": "VALUE = 'loaded'",
        "runtime/part/cold.py": "import json\nNUMBER = json.loads('41') + 1",
        "oci_schemas/__init__.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "tree"


def run(bundle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle as the front does."""
    argv = [sys.executable, "-I", "-S", "-B", str(bundle), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={})


def write(tree: Path) -> Path:
    """Write the bundle of `tree` beside it."""
    bundle = tree.parent / "postern.pyc"
    bundle.write_bytes(make.bundle(str(tree), {}, "tree", []))
    return bundle


def test_runs_main_with_the_descriptor_and_the_arguments(tree: Path) -> None:
    """Modules are executed in the order of their needs, and the exit code is main's."""
    done = run(write(tree), "5", "create", "x")
    assert done.stderr == ""
    assert done.stdout == "5 ['create', 'x'] ['early', 'inner']\n"
    assert done.returncode == 7


def test_a_missing_descriptor_is_minus_one(tree: Path) -> None:
    """The front writes `-` when the command needs no executor."""
    assert run(write(tree), "-").stdout.startswith("-1 []")


def test_hot_modules_need_no_file(tree: Path) -> None:
    """With the sources gone, everything but the cold module still works."""
    bundle = write(tree)
    os.rename(tree, tree.parent / "moved")
    assert run(bundle, "3", "lazy").stdout.endswith("lazy loaded\n")
    assert "cannot import name 'cold'" in run(bundle, "3", "cold").stderr


def test_cold_modules_are_found_in_their_package(tree: Path) -> None:
    """A module that imports something slow stays a file, and is imported from there on demand."""
    table = dict(make.collect(str(tree)))
    assert "runtime.part.cold" not in table
    assert "runtime.part.lazy" in table
    assert run(write(tree), "3", "cold").stdout.endswith("cold cold.py 42\n")


def test_imports_for_types_alone_do_not_make_a_module_cold(tree: Path) -> None:
    """What stands under TYPE_CHECKING never runs."""
    typed = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any\nVALUE = 'loaded'"
    (tree / "runtime/part/lazy.py").write_text(typed)
    assert "runtime.part.lazy" in dict(make.collect(str(tree)))


def test_the_same_sources_give_the_same_bytes(tree: Path) -> None:
    """A bundle is reproducible: nothing of the clock or of a directory order is in it."""
    assert make.bundle(str(tree), {}, "tree", []) == make.bundle(str(tree), {}, "tree", [])


def test_the_hot_path_is_in_the_bundle_of_this_project() -> None:
    """The planner's own packages are hot; a slow import at the top of one of them would silently make it cold."""
    table = dict(make.collect(make.CHECKOUT))
    assert "runtime.record" in table
    cold = [name for name, _, _ in make.sources(make.CHECKOUT) if name not in table]
    never_cold = ("runtime.plan.", "runtime.state.", "runtime.launch.", "runtime.cli.", "runtime.seccomp.")
    assert [name for name in cold if name.startswith(never_cold) and not name.endswith(".generate")] == []
