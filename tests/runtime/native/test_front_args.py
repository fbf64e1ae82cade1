"""The front's reading of argv: runc's grammar, and the same default root as Python's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.runtime.native.conftest import Call
from tests.runtime.native.containers import Containers


@pytest.mark.parametrize(
    "words",
    [
        ["state", "web"],
        ["--debug", "state", "web"],
        ["-debug", "state", "web"],
        ["--debug=false", "--systemd-cgroup", "state", "web"],
        ["--systemd-cgroup", "--systemd-cgroup=true", "state", "web"],
        ["--rootless", "auto", "state", "web"],
        ["-rootless=true", "state", "web"],
        ["--log-format", "json", "--log-format=text", "state", "web"],
        ["--cgroup-manager", "disabled", "state", "web"],
        ["--log-level", "warning", "state", "web"],
        ["--root", "/none", "--root={root}", "state", "web"],
        ["state", "--", "web"],
        ["--", "state", "web"],
    ],
)
def test_every_form_of_a_flag_is_taken(words: list[str], call: Call, containers: Containers) -> None:
    """One or two dashes, with or without =, repeated: the last one wins."""
    containers.make("web", containers.process().pid)
    result = call(*[word.format(root=containers.root) for word in words])
    assert '"status": "running"' in result.stdout, result.stderr


def test_flags_may_follow_the_id_of_delete(call: Call) -> None:
    """runc reorders them."""
    assert call("delete", "web", "--force").returncode == 0
    assert call("delete", "web", "-f=1").returncode == 0
    assert call("delete", "--", "--force").stderr.endswith('msg="container does not exist"\n')


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, "/run/postern"),
        ({"XDG_RUNTIME_DIR": ""}, "/run/postern"),
        ({"XDG_RUNTIME_DIR": "{tmp}"}, "/run/postern" if os.geteuid() == 0 else "{tmp}/postern"),
        ({"XDG_RUNTIME_DIR": "{tmp}", "USER": "root"}, "/run/postern" if os.geteuid() == 0 else "{tmp}/postern"),
    ],
)
def test_the_default_root(environment: dict[str, str], place: str, program: list[str], tmp_path: Path) -> None:
    """/run/postern for root, $XDG_RUNTIME_DIR/postern for others; a file in an ID's place shows where was looked."""
    environment = {name: value.format(tmp=tmp_path) for name, value in environment.items()}
    place = place.format(tmp=tmp_path)
    if place == "/run/postern":
        (tmp_path / "postern").mkdir()
        (tmp_path / "postern/web").write_text("")
        expected = "container does not exist"
    else:
        Path(place).mkdir()
        Path(place, "web").write_text("")
        expected = f"open {place}/web: not a directory"
    argv = [*program, "state", "web"]
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert result.stderr.endswith(f'msg="{expected}"\n')
