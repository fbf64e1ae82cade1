"""The first code in the interpreter that the front starts: import from the bundle, hand over to `runtime.cli.main`.

make.py compiles this file into the bundle and puts the real tables in place of the two marked constants.  It imports
nothing from the file system; every hot module is in the table and is executed once, when something first imports it.
"""

import gc
import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

# name -> (is a package, marshalled code, the bundled modules that it imports at module level)
MODULES: dict[str, tuple[bool, bytes, tuple[str, ...]]] = dict("@modules@")  # type: ignore[arg-type]
# extension modules that need no search: name -> file; and where cold modules and their dependencies are found
EXTENSION_FILES, ROOT, SITE = "@places@"  # type: ignore[str-unpack]
EXTENSIONS: dict[str, str] = dict(EXTENSION_FILES)  # type: ignore[arg-type]

HERE = sys.argv[0].rpartition("/")[0]
Module = type(sys)


def place(path: str) -> str:
    """An absolute path: those of the bundle are relative to its own directory, so that an installation can be moved."""
    return path if path[0] == "/" else f"{HERE}/{path}"


def link(name: str) -> "ModuleType":
    """Execute one bundled module after those it needs, without the import system's locks and specs (20 us each)."""
    is_package, code, needs = MODULES[name]
    module = Module(name)
    parent, _, leaf = name.rpartition(".")
    if is_package:
        module.__path__ = [place(f"{ROOT}/{name.replace('.', '/')}")]
    module.__package__ = name if is_package else parent
    module.__file__ = place(f"{ROOT}/{name.replace('.', '/')}{'/__init__' if is_package else ''}.py")
    modules = sys.modules
    modules[name] = module
    try:
        for need in needs:
            if need not in modules:
                link(need)
        exec(loads(code), module.__dict__)  # noqa: S102, S302 - written by the build, installed with the program
    except BaseException:
        del modules[name]
        raise
    if parent:
        setattr(modules[parent], leaf, module)
    return module


class Importer:
    """Serves `import` statements that are met while code runs; module-level ones were linked before."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """A spec for what the bundle holds, None for everything else."""
        if name in MODULES:
            return ModuleSpec(name, IMPORTER, is_package=MODULES[name][0])
        if name in EXTENSIONS:
            file = place(EXTENSIONS[name])
            try:
                posix.stat(file)
            except OSError:
                return None  # the dependency lies elsewhere in this installation: let the path be searched
            return ModuleSpec(name, ExtensionFileLoader(name, file), origin=file)
        return None

    @staticmethod
    def create_module(spec: ModuleSpec) -> "ModuleType":
        """The finished module: importlib has nothing left to execute."""
        if spec.parent and spec.parent not in sys.modules:
            link(spec.parent)
        return link(spec.name)

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        """Nothing: `link` did it."""


IMPORTER: "Any" = Importer


def main() -> None:
    """Run the command line that the front passed on; returns only by ending the process."""
    gc.disable()  # this process plans one container and is replaced; what it allocates is never garbage
    sys.meta_path.insert(0, IMPORTER)
    sys.path += [place(path) for path in SITE]
    argv = sys.argv
    code = link("runtime.cli.main").main(-1 if argv[1] == "-" else int(argv[1]), argv[2:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    posix._exit(code)


main()
