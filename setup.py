"""pip's way in: the whole product is the static program as `bin/postern` and one private package directory beside it.

`pip install .` builds what `make build` builds, with the same Makefile rules, by the interpreter that pip runs under.
Nothing is installed at top level but the directory `postern`, so no other package can meet `runtime` or `oci_schemas`.
"""

import os
import shutil
import subprocess
import sys

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

# after setuptools, which provides distutils where Python no longer does
from distutils.command.build_scripts import build_scripts  # isort: skip

CHECKOUT = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(CHECKOUT, "build", f"wheel-{sys.version_info[0]}.{sys.version_info[1]}")


class Platform(Distribution):
    """A distribution for this interpreter and machine, whatever setuptools finds in it."""

    def has_ext_modules(self) -> bool:
        """True: there is compiled code, though no Extension describes it."""
        return True

    def has_pure_modules(self) -> bool:
        """True: BuildPackage has something to do, though it collects no package by itself."""
        return True


class BuildPackage(build_py):
    """Lays out `postern/` (launch, postern.pyc, lib/) where setuptools collects the package."""

    def run(self) -> None:
        """Compile the C program and the schemas, then lay out the installation."""
        os.makedirs(BUILD, exist_ok=True)
        make = [
            "make",
            "--no-print-directory",
            "-C",
            CHECKOUT,
            "build-locked",
            f"PY={sys.executable}",
            f"BUILD={BUILD}",
        ]
        subprocess.run(make, check=True)
        sys.path.insert(0, CHECKOUT)
        from tools import build

        target = os.path.join(os.path.abspath(self.build_lib), "postern")
        shutil.rmtree(target, ignore_errors=True)
        # beside us whatever pip installs with us; else what the interpreter already has
        build.build_installed(BUILD, target, ["..", *build.base_sites()])


class BuildProgram(build_scripts):
    """Puts the static program where scripts go, as it is: it is no text with a first line to adjust."""

    def get_source_files(self) -> list[str]:
        """None: the program is built, no script lies in the source tree."""
        return []

    def run(self) -> None:
        """Copy the program that BuildPackage's rules made."""
        self.run_command("build_py")
        os.makedirs(self.build_dir, exist_ok=True)
        target = os.path.join(self.build_dir, "postern")
        shutil.copy(os.path.join(BUILD, "postern"), target)
        os.chmod(target, 0o755)  # noqa: S103 - a program that everybody runs


# the script named here is the one that BuildProgram makes
setup(scripts=["postern"], distclass=Platform, cmdclass={"build_py": BuildPackage, "build_scripts": BuildProgram})
