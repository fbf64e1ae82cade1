"""The Python half of a build: the extension module, the bundle, and the file that tells the front where both are.

    python tools/build.py BUILD                      into the checkout's BUILD directory (make build)
    python tools/build.py BUILD --installed TARGET   a copy of everything for an installation (make install, pip install)

Run by the interpreter that will run postern: compiled code and the extension's ABI are those of this minor version.
"""

import argparse
import compileall
import importlib
import importlib.util
import os
import shutil
import site
import subprocess
import sys
import sysconfig

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, CHECKOUT)

from tools import freeze  # noqa: E402
from tools.bundle import make  # noqa: E402

NATIVE = "runtime.syscalls._native"
BACKEND = "_cffi_backend"
# what the planner imports beside our own modules: with nothing but its core initialised, no interpreter loads them from files
BUILT_IN = frozenset({"_datetime", "_operator", "_struct", "fcntl", "itertools", "posix", "time"})


def interpreter() -> str:
    """The interpreter without the virtual environment's symlinks, which cost it a search at every start."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def extension_file(name: str) -> str:
    """`a.b` -> `a/b.cpython-311-x86_64-linux-gnu.so`."""
    return f"{name.replace('.', '/')}{sysconfig.get_config_var('EXT_SUFFIX')}"


def build_native(build: str) -> str | None:
    """Compile the cffi module into BUILD/lib and beside its package's sources; returns its path, None if none is described."""
    if not os.path.exists(os.path.join(CHECKOUT, "runtime/syscalls/_build.py")):
        return None
    _build = importlib.import_module("runtime.syscalls._build")

    # setuptools resolves the sources that the description names, which are relative to the checkout
    os.chdir(CHECKOUT)
    scratch = os.path.join(build, "cffi", sysconfig.get_config_var("SOABI"))
    os.makedirs(scratch, exist_ok=True)
    made = _build.ffibuilder.compile(tmpdir=scratch, verbose=False)
    for base in (os.path.join(build, "lib"), CHECKOUT):
        target = os.path.join(base, extension_file(NATIVE))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        replace(made, target)
    return os.path.join(build, "lib", extension_file(NATIVE))


def static_library(flag: str) -> str:
    """`-lz` -> the path of libz.a, if there is one: a library less to load saves 0.1 ms a start. The C library's stay."""
    if flag in {"-lm", "-ldl", "-lpthread", "-lutil", "-lrt"}:
        return flag
    named = ["gcc", f"-print-file-name=lib{flag[2:]}.a"]
    path = subprocess.run(named, check=True, capture_output=True, text=True).stdout.strip()
    return path if os.path.isabs(path) else flag


