"""Which broker is taken for a container."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.abi.capabilities import CAPABILITY_BITS
from runtime.commands import brokering
from runtime.commands.invocation import Invocation
from runtime.errors import BrokerError
from runtime.launch.broker import Keeper
from runtime.policy.broker_rights import RIGHTS

ALL = sum(CAPABILITY_BITS[name] for name in RIGHTS)


def keeper(**other: Any) -> Keeper:
    """One like us, but for what is said."""
    spaces = {f"{kind}_ns": os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("user", "pid")}
    return Keeper(**{"site": "/etc/postern", "capabilities": ALL, **spaces, **other})


def facts(capabilities: int) -> Any:
    """Ours."""
    return SimpleNamespace(capabilities=capabilities)


def test_a_broker_like_us_is_taken() -> None:
    """And one with more."""
    brokering.require_rights("/r", keeper(), facts(ALL))
    brokering.require_rights("/r", keeper(capabilities=-1), facts(ALL))


def test_what_we_lack_ourselves_is_not_asked_for() -> None:
    """The policy was lowered without."""
    brokering.require_rights("/r", keeper(capabilities=0), facts(0))


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_is_looked_for(right: str) -> None:
    """By its name."""
    with pytest.raises(BrokerError, match=f"the broker of /r runs without {right}, as who started it"):
        brokering.require_rights("/r", keeper(capabilities=ALL & ~CAPABILITY_BITS[right]), facts(ALL))


@pytest.mark.parametrize("kind", ["user", "pid"])
def test_a_broker_in_other_namespaces(kind: str) -> None:
    """Has other rights, or sees other processes."""
    with pytest.raises(BrokerError, match=f"runs in another {kind} namespace"):
        brokering.require_rights("/r", keeper(**{f"{kind}_ns": 1}), facts(ALL))


def test_a_broker_of_another_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is taken where its section says the same."""
    (tmp_path / "mine").mkdir(mode=0o755)
    (tmp_path / "other").mkdir(mode=0o755)
    found = keeper(site=str(tmp_path / "other"))
    monkeypatch.setattr(brokering, "ensure_broker", lambda _root, _exe_fd, _site: found)
    invocation = Invocation("run", {}, ["c"])
    invocation.root, invocation.policy_dir = "/r", str(tmp_path / "mine")
    brokering.require_broker(invocation, facts(ALL))
    config = tmp_path / "other" / "config.toml"
    config.write_text('[broker]\nlog = "journald"\n')
    config.chmod(0o644)
    with pytest.raises(BrokerError, match=f"goes by .broker. of {config}"):
        brokering.require_broker(invocation, facts(ALL))
