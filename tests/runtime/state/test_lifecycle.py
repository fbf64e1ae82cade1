"""The table of legal transitions, and runc's words for illegal ones."""

from __future__ import annotations

import pytest

from runtime.errors import LifecycleError
from runtime.state.lifecycle import LEGAL, require
from runtime.state.store import STATUSES

ILLEGAL = {
    ("start", "running"): "cannot start an already running container",
    ("start", "stopped"): "cannot start a container that has stopped",
    ("start", "paused"): "cannot start a container in the paused state",
    ("start", "creating"): "cannot start a container in the creating state",
    ("exec", "stopped"): "cannot exec in a stopped container",
    ("exec", "paused"): "cannot exec in a paused container (use --ignore-paused to override)",
    ("exec", "creating"): "container not running",
    ("kill", "stopped"): "container not running",
    ("kill", "creating"): "container not running",
    ("delete", "running"): "cannot delete container web that is not stopped: running",
    ("delete", "paused"): "cannot delete container web that is not stopped: paused",
    ("delete", "creating"): "cannot delete container web that is not stopped: creating",
    ("pause", "stopped"): "container not running",
    ("resume", "running"): "container not paused",
    ("resume", "stopped"): "container not paused",
    ("update", "stopped"): "container not running",
    ("ps", "stopped"): "container not running",
    ("events", "stopped"): "container not running",
}


@pytest.mark.parametrize(("verb", "status"), list(ILLEGAL))
def test_illegal_verbs_get_runcs_words(verb: str, status: str) -> None:
    """Engines search for them."""
    with pytest.raises(LifecycleError) as caught:
        require(verb, status, "web")
    assert str(caught.value) == ILLEGAL[verb, status]
    assert caught.value.exit_code == 1


def test_every_verb_is_decided_in_every_status() -> None:
    """Legal or an error, never a surprise; only known statuses are named."""
    for verb, legal in LEGAL.items():
        assert set(legal) <= set(STATUSES)
        for status in STATUSES:
            if status in legal:
                require(verb, status, "web")
            else:
                with pytest.raises(LifecycleError):
                    require(verb, status, "web")
