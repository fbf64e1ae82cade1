"""--version tells the truth: the package's version, the checked-out commit."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runtime.host import version
from runtime.host.version import SPEC_VERSION, VERSION, checkout_commit, version_text

CHECKOUT = Path(__file__).parents[3]
HASH = "0123456789abcdef0123456789abcdef01234567"


def test_version_is_the_package_s() -> None:
    """One version in pyproject.toml, here and in the front."""
    assert tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"] == VERSION
    header = (CHECKOUT / "runtime/native/front.h").read_text()
    assert f'#define POSTERN_VERSION "{VERSION}"' in header
    assert f'#define SPEC_VERSION "{SPEC_VERSION}"' in header


def test_lines() -> None:
    """Docker reads the first line and the commit; the others are for people."""
    lines = version_text().splitlines()
    assert lines[0] == f"postern version {VERSION}"
    assert lines[1].startswith("commit: ")
    assert lines[2] == f"spec: {SPEC_VERSION}"
    assert lines[3] == "python: " + ".".join(map(str, sys.version_info[:3]))
    assert lines[4].startswith("pydantic-core: ")


def test_commit_of_a_checkout(tmp_path: Path) -> None:
    """A detached head, a loose branch, a packed branch; anything else is unknown."""
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text(HASH + "\n")
    assert checkout_commit(str(git)) == HASH
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert checkout_commit(str(git)) == ""
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{HASH} refs/heads/main\n")
    assert checkout_commit(str(git)) == HASH
    (git / "refs/heads/main").write_text(HASH[::-1] + "\n")
    assert checkout_commit(str(git)) == HASH[::-1]
    (git / "HEAD").write_text("something else\n")
    assert checkout_commit(str(git)) == ""
    assert checkout_commit(str(tmp_path / "none")) == ""


def test_commit_is_git_s_own() -> None:
    """The commit that git names, where this is a git checkout."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    result = subprocess.run(["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"], capture_output=True, text=True)
    if result.returncode != 0:
        pytest.skip("not a git checkout")
    assert version.commit() == result.stdout.strip()
