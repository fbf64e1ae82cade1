"""Print what the project depends on, one requirement a line: `dependencies.py [EXTRA...]`.

pip can install a project or a requirements file, but not a project's dependencies alone; a checkout needs just these.
Read from pyproject.toml, so that they are written down once.
"""

import os
import sys
import tomllib


def main(extras: list[str]) -> int:
    """Print the run-time dependencies and those of each named extra."""
    with open(os.path.join(os.path.dirname(__file__), "..", "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    print("\n".join(wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
