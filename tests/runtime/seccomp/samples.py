"""The checked-in profiles, by name."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "profiles"


def read_profile(name: str, *architectures: str) -> dict[str, Any]:
    """A section, with other architectures than its own if any are given."""
    section: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return {**section, "architectures": list(architectures)} if architectures else section
