"""Both ways of installing give a program that works without the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration.framework.bundle import Bundle
from integration.framework.runtime import CLEAN_ENV, Result

CHECKOUT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.only("postern", reason="it is postern that is installed"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


def quiet(*argv: str) -> None:
    """Run a build step in the checkout; its output is shown only when it fails."""
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"


def traced(program: Path, *words: str, trace: Path) -> Result:
    """Call the program under strace, which notes every file that it and its children name."""
    argv = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=%file", str(program), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=CLEAN_ENV, stdin=subprocess.DEVNULL)
    return Result(argv, done.returncode, done.stdout, done.stderr)


def assert_works_alone(program: Path, bundle: Bundle, work: Path) -> None:
    """Hot, cold and failing commands all succeed from files of the installation."""
    bundle.process["args"] = ["/bin/sh", "-c", "echo inside; exit 9"]
    bundle.save()
    trace = work / "trace"
    state_root = ("--root", str(work / "state"))
    hot = traced(program, *state_root, "run", "--bundle", str(bundle.path), "installed", trace=trace)
    assert (hot.rc, hot.out, hot.err) == (9, "inside\n", "")
    assert str(CHECKOUT) not in trace.read_text()
    cold = traced(program, "features", trace=trace).json()
    assert cold["ociVersionMax"] >= "1.3.0"
    assert str(CHECKOUT) not in trace.read_text()
    (bundle.path / "config.json").write_text('{"ociVersion": "1.0.2", "process": {"cwd": 7}}')
    wrong = traced(program, *state_root, "run", "--bundle", str(bundle.path), "installed", trace=trace)
    wrong.refused("/process/cwd")
    assert str(CHECKOUT) not in trace.read_text()


def test_make_install(bundle: Bundle, tmp_path: Path) -> None:
    """`make install PREFIX=...` copies everything, dependencies included, and needs no network."""
    prefix = tmp_path / "prefix"
    quiet("make", "-s", "install", f"PREFIX={prefix}")
    assert_works_alone(prefix / "bin/postern", bundle, tmp_path)


def test_staged_install_can_be_moved(bundle: Bundle, tmp_path: Path) -> None:
    """With DESTDIR the tree is staged elsewhere, as packagers do: no path in it remembers the staging place."""
    quiet("make", "-s", "install", "PREFIX=/usr", f"DESTDIR={tmp_path}/stage")
    (tmp_path / "stage").rename(tmp_path / "moved")
    assert_works_alone(tmp_path / "moved/usr/bin/postern", bundle, tmp_path)


def test_pip_install(bundle: Bundle, tmp_path: Path) -> None:
    """`pip install .` puts the static program itself into bin, and everything else below one package directory."""
    prefix = tmp_path / "prefix"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    quiet(*pip, "--root-user-action=ignore", f"--prefix={prefix}", ".")
    # what pip would have fetched besides
    site = prefix / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    quiet(sys.executable, "tools/vendor.py", str(site))
    assert (prefix / "bin/postern").read_bytes()[:4] == b"\x7fELF"
    assert not (site / "runtime").exists()
    assert_works_alone(prefix / "bin/postern", bundle, tmp_path)
