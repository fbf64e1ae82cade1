"""What a linter cannot say about modules: how long they are, what they are called, and what packages do."""

import ast
import re
from pathlib import Path

PYTHON_LINES = 400
C_LINES = 400
FORBIDDEN = re.compile(r"(^|_)(utils?|helpers?|misc|common|base|manager|stuff)(_|$)")


def sources(paths: list[Path], *suffixes: str) -> list[Path]:
    """Those of `paths` with one of the suffixes."""
    return [path for path in paths if path.suffix in suffixes]


def test_no_module_outgrows_a_reader(checkout: Path, project_files: list[Path]) -> None:
    """A Python module or C file has at most 400 lines; tables that a generator writes may be longer."""
    long = {}
    for path in sources(project_files, ".py", ".c", ".h"):
        if "tables" in path.parts or path.parts[:2] == ("integration", "guest"):
            continue  # generated; a list of independent probes of a few lines each
        lines = (checkout / path).read_text().count("\n")
        if lines > (PYTHON_LINES if path.suffix == ".py" else C_LINES):
            long[str(path)] = lines
    assert not long


def test_no_module_has_a_name_that_says_nothing(project_files: list[Path]) -> None:
    """No file or folder is a util, helper, misc, common, base or manager."""
    vague = [str(path) for path in project_files for part in path.parts if FORBIDDEN.search(Path(part).stem)]
    assert not vague


def test_no_function_has_a_name_that_says_nothing(checkout: Path, project_files: list[Path]) -> None:
    """No class or function is handle_data, do_it, or named after what it is not (Impl, V2)."""
    pattern = re.compile(r"^(handle_data|do_it|do_stuff|.*Impl|.*V2|.*Manager|.*Helper)$")
    vague = []
    for path in sources(project_files, ".py"):
        nodes = ast.walk(ast.parse((checkout / path).read_text()))
        names = [node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        vague += [f"{path}: {name}" for name in names if pattern.match(name)]
    assert not vague


def test_package_files_are_empty(checkout: Path, project_files: list[Path]) -> None:
    """No `__init__` does work or re-exports: an import must cost only what it names."""
    working = []
    for path in project_files:
        if path.name == "__init__.py" and path.parts[0] in {"runtime", "oci_schemas"}:
            body = ast.parse((checkout / path).read_text()).body
            if any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body):
                working.append(str(path))
    assert not working


def test_every_test_says_what_it_shows(checkout: Path, project_files: list[Path]) -> None:
    """Each test function has a docstring."""
    silent = []
    for path in sources(project_files, ".py"):
        if path.name.startswith("test_"):
            functions = [
                node for node in ast.walk(ast.parse((checkout / path).read_text())) if isinstance(node, ast.FunctionDef)
            ]
            tests = [function for function in functions if function.name.startswith("test")]
            silent += [f"{path}: {test.name}" for test in tests if not ast.get_docstring(test)]
    assert not silent
