"""--network against a config."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.commands.invocation import Invocation
from runtime.commands.networking import make_network, network_mode
from runtime.errors import ConfigError, NetworkError, NotBuilt, UsageError

NEW: dict[str, Any] = {"linux": {"namespaces": [{"type": "mount"}, {"type": "network"}]}}
JOINED: dict[str, Any] = {"linux": {"namespaces": [{"type": "network", "path": "/run/netns/a"}]}}
SHARED: dict[str, Any] = {"linux": {"namespaces": [{"type": "mount"}]}}
MAPPED: dict[str, Any] = {"linux": {"namespaces": [{"type": "network"}, {"type": "user"}]}}


def asking(mode: str | None) -> Invocation:
    """`run --network MODE`."""
    return Invocation("run", {} if mode is None else {"network": mode}, ["web"])


@pytest.mark.parametrize(
    ("mode", "config"), [("none", NEW), ("none", MAPPED), ("bridge", NEW), ("host", SHARED), ("host", {})]
)
def test_agreement(mode: str, config: dict[str, Any]) -> None:
    """The config says the same, or leaves the namespace empty for bridge to fill."""
    assert network_mode(asking(mode), config) == mode


@pytest.mark.parametrize(
    ("mode", "config", "error"),
    [
        ("none", SHARED, ConfigError),
        ("none", JOINED, ConfigError),
        ("host", NEW, ConfigError),
        ("host", JOINED, ConfigError),
        ("bridge", SHARED, ConfigError),
        ("bridge", JOINED, ConfigError),
        ("nat", NEW, UsageError),
    ],
)
def test_contradiction(mode: str, config: dict[str, Any], error: type[Exception]) -> None:
    """Refused: the flag neither loosens a config nor is it ignored."""
    with pytest.raises(error, match="--network"):
        network_mode(asking(mode), config)


def test_no_namespace_is_made_for_the_others() -> None:
    """Without the flag the config is not even looked at."""
    assert make_network(asking(None), {}, True, 0) is None
    assert make_network(asking("none"), NEW, True, 0) is None
    with pytest.raises(NetworkError, match="needs root"):
        make_network(asking("bridge"), NEW, True, 0)
    with pytest.raises(NotBuilt, match="--network bridge with a new user namespace"):
        make_network(asking("bridge"), MAPPED, False, 0)


def test_devices_to_move() -> None:
    """Into a namespace that is made or joined, never into the caller's own."""

    def moving(config: dict[str, Any]) -> dict[str, Any]:
        return {"linux": {**config["linux"], "netDevices": {"eth7": {}}}}

    assert make_network(asking(None), moving(JOINED), False, 0) is None
    with pytest.raises(ConfigError, match="shares the network"):
        make_network(asking(None), moving(SHARED), False, 0)
    with pytest.raises(NotBuilt, match=r"linux\.netDevices with a new user namespace"):
        make_network(asking(None), moving(MAPPED), False, 0)
    with pytest.raises(NetworkError, match=r"linux\.netDevices needs root"):
        make_network(asking(None), moving(NEW), True, 0)
