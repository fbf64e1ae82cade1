"""Copy the run-time dependencies of postern out of this environment: `vendor.py TARGET`.

An installation under PREFIX must outlive the checkout's virtual environment, and needs no network to be made.  What is
copied is what each distribution's own record lists, without its scripts.
"""

import os
import re
import shutil
import sys
import tomllib
from importlib.metadata import Distribution, distribution

NAME = re.compile(r"[A-Za-z0-9._-]+")


def closure(names: list[str]) -> dict[str, Distribution]:
    """Every distribution that the named ones need here, by normalised name."""
    found: dict[str, Distribution] = {}
    pending = list(names)
    while pending:
        requirement, _, marker = pending.pop().partition(";")
        if "extra" in marker:
            continue
        name = re.sub(r"[-_.]+", "-", NAME.match(requirement.strip()).group()).lower()  # type: ignore[union-attr]
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except ModuleNotFoundError:
            if marker:
                continue  # needed by other interpreters or platforms only
            raise SystemExit(f"vendor: {name} is not installed in {sys.prefix}") from None
        pending += found[name].requires or []
    return found


def main(target: str) -> int:
    """Copy every file of every dependency that lies inside its site directory."""
    with open(os.path.join(os.path.dirname(__file__), "..", "pyproject.toml"), "rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    for dist in closure(wanted).values():
        for entry in dist.files or []:
            if entry.parts[0] == ".." or os.path.isabs(str(entry)):
                continue  # scripts and manual pages
            copy = os.path.join(target, *entry.parts)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            source = str(entry.locate())
            if os.path.exists(source):
                shutil.copy(source, copy)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
