"""Where the attacks happen: a root file system with something to take, and a network with somebody to reach.

`Arena` fills a container's bundle: for each attack a directory `/outside/NAME`, which no policy of the tests lets anybody
write to, and one below the directory that they do (`inside`).  The container joins a network namespace in which a server
notes what arrives.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from integration.framework import probe
from integration.framework.container import Container
from integration.framework.runtime import Result, next_line
from runtime.abi.capabilities import CAPABILITIES

ROOT = Path(__file__).parents[2]
LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
ATTACK = "/usr/bin/attack"
UNTOUCHED = b"untouched\n"


@cache
def attack_names() -> tuple[str, ...]:
    """Every attack that the program knows, in its order."""
    listed = subprocess.run([probe.built("attack"), "list"], capture_output=True, text=True, check=True).stdout
    return tuple(listed.split())[:-1]


def parse_verdicts(text: str) -> dict[str, str]:
    """`attack run`'s output: name -> "succeeded", "denied ERRNO", "killed SIGNAL"."""
    lines = [line.split("\t") for line in text.splitlines() if "\t" in line]
    return {words[0]: words[1] for words in lines}


class Arena:
    """A container's bundle, made ready to be attacked; a context that owns the server."""

    def __init__(self, container: Container, inside: str) -> None:
        """Fill the root file system; `inside` is where the policy lets the container write."""
        self.container, self.inside = container, inside
        self.journal = container.bundle.path / "journal"
        self._server: subprocess.Popen[bytes] | None = None
        self._before: dict[str, list[tuple[str, int, int, int]]] = {}
        rootfs = container.bundle.rootfs
        self._install_programs(rootfs)
        for name in attack_names():
            self._lay_out(rootfs / "outside" / name)
            own = rootfs / inside.lstrip("/") / "attacks" / name
            own.mkdir(parents=True)
            own.chmod(0o777)

    @staticmethod
    def _install_programs(rootfs: Path) -> None:
        for directory in ("usr/bin", "usr/lib/attack"):
            (rootfs / directory).mkdir(parents=True)
        shutil.copy(probe.built("attack"), rootfs / ATTACK.lstrip("/"))
        library = rootfs / "usr/lib/attack"
        shutil.copy(probe.built("loaded"), library / "dynamic")
        for source, name in ((LOADERS[platform.machine()], "loader"), ("libc.so.6", "libc.so.6")):
            found = subprocess.run(["gcc", f"-print-file-name={source}"], capture_output=True, text=True, check=True)
            shutil.copy(found.stdout.strip(), library / name)
        shutil.copy(probe.built("attack"), library / "setuid")
        (library / "setuid").chmod(0o4755)

    @staticmethod
    def _lay_out(place: Path) -> None:
        (place / "dir").mkdir(parents=True)
        (place / "tmp").mkdir()
        for name in ("file", "tmp/file"):
            (place / name).write_bytes(UNTOUCHED)
        (place / "program").hardlink_to(place.parents[1] / ATTACK.lstrip("/"))

    def __enter__(self) -> Self:
        """Start the server and put the container beside it."""
        argv = [
            "unshare", "--net", sys.executable, "-m", "integration.security.attack_server",
            str(self.container.bundle.rootfs / "outside/server"), str(self.journal),
        ]  # fmt: skip
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self._server = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env)
        assert next_line(self._server, 20) == "ready\n"
        self._before = self._census()
        self.container.bundle.namespace("network", f"/proc/{self._server.pid}/ns/net")
        self.container.bundle.process["env"].append(f"INSIDE={self.inside}")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End the server."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()

    def unprotected(self) -> None:
        """Turn the config into one that withholds nothing, to show that the attacks are real."""
        bundle = self.container.bundle
        bundle.caps(*CAPABILITIES)
        bundle.process["noNewPrivileges"] = False
        bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
        bundle.linux["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
        for entry in bundle.config["mounts"]:
            entry["options"] = [word for word in entry.get("options", []) if word not in ("ro", "noexec", "nodev")]

    def in_user_namespace(self) -> None:
        """Let the container's root be nobody on the host, as an engine does that maps users: /sys is the host's then."""
        bundle = self.container.bundle
        bundle.user_namespace()
        bundle.config["mounts"] = [
            entry for entry in bundle.config["mounts"] if not entry["destination"].startswith("/sys")
        ]
        bundle.mount("/sys", "bind", "/sys", "rbind")
        self._before = self._census()

    def attacked(self, *names: str, flags: tuple[str, ...] = ()) -> dict[str, str]:
        """The verdicts of attacks (all) that the container's init makes."""
        self.container.bundle.args(ATTACK, "run", *names)
        return self._verdicts(self.container.run(*flags, timeout=240))

    def attacked_by_exec(self, *names: str) -> dict[str, str]:
        """The verdicts of attacks that a process of `exec` makes, given every right that exec can be asked for."""
        everything = {kind: list(CAPABILITIES) for kind in ("bounding", "effective", "permitted", "inheritable")}
        process = self.container.process_file(
            args=[ATTACK, "run", *names], capabilities=everything, noNewPrivileges=False, apparmorProfile=""
        )
        return self._verdicts(self.container.call("exec", "--process", process, self.container.id, timeout=240))

    @staticmethod
    def _verdicts(result: Result) -> dict[str, str]:
        assert result.ok().out.endswith("end\n"), result
        return parse_verdicts(result.out)

    def arrived(self) -> set[str]:
        """The texts that the server noted, and the attacks whose names were seen in packets to a forbidden address."""
        lines = self.journal.read_text().splitlines()
        texts = {line.split(" ", 2)[2] for line in lines if not line.startswith("wire ")}
        packets = [bytes.fromhex(line.removeprefix("wire ")) for line in lines if line.startswith("wire ")]
        return texts | {name for name in attack_names() if any(packet.endswith(name.encode()) for packet in packets)}

    def changed(self) -> set[str]:
        """The attacks in whose place outside anything is no longer as it was when the server started."""
        now = self._census()
        return {name for name in attack_names() if now[name] != self._before[name]}

    def _census(self) -> dict[str, list[tuple[str, int, int, int]]]:
        """For each attack the names outside, with inode, mode and time of change: whatever is done to a file sets that."""
        found = {}
        for name in attack_names():
            place = self.container.bundle.rootfs / "outside" / name
            facts = [(str(path), path.lstat()) for path in sorted([place, *place.rglob("*")])]
            found[name] = [(path, fact.st_ino, fact.st_mode, fact.st_ctime_ns) for path, fact in facts]
        return found
