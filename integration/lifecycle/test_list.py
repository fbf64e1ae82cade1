"""list: the table, the JSON, the quiet form, and broken entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.runtime import Runtime


@pytest.fixture
def empty(runtime: Runtime, tmp_path: Path) -> Runtime:
    """The runtime with an empty state root."""
    (tmp_path / "empty").mkdir()
    return Runtime(runtime.path, tmp_path / "empty")


@differs("crun", reason="crun writes an empty array", strict=False)
def test_empty_json(empty: Runtime) -> None:
    """No containers are `null`, as runc's Go prints an empty list."""
    assert empty.call("list", "--format", "json").ok().out.strip() == "null"


@differs("crun", reason="crun has column names of its own")
def test_empty_table(empty: Runtime) -> None:
    """The table has its header alone."""
    lines = empty.call("list").ok().out.splitlines()
    assert [line.split() for line in lines] == [["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]]


@pytest.mark.parametrize("flags", [("--format", "json"), ("--format=json",), ("-f", "json")])
def test_json(container: Container, flags: tuple[str, ...]) -> None:
    """An array of the state objects."""
    container.waiting()
    entries = {entry["id"]: entry for entry in container.call("list", *flags).json()}
    entry = entries[container.id]
    assert entry["status"] == "running"
    assert entry["pid"] == container.pid
    assert entry["bundle"] == str(container.bundle.path)
    assert entry["owner"] == "root"


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet(container: Container, flag: str) -> None:
    """IDs alone, one a line."""
    container.create()
    assert container.id in container.call("list", flag).ok().out.splitlines()


def test_table(container: Container) -> None:
    """One row a container, columns in runc's order."""
    container.create()
    rows = [line.split() for line in container.call("list").ok().out.splitlines()]
    row = next(row for row in rows if row[0] == container.id)
    assert row[1:4] == [str(container.pid), "created", str(container.bundle.path)]
    assert row[-1] == "root"


def test_broken_entry(container: Container) -> None:
    """A directory that is no container is passed over, with the others still listed."""
    container.create()
    broken = container.runtime.root / "broken"
    broken.mkdir()
    (broken / "state.json").write_text("{")
    try:
        result = container.call("list", "-q").ok()
    finally:
        (broken / "state.json").unlink()
        broken.rmdir()
    assert container.id in result.out


@differs("crun", reason="crun takes any format but json for the table", strict=False)
def test_unknown_format(empty: Runtime) -> None:
    """A format that does not exist is refused."""
    result = empty.call("list", "--format", "xml")
    assert result.rc == 1
