"""One door to the kernel: nothing but runtime.syscalls imports the extension module."""

import ast
from pathlib import Path


def imported(tree: ast.Module) -> set[str]:
    """Every dotted name that a module imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{name.name}" for name in node.names} | {node.module or ""}
    return names


def test_only_runtime_syscalls_imports_the_extension_module(checkout: Path, project_files: list[Path]) -> None:
    """import-linter sees no compiled module, so this looks at the imports themselves."""
    outside = []
    for path in project_files:
        if (
            path.suffix == ".py"
            and path.parts[0] in {"runtime", "oci_schemas"}
            and path.parts[:2] != ("runtime", "syscalls")
        ):
            names = imported(ast.parse((checkout / path).read_text()))
            outside += [f"{path}: {name}" for name in names if name.startswith("runtime.syscalls._native")]
    assert not outside
