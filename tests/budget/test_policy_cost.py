"""What a policy adds to a create whose kind is known: modules, and system calls of the planner.

The first create of a kind lowers and compiles, every later one finds what came of it; these bounds hold for the later ones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from oci_schemas.json_text import dumps
from runtime.commands.spec_document import example_config
from runtime.policy.built_in import builtin_names, load_builtin
from tests.budget.test_imports import BASE_PYTHON, CHECKOUT, FOREIGN, foreign, hot, modules

# of the interpreter's allocator: they come with sizes, not with steps
_MEMORY = {"brk", "mmap", "munmap", "mremap", "madvise", "mprotect"}
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((?:AT_FDCWD, )?(?:\"([^\"]*)\")?")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A bundle in `b`, with a filter as engines write one."""
    config = example_config(rootless=False, uid=0, gid=0)
    config["process"]["terminal"] = False
    config["root"]["path"] = "/"
    names = ["read", "write", "close", "openat", "close_range", "execve", "exit_group"]
    rule = {"names": names, "action": "SCMP_ACT_ALLOW"}
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}
    (tmp_path / "b").mkdir()
    (tmp_path / "site").mkdir(mode=0o755)
    (tmp_path / "b/config.json").write_bytes(dumps(config))
    return tmp_path


@pytest.fixture
def bundle(home: Path) -> Path:
    """A file that stands for the bundle: without one nothing is kept."""
    (home / "postern.pyc").write_bytes(b"1")
    return home / "postern.pyc"


@hot
@pytest.mark.parametrize("policy", ["agent", "ci-runner"])
def test_a_known_kind_loads_nothing_that_lowers(home: Path, bundle: Path, policy: str) -> None:
    """Neither the policy's layers, nor lowering, nor the compiler of filters: what they came to is read instead."""
    words = ("--policy-dir", str(home / "site"), "--policy", policy, "create", "--bundle", "b", "new")
    first = modules(home, *words, bundle=bundle)
    assert {"runtime.policy.lower", "runtime.seccomp.compile", "runtime.policy._builtin_layers"} <= first
    known = modules(home, *words, bundle=bundle)
    plain = modules(home, *words[:2], *words[4:], bundle=bundle)
    assert foreign(known) <= FOREIGN
    added = known - plain
    assert added <= {
        "runtime.commands.gate_cache",
        "runtime.commands.gate_finding",
        "runtime.plan.network_policy",
        "runtime.plan.policy",
        "runtime.policy",
        "runtime.policy._builtins",
        "runtime.policy.built_in",
        "runtime.policy.hierarchy",
        "runtime.policy.resolved",
        "runtime.seccomp.program",
        "runtime.state.kept",
        "runtime.state.reserved",
    }


@hot
def test_a_known_kind_under_a_file(home: Path, bundle: Path) -> None:
    """A policy file is read, and nothing is made of its content."""
    (home / "mine.yaml").write_text("name: mine\nfilesystem: {write: [/tmp]}\n")
    words = ("--policy-dir", str(home / "site"), "--policy", str(home / "mine.yaml"), "create", "--bundle", "b", "new")
    modules(home, *words, bundle=bundle)
    known = modules(home, *words, bundle=bundle)
    assert foreign(known) <= FOREIGN
    assert not [name for name in known if name.startswith(("runtime.policy.lower", "runtime.policy.compiling"))]


def planner_calls(home: Path, *words: str) -> list[tuple[str, str]]:
    """(name, path) of the planner's system calls, up to the execve of what it takes for the executor."""
    planner, entry = CHECKOUT / "build/lib/planner", CHECKOUT / "build/lib/postern.pyc"
    strace = shutil.which("strace")
    if strace is None or not os.access(planner, os.X_OK):
        pytest.skip("needs strace, and the planner's own interpreter: make build")
    trace = home / "trace"
    fd = os.open("/bin/true", os.O_RDONLY)
    argv = [strace, "-s", "4096", "-o", str(trace), str(planner), BASE_PYTHON, str(entry), str(fd)]
    try:
        result = subprocess.run(
            [*argv, "--root", str(home / "root"), "--policy-dir", str(home / "site"), *words],
            cwd=home,
            capture_output=True,
            pass_fds=[fd],
        )
    finally:
        os.close(fd)
    if result.returncode:
        pytest.skip(f"strace may not trace here: {result.stderr.decode()}")
    matches = [_CALL.match(line) for line in trace.read_text().splitlines()]
    calls = [(match[1], match[2] or "") for match in matches if match is not None]
    end = next((index for index, (name, _) in enumerate(calls) if name == "execveat"), len(calls))
    return [call for call in calls[:end] if call[0] not in _MEMORY]


@hot
@pytest.mark.parametrize("policy", builtin_names())
def test_system_calls(home: Path, policy: str) -> None:
    """A known kind costs a look at the site, and one file that stands in the place of the filter's own.

    Who wants Landlock also asks the kernel for it, which takes a process where securityfs is not mounted.
    """
    create = ("create", "--bundle", "b", "new")
    for words in (create, ("--policy", policy, *create)):
        planner_calls(home, *words)
    plain, known = planner_calls(home, *create), planner_calls(home, "--policy", policy, *create)
    if [name for name, _ in known].count("execve") > 1:
        pytest.skip("the planner leaves everything to the stock interpreter here")
    said = sum(name == "write" for name, _ in known) - sum(name == "write" for name, _ in plain)
    assert said <= 1  # that this host cannot hold a limit
    found = load_builtin(policy)
    assert found is not None
    asking = (1, 11) if found.landlock else (0, 0)
    opened = [path for name, path in known if name == "openat"]
    looked = opened.count("/proc/self/mountinfo")  # where limits can be held: whether with nsdelegate
    assert looked <= found.limits
    assert len(known) - said - len(plain) <= 2 + asking[1] + 4 * looked
    assert len(opened) - sum(name == "openat" for name, _ in plain) <= 1 + asking[0] + looked
    assert not any("@filters" in path or "@policies" in path for path in opened)


@hot
def test_the_planner_uses_what_the_stock_interpreter_kept(home: Path) -> None:
    """A policy file is compiled by the stock interpreter: the second create finds the gate that came of it."""
    (home / "mine.yaml").write_text("name: mine\nsyscalls: {default: allow, deny: [getpid]}\n")
    words = ("--policy", str(home / "mine.yaml"), "create", "--bundle", "b", "new")
    planner_calls(home, *words)
    kept = sorted((home / "root/@gates").iterdir())
    calls = planner_calls(home, *words)
    assert kept == sorted((home / "root/@gates").iterdir())
    assert "execve" not in [name for name, _ in calls[1:]]
