"""A runtime that runs nothing: it keeps the config.json that an engine hands over, and says no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from integration.framework.runtime import Runtime

SCRIPT = """#!/bin/sh
case " $* " in *" --version "* | *" -v "*) echo "recorder version 1.0"; exit 0 ;; esac
while [ $# -gt 0 ]; do
    case $1 in
    --bundle | -b) cp "$2/config.json" "KEPT"; exit 1 ;;
    esac
    shift
done
exit 1
"""


class Recorder:
    """The runtime to give to an engine, and what it was given since `forget`."""

    def __init__(self, directory: Path) -> None:
        """Write the program."""
        self._kept = directory / "kept.json"
        path = directory / "recorder"
        path.write_text(SCRIPT.replace("KEPT", str(self._kept)))
        path.chmod(0o755)
        self.runtime = Runtime(path, directory / "none")

    def forget(self) -> None:
        """Drop the last config."""
        self._kept.unlink(missing_ok=True)

    def config(self) -> dict[str, Any]:
        """The last config."""
        found: dict[str, Any] = json.loads(self._kept.read_text())
        return found
