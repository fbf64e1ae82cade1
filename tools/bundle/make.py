"""Write the bundle: one .pyc that holds every hot module as marshalled code, and the code that imports them from there.

    python tools/bundle/make.py --output build/lib/postern.pyc --root ../.. [--site DIR ...] [--extension NAME=FILE ...]

It must be run by the interpreter (minor version) that will run the bundle.  A module is hot unless it imports, at module
level, something that takes milliseconds to load; cold modules stay files under ROOT, found through their package's
`__path__`.  Paths that are not absolute are relative to the bundle's own directory.
"""

import argparse
import ast
import importlib.util
import marshal
import os
import sys
from collections.abc import Iterator

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ("runtime", "oci_schemas")
# what no hot module may import when it is loaded; tests/budget checks the same of the running program
COLD = frozenset(
    {
        "argparse",
        "asyncio",
        "cffi",
        "collections",
        "contextlib",
        "dataclasses",
        "enum",
        "functools",
        "importlib",
        "json",
        "jsonschema",
        "logging",
        "pathlib",
        "pydantic",
        "pyroute2",
        "re",
        "setuptools",
        "shutil",
        "subprocess",
        "tempfile",
        "typing",
        "yaml",
    }
)


def sources(tree: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (module name, file, is a package) of every Python module of our packages under `tree`."""
    for package in PACKAGES:
        for directory, subdirectories, files in os.walk(os.path.join(tree, package)):
            subdirectories[:] = sorted(name for name in subdirectories if name.isidentifier() and name != "__pycache__")
            if "__init__.py" not in files:
                subdirectories[:] = []  # runtime/native and the like: no Python in there
                continue
            dotted = os.path.relpath(directory, tree).replace("/", ".")
            for file in sorted(files):
                stem, suffix = os.path.splitext(file)
                if suffix == ".py" and stem.isidentifier():
                    is_package = stem == "__init__"
                    yield dotted if is_package else f"{dotted}.{stem}", os.path.join(directory, file), is_package


def imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the dotted names which a module's own top level imports (`from a import b` gives both `a` and `a.b`)."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield base
            yield from (f"{base}.{name.name}" for name in node.names)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def without_docstrings(tree: ast.Module) -> ast.Module:
    """The same code without its docstrings: nothing reads them here, and a third of the bytes is theirs. Assertions stay."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass(lineno=1, col_offset=0)]
    return tree


def collect(tree: str) -> tuple[tuple[str, tuple[bool, bytes, tuple[str, ...]]], ...]:
    """The bundle's table: (name, (is a package, marshalled code, bundled modules needed first)) of every hot module."""
    parsed: dict[str, tuple[str, bool, str, set[str]]] = {}
    for name, path, is_package in sources(tree):
        with open(path, encoding="utf-8") as file:
            source = file.read()
        package = name if is_package else name.rpartition(".")[0]
        wanted = set(imports(ast.parse(source, path), package))
        if not any(target.partition(".")[0] in COLD for target in wanted):
            parsed[name] = (path, is_package, source, wanted)
    table = []
    for name, (path, is_package, source, wanted) in sorted(parsed.items()):
        parts = name.split(".")
        parents = [".".join(parts[:depth]) for depth in range(1, len(parts))]
        needs = {f"{target}" for target in wanted if target in parsed}
        needs |= {".".join(target.split(".")[:depth]) for target in needs for depth in range(1, target.count(".") + 1)}
        ordered = parents + sorted((needs & parsed.keys()) - set(parents) - {name})
        stripped = without_docstrings(ast.parse(source, path))
        code = compile(stripped, os.path.relpath(path, tree), "exec", dont_inherit=True, optimize=0)
        table.append((name, (is_package, marshal.dumps(code), tuple(ordered))))
    return tuple(table)


def bundle(tree: str, extensions: dict[str, str], root: str, site: list[str]) -> bytes:
    """The whole .pyc: start.py's code with the tables in place of its marked constants."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start.py")
    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), "postern/start.py", "exec", dont_inherit=True, optimize=0)
    put = {"@modules@": collect(tree), "@places@": (tuple(extensions.items()), root, tuple(site))}
    missing = put.keys() - set(code.co_consts)
    if missing:
        raise SystemExit(f"start.py no longer holds {', '.join(sorted(missing))}")
    code = code.replace(
        co_consts=tuple(put.get(value, value) if isinstance(value, str) else value for value in code.co_consts)
    )
    # PEP 552: no flags, then the time and size of a source; nobody compares them when a .pyc is run by name
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def main() -> int:
    """Write the bundle and say what is in it."""
    parser = argparse.ArgumentParser(description="write the bundle of hot modules")
    parser.add_argument("--output", required=True)
    parser.add_argument("--tree", default=CHECKOUT, help="the directory that holds the packages")
    parser.add_argument("--root", required=True, help="where cold modules are found when the bundle runs")
    parser.add_argument("--site", action="append", default=[], help="where their dependencies are found")
    parser.add_argument("--extension", action="append", default=[], metavar="NAME=FILE")
    options = parser.parse_args()
    extensions = dict(pair.split("=", 1) for pair in options.extension)
    image = bundle(options.tree, extensions, options.root, options.site)
    os.makedirs(os.path.dirname(options.output) or ".", exist_ok=True)
    temporary = f"{options.output}.new"
    with open(temporary, "wb") as file:
        file.write(image)
    os.replace(temporary, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
