"""The policies that are printed in the documents are policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.commands import policy
from runtime.commands.invocation import Invocation
from runtime.policy.schema import Policy

ROOT = Path(__file__).parents[3]


def printed(page: str) -> list[str]:
    """The YAML of a page that is a policy or a part of one."""
    blocks = [part.partition("\n```")[0] for part in (ROOT / page).read_text().split("```yaml\n")[1:]]
    return [text for text in blocks if set(yaml.safe_load(text)) <= set(Policy.model_fields)]


EVERY = [
    pytest.param(text, id=f"{page}-{n}")
    for page in ("README.md", "docs/policy.md")
    for n, text in enumerate(printed(page))
]


def test_they_are_found() -> None:
    """One in the README; in the page about policies, one of every section at least."""
    assert len(printed("README.md")) == 1
    sections: set[Any] = {key for text in printed("docs/policy.md") for key in yaml.safe_load(text)}
    assert sections > {"syscalls", "ioctl", "filesystem", "network", "resources", "limits", "requirements", "broker"}


@pytest.mark.parametrize("text", EVERY)
def test_check_takes_them(text: str, tmp_path: Path) -> None:
    """As they stand, with a name where a part has none."""
    path = tmp_path / "printed.yaml"
    path.write_text(text if "name:" in text else f"name: printed\n{text}")
    call = Invocation("policy", {}, ["check", str(path)])
    call.root, call.policy_dir = str(tmp_path / "root"), str(tmp_path / "site")
    assert policy.execute(call) == 0
