"""Small policies for tests."""

from typing import Any

from runtime.policy.load import format_found, load_policy
from runtime.policy.normalise import normalise


def layer_of(text: str) -> dict[str, Any]:
    """The layer of a policy in which nothing is wrong; its name need not be given."""
    loaded = load_policy(f"name: test\n{text}".encode(), is_json=False)
    layer = normalise(loaded, "test", "test.yaml")
    assert loaded.found == []
    assert layer is not None
    return layer


def violations_of(text: str) -> list[str]:
    """What is wrong with a policy; lines count from its first, which names it."""
    loaded = load_policy(f"name: test\n{text}".encode(), is_json=False)
    normalise(loaded, "test", "test.yaml")
    return format_found("test.yaml", loaded.found)