def static_python() -> list[str] | None:
    """What links the interpreter into a program; None where no static library of it has all modules that the planner needs."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    library = os.path.join(sysconfig.get_config_var("LIBPL") or "", f"libpython{version}.a")
    if not os.path.exists(library) or not BUILT_IN.issubset(sys.builtin_module_names):
        return None
    words = [sysconfig.get_config_var(name) or "" for name in ("LIBS", "MODLIBS", "SYSLIBS")]
    flags = dict.fromkeys(word for word in " ".join(words).split() if word.startswith("-l"))
    # extension modules (pydantic-core's) find the interpreter's functions in the program
    return [
        library,
        *map(static_library, flags),
        "-Wl,--export-dynamic",
        "-Wl,-O1",
        "-Wl,-Bsymbolic-functions",
        "-Wl,--gc-sections",
        "-Wl,--wrap=_Py_Deepfreeze_Init",
        "-no-pie",
    ]


def build_planner(tree: str, output: str, scratch: str, sites: list[str]) -> bool:
    """Link the planner's own interpreter with every hot module of `tree`; False where the host has nothing to link with."""
    linked = static_python()
    if linked is None:
        return False
    os.makedirs(scratch, exist_ok=True)
    write(os.path.join(scratch, "frozen.h"), freeze.frozen_header(tree, sites))
    source = os.path.join(CHECKOUT, "runtime/native/embed/planner.c")
    warnings = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]
    includes = [f"-I{scratch}", f"-isystem{sysconfig.get_path('include')}"]
    made = f"{output}.{os.getpid()}"
    os.makedirs(os.path.dirname(output), exist_ok=True)
    command = ["gcc", "-std=gnu11", "-O2", "-fno-pie", *warnings, *includes, "-o", made, source, *linked, "-s"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        # newer interpreters are installed without objects that their own static library refers to
        log = os.path.join(scratch, "link.log")
        write(log, done.stderr)
        print(
            f"build: {interpreter()} cannot be linked into the planner ({log}): it is started as a program, 2 ms slower"
        )
        return False
    os.replace(made, output)
    return True


def replace(source: str, target: str) -> None:
    """Copy a file in one step: somebody may be running or mapping the old one."""
    temporary = f"{target}.{os.getpid()}"
    shutil.copy(source, temporary)
    os.replace(temporary, target)


def write(target: str, text: str) -> None:
    """Write a small text file in one step."""
    temporary = f"{target}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, target)


def launch(directory: str, *, planner: bool) -> str:
    """The text that tells the front what to start; paths are relative to the file that holds it."""
    lines = [f"python={interpreter()}", f"entry={directory}postern.pyc"]
    if planner:
        lines.append(f"planner={directory}planner")
    return "".join(f"{line}\n" for line in lines)


def write_bundle(tree: str, output: str, places: tuple[dict[str, str], str, list[str]]) -> None:
    """Write the bundle of the packages under `tree`; `places` (extensions, root, sites) may be relative to its directory."""
    os.makedirs(os.path.dirname(output), exist_ok=True)
    temporary = f"{output}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(make.bundle(tree, *places))
    os.replace(temporary, output)


def base_sites() -> list[str]:
    """Where the interpreter itself, without this environment, has its packages."""
    paths = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    schemes = [
        scheme for scheme in ("posix_local", "deb_system", "posix_prefix") if scheme in sysconfig.get_scheme_names()
    ]
    found = [sysconfig.get_path("purelib", scheme, {**paths, "installed_base": sys.base_prefix}) for scheme in schemes]
    return list(dict.fromkeys(path for path in found if path))


def build_in_checkout(build: str) -> None:
    """Leave BUILD/lib and BUILD/postern.launch so that BUILD/postern runs the checkout's own modules."""
    native = build_native(build)
    library = os.path.join(build, "lib")
    extensions = {}
    if native:
        extensions[NATIVE] = os.path.relpath(native, library)
    backend = importlib.util.find_spec(BACKEND)
    if backend and backend.origin:
        extensions[BACKEND] = backend.origin
    sites = [path for path in site.getsitepackages() if os.path.isdir(path)]
    places = (extensions, os.path.relpath(CHECKOUT, library), sites)
    write_bundle(CHECKOUT, os.path.join(library, "postern.pyc"), places)
    planner = build_planner(CHECKOUT, os.path.join(library, "planner"), os.path.join(build, "embed"), sites)
    write(os.path.join(build, "postern.launch"), launch("lib/", planner=planner))
    # the interpreter is started with -B: what is not compiled now is compiled again at every cold start
    for package in make.PACKAGES:
        compileall.compile_dir(os.path.join(CHECKOUT, package), quiet=2)


def forget_build_environment(compiled: str) -> None:
    """Empty the recorded path of pydantic-core: nothing installed may load code from where it once was built."""
    with open(compiled, encoding="utf-8") as file:
        lines = file.read().split("\n")
    kept = ["EXTENSION = ''" if line.startswith("EXTENSION = ") else line for line in lines]
    if kept.count("EXTENSION = ''") != 1:
        raise SystemExit(f"{compiled} does not record its extension in one line")
    write(compiled, "\n".join(kept))


def note_commit(library: str) -> None:
    """Let `--version` know the commit where no checkout is around any more; without one it stays unknown."""
    from runtime.host.version import checkout_commit

    commit = checkout_commit(os.path.join(CHECKOUT, ".git"))
    if commit:
        write(os.path.join(library, "runtime/_commit.py"), f'COMMIT = "{commit}"\n')


def build_installed(build: str, target: str, sites: list[str]) -> None:
    """Lay out TARGET: launch, postern.pyc and lib/ with the packages; `sites` are relative to TARGET or absolute."""
    native = build_native(build)
    library = os.path.join(target, "lib")
    for name, path, _ in make.sources(CHECKOUT):
        if name.rpartition(".")[2] == "_build":
            continue
        copy = os.path.join(library, os.path.relpath(path, CHECKOUT))
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        replace(path, copy)
    forget_build_environment(os.path.join(library, "oci_schemas/_compiled.py"))
    note_commit(library)
    for package in make.PACKAGES:
        # code objects name files as they will lie, not as they lie under DESTDIR
        compileall.compile_dir(os.path.join(library, package), quiet=2, stripdir=target)
    extensions = {BACKEND: f"{sites[0]}/{extension_file(BACKEND)}"}
    if native:
        copy = os.path.join(library, extension_file(NATIVE))
        replace(native, copy)
        extensions[NATIVE] = f"lib/{extension_file(NATIVE)}"
    write_bundle(library, os.path.join(target, "postern.pyc"), (extensions, "lib", sites))
    planner = build_planner(library, os.path.join(target, "planner"), os.path.join(build, "embed-installed"), sites)
    write(os.path.join(target, "launch"), launch("", planner=planner))


def main() -> int:
    """Build what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", help="the build directory")
    parser.add_argument("--installed", metavar="TARGET", help="lay out an installation there")
    parser.add_argument("--site", action="append", help="where an installation's dependencies lie, relative to TARGET")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    if options.installed:
        build_installed(build, os.path.abspath(options.installed), options.site or ["site"])
    else:
        build_in_checkout(build)
    return 0


if __name__ == "__main__":
    sys.exit(main())
