"""The compiled filters that the runtime keeps below its state root: whose they are, what happens to bad ones, and who overlooks them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.framework.bundle import Bundle
from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.runtime import Runtime

pytestmark = [
    only("postern", reason="runc keeps no filters, crun keeps its own elsewhere"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the probe is given x86_64's numbers"),
]
MKDIR = "83"
NAME = "cache-test"


def section(errno: int = 77) -> dict[str, Any]:
    """A section that answers mkdir with an errno."""
    entry = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]}


@pytest.fixture
def container(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> Iterator[Container]:
    """A container below a root that does not exist yet."""
    found = Container(Runtime(runtime.path, tmp_path / "above/root"), bundle, NAME)
    yield found
    found.close()


def entries(container: Container) -> list[Path]:
    """The kept programs."""
    return sorted((container.runtime.root / "@filters").iterdir())


def verdict(container: Container, errno: int = 77) -> int:
    """What mkdir gets in a container with the section."""
    container.bundle.linux["seccomp"] = section(errno)
    code: int = container.answers("calls", MKDIR)[MKDIR]
    return code


def test_programs_are_kept_for_the_owner_alone(container: Container) -> None:
    """Root and directory are made with mode 0700, the file with 0600; the second container takes the same file, another section another."""
    assert verdict(container) == 77
    (entry,) = entries(container)
    before = entry.stat()
    for path, mode in ((container.runtime.root, 0o700), (entry.parent, 0o700), (entry, 0o600)):
        assert path.stat().st_mode & 0o7777 == mode
    assert verdict(container) == 77
    assert (entry.stat().st_ino, entry.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert verdict(container, 78) == 78
    assert len(entries(container)) == 2


def test_what_was_tampered_with_is_not_used(container: Container) -> None:
    """A damaged file is replaced; in a directory that others may write to, nothing is believed and nothing changed."""
    assert verdict(container) == 77
    (entry,) = entries(container)
    whole = entry.read_bytes()
    allowing = whole[:-8] + bytes.fromhex("060000000000ff7f")
    entry.write_bytes(allowing)
    assert verdict(container) == 77
    assert entry.read_bytes() == whole
    entry.write_bytes(allowing)
    entry.parent.chmod(0o770)
    assert verdict(container) == 77
    assert entry.read_bytes() == allowing


def test_no_verb_takes_it_for_a_container(container: Container) -> None:
    """list and delete --regex pass over it, every other verb refuses the name; after delete it is still there."""
    container.bundle.linux["seccomp"] = section()
    container.waiting()
    listed = container.call("list", "--quiet").ok()
    assert (listed.out.split(), listed.err) == ([NAME], "")
    assert [entry["id"] for entry in container.call("list", "--format", "json").json()] == [NAME]
    for verb, *words in (
        ("state",),
        ("delete",),
        ("delete", "--force"),
        ("kill",),
        ("start",),
        ("ps",),
        ("events", "--stats"),
        ("pause",),
        ("exec",),
    ):
        tail = ("/probe", "facts") if verb == "exec" else ()
        refused = container.call(verb, *words, "@filters", *tail)
        assert refused.rc, verb
        assert "invalid container ID format" in refused.err, verb
    assert entries(container)
    container.kill("KILL").ok()
    container.wait_for("stopped")
    container.call("delete", "--regex", ".*").ok()
    assert entries(container)
    assert container.call("list", "--quiet").ok().out == ""
