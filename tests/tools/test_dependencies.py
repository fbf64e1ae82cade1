"""What is depended on is written once, pinned once, and copied whole into an installation."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import build, vendor

CHECKOUT = Path(__file__).parents[2]


def normalised(requirement: str) -> str:
    """The name in a requirement, as indexes compare names."""
    name = re.match(r"[A-Za-z0-9._-]*", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def printed(*extras: str) -> list[str]:
    """What tools/dependencies.py prints for some extras."""
    argv = [sys.executable, str(CHECKOUT / "tools/dependencies.py"), *extras]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def test_every_dependency_is_pinned() -> None:
    """A version that nobody has tried can come in only by a change of tools/pins.txt."""
    pins = {normalised(line) for line in (CHECKOUT / "tools/pins.txt").read_text().splitlines() if "==" in line}
    # pip's own tools come with the interpreter's venv module
    assert {normalised(line) for line in printed("dev", "test")} - pins <= {"setuptools", "wheel"}


def test_the_schemas_are_compiled_with_the_pydantic_that_reads_them() -> None:
    """pip builds in an environment of its own: another version there would cost every container 50 ms."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    asked = {line for line in project["build-system"]["requires"] + printed() if normalised(line) == "pydantic"}
    pinned = [line for line in (CHECKOUT / "tools/pins.txt").read_text().splitlines() if normalised(line) == "pydantic"]
    assert asked == set(pinned)


def test_the_test_extra_is_part_of_the_development_extra() -> None:
    """What runs under other interpreters runs under the developer's too."""
    assert set(printed("test")) <= set(printed("dev"))


def test_an_unknown_extra_is_an_error() -> None:
    """A misspelt extra must not install less in silence."""
    with pytest.raises(subprocess.CalledProcessError):
        printed("devel")


def test_the_closure_holds_what_is_imported_at_run_time_and_nothing_of_the_tests() -> None:
    """Dependencies of dependencies come along; the tools that judge us stay out."""
    found = vendor.closure(["pydantic>=2", "cffi"])
    assert {"pydantic", "pydantic-core", "typing-extensions", "cffi", "pycparser"} <= set(found)
    assert not {"pytest", "email-validator"} & set(found)


def test_an_installation_does_not_remember_where_it_was_built(tmp_path: Path) -> None:
    """pip builds in a directory below /tmp that anyone may make again: no path into it may be loaded from later."""
    compiled = tmp_path / "_compiled.py"
    compiled.write_text("CORE_VERSION = '1'\nEXTENSION = '/tmp/pip-build-env-x/core.so'\nSCHEMAS = {}\n")
    build.forget_build_environment(str(compiled))
    assert compiled.read_text() == "CORE_VERSION = '1'\nEXTENSION = ''\nSCHEMAS = {}\n"


def test_a_schema_module_that_records_no_path_stops_the_installation(tmp_path: Path) -> None:
    """When the generated form changes, the rule above must be looked at again."""
    compiled = tmp_path / "_compiled.py"
    compiled.write_text("SCHEMAS = {}\n")
    with pytest.raises(SystemExit, match="does not record its extension"):
        build.forget_build_environment(str(compiled))


def test_an_isolated_build_has_what_the_generators_import() -> None:
    """pip builds in an environment that holds what [build-system] requires and nothing else."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    required = project["build-system"]["requires"]
    program = (
        "import sys; before = set(sys.modules);"
        "import oci_schemas.build, runtime.policy.build, runtime.syscalls._build;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT
    ).stdout.split()
    distributions = importlib.metadata.packages_distributions()
    needed = {normalised(name) for module in loaded for name in distributions.get(module, ())}
    ours = {normalised(word) for word in project["project"]["dependencies"]}
    assert {"cffi", "pydantic", "pyyaml"} <= needed & ours <= {normalised(word) for word in required}
