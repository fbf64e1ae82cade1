"""What the hot loader imports in a fresh interpreter, and what happens when the extension is not where it was."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydantic_core._pydantic_core as core
import pytest

from oci_schemas import build
from tests.oci_schemas.documents import CONFIG

_CHECKOUT = Path(build.__file__).resolve().parents[1]
_HOT_MODULES = {
    "_datetime",
    "_operator",
    "oci_schemas",
    "oci_schemas._compiled",
    "oci_schemas.extension",
    "oci_schemas.json_text",
    "oci_schemas.patterns",
    "oci_schemas.rules",
    "oci_schemas.rules_linux",
    "oci_schemas.validate",
    "oci_schemas.wording",
    "pydantic_core._pydantic_core",
}
_PROGRAM = """
import sys
sys.path[:] = [*sys.path, {checkout!r}, *{site!r}]
before = set(sys.modules)
import oci_schemas
oci_schemas.__path__.insert(0, {compiled!r})
from oci_schemas import validate
config = validate.load_config({data!r})
state = validate.load_state(b'{{"ociVersion":"1.3.0","id":"a","status":"stopped","bundle":"/"}}')
same = validate.loads(validate.dumps(config)) == config
modules = sorted(set(sys.modules) - before)
import datetime, operator, types
whole = [module.__name__ for module in (datetime, operator)] == ["datetime", "operator"] and hasattr(types, "new_class")
print(validate.dumps([config, state["id"], same, whole, modules]).decode())
"""
_SITE = [entry for entry in sys.path if entry.endswith("-packages")]


def _run(tmp_path: Path, site: list[str], **recorded: str) -> Any:
    """What the program prints under `-I -S`, with fresh schemas that record other values where `recorded` says so."""
    lines = build.compiled_source().splitlines()
    for name, value in recorded.items():
        lines = [f"{name} = {value!r}" if line.startswith(f"{name} = ") else line for line in lines]
    return _run_with(tmp_path, site, "\n".join(lines))


def _run_with(tmp_path: Path, site: list[str], compiled: str) -> Any:
    (tmp_path / "_compiled.py").write_text(compiled, encoding="utf-8")
    data = json.dumps(CONFIG).encode()
    program = _PROGRAM.format(checkout=str(_CHECKOUT), site=site, compiled=str(tmp_path), data=data)
    command = [sys.executable, "-I", "-S", "-B", "-c", program]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.parametrize(("site", "recorded"), [([], {}), (_SITE, {"EXTENSION": ""})], ids=["recorded", "searched"])
def test_the_hot_loader_imports_no_module_of_the_standard_library(
    tmp_path: Path, site: list[str], recorded: dict[str, str]
) -> None:
    """Whether the extension is where the build saw it or on the path; and its stand-ins leave nothing behind."""
    config, identifier, same, whole, modules = _run(tmp_path, site, **recorded)
    assert (config, identifier, same, whole) == (CONFIG, "a", True, True)
    assert set(modules) <= _HOT_MODULES


def test_another_pydantic_core_gets_schemas_of_its_own(tmp_path: Path) -> None:
    """Slower, because the models are imported; the same data."""
    config, *_, modules = _run(tmp_path, _SITE, CORE_VERSION="0.0.0")
    assert config == CONFIG
    assert "pydantic" in modules


def test_an_extension_that_does_not_load_is_imported_ordinarily(tmp_path: Path) -> None:
    """A file that is no shared object is passed over."""
    broken = tmp_path / Path(core.__file__).name
    broken.write_bytes(b"no shared object")
    config, *_, modules = _run(tmp_path, _SITE, EXTENSION=str(broken))
    assert config == CONFIG
    assert "pydantic_core._pydantic_core" in modules


def test_nothing_compiled_is_no_reason_to_fail(tmp_path: Path) -> None:
    """A checkout that was never built loads documents through the models."""
    config, *_ = _run_with(tmp_path, _SITE, "raise ImportError")
    assert config == CONFIG
