"""Hooks that write down that they ran, where they ran, and what they were told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from integration.framework.bundle import Bundle

SCRIPT = (
    "cd_was=$(pwd); echo {tag} >> {directory}/order; "
    "{{ readlink /proc/self/ns/mnt; readlink /proc/self/ns/pid; readlink /proc/self/ns/net; echo $cd_was; echo $0 $*; }}"
    " > {directory}/{tag}.facts; env > {directory}/{tag}.env; cat > {directory}/{tag}.state; {then}"
)
INSIDE = "/hooks"


class HookRecorder:
    """A directory shared between host and container, where each recorded hook leaves its files."""

    def __init__(self, bundle: Bundle) -> None:
        """Adds the bind mount that startContainer hooks write through."""
        self.bundle, self.directory = bundle, bundle.directory("hooks")
        self.directory.chmod(0o777)
        bundle.bind(self.directory, INSIDE, "rbind", "rw")

    def add(self, kind: str, tag: str | None = None, then: str = "true", **more: Any) -> None:
        """Append a hook of this kind that records itself under `tag` and then runs a shell command."""
        directory = INSIDE if kind == "startContainer" else str(self.directory)
        script = SCRIPT.format(tag=tag or kind, directory=directory, then=then)
        entry = {"path": "/bin/sh", "args": ["sh", "-c", script, "name", "argument"], **more}
        self.bundle.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)

    def order(self) -> list[str]:
        """Tags in the order in which the hooks ran."""
        path = self.directory / "order"
        return path.read_text().split() if path.exists() else []

    def state(self, tag: str) -> dict[str, Any]:
        """The state that the hook read from its standard input."""
        state: dict[str, Any] = json.loads(self._file(tag, "state"))
        return state

    def facts(self, tag: str) -> dict[str, str]:
        """Namespaces, working directory and arguments of the hook."""
        lines = self._file(tag, "facts").splitlines()
        return dict(zip(("mnt", "pid", "net", "cwd", "args"), lines, strict=True))

    def env(self, tag: str) -> list[str]:
        """The hook's environment."""
        return self._file(tag, "env").splitlines()

    def _file(self, tag: str, kind: str) -> str:
        return Path(self.directory, f"{tag}.{kind}").read_text()
