"""Rules that only the broker can decide, in containers of an engine that is not the host's root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework.broker import MEDIATED, Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="the broker is postern's")

HOST_ID = 100000
OPENS = "cat /etc/hello; cat /etc/secret; read line < /proc/self/status && echo $line"
# enters a user namespace whose maps its parent writes, becomes root there and executes its words
ENTER = """
import ctypes, os, sys
size, groups, words = sys.argv[1], sys.argv[2], sys.argv[3:]
ready, mapped = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    os.setgroups([])
    assert ctypes.CDLL(None).unshare(0x10000000 | 0x20000) == 0
    os.write(ready[1], b"x")
    os.read(mapped[0], 1)
    os.setgid(0)
    os.setuid(0)
    os.execv(words[0], words)
os.read(ready[0], 1)
for name, text in (("setgroups", groups), ("uid_map", f"0 100000 {size}"), ("gid_map", f"0 100000 {size}")):
    with open(f"/proc/{pid}/{name}", "w") as file:
        file.write(text)
os.write(mapped[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class Engine:
    """A bundle, a policy and a state root of a user without rights."""

    def __init__(self, container: Container, place: Path) -> None:
        bundle = container.bundle
        bundle.file("/etc/hello", "hello\n")
        bundle.file("/etc/secret", "secret\n")
        bundle.shell(OPENS)
        bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["destination"] == "/proc"]
        bundle.without_namespace("network", "cgroup")
        for key in ("cgroupsPath", "resources"):
            bundle.config["linux"].pop(key, None)
        bundle.save()
        self.place, self.path = place, container.runtime.path
        shutil.copytree(bundle.path, place / "bundle", symlinks=True)
        (place / "policy.yaml").write_text(MEDIATED)
        (place / "state").mkdir(mode=0o700)
        for where, directories, files in os.walk(place):
            for name in (".", *directories, *files):
                os.chown(os.path.join(where, name), HOST_ID, HOST_ID, follow_symlinks=False)

    def words(self, *last: str) -> list[str]:
        """A call of the runtime."""
        policy = ["--policy", str(self.place / "policy.yaml")] if "run" in last else []
        return [str(self.path), "--root", str(self.place / "state"), *policy, *last]

    def call(self, *enter: str) -> tuple[int, str]:
        """(exit code, all that was printed) of a run in the bundle."""
        words = [*enter, *self.words("run", "rootless")]
        done = subprocess.run(
            words, cwd=self.place / "bundle", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout + done.stderr

    def inside(self, size: int, groups: str) -> tuple[int, str]:
        """The same as root of a user namespace."""
        return self.call(sys.executable, "-I", "-c", ENTER, str(size), groups)


@pytest.fixture
def engine(container: Container) -> Iterator[Engine]:
    """In a directory that everybody may enter."""
    place = Path(tempfile.mkdtemp(prefix="rootless-", dir="/tmp"))
    place.chmod(0o755)
    made = Engine(container, place)
    yield made
    for entry in os.scandir("/proc"):
        try:
            words = Path(entry.path, "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if os.fsencode(made.place / "state") in words:
            os.kill(int(entry.name), 9)
    shutil.rmtree(place)


def test_root_of_a_user_namespace_with_ranges_of_ids(engine: Engine) -> None:
    """Is root enough: what the policy allows is opened, procfs included, and nothing else."""
    code, text = engine.inside(65536, "allow")
    assert code == 0, text
    assert "hello\n" in text
    assert "Name:" in text
    assert "secret\n" not in text.replace("'/etc/secret'", "")


def test_a_namespace_that_denies_setgroups_is_refused(engine: Engine) -> None:
    """Before anything is made, instead of each open later."""
    code, text = engine.inside(1, "deny")
    assert code == 1
    assert "setgroups(2), which this user namespace denies" in text
    assert "hello" not in text


def test_a_user_without_rights_is_refused(engine: Engine) -> None:
    """In the host's user namespace; explain says so, too."""
    become = ("setpriv", f"--reuid={HOST_ID}", f"--regid={HOST_ID}", "--clear-groups")
    code, text = engine.call(*become)
    assert code == 1
    assert "carrying calls out as their callers takes root" in text
    assert not (engine.place / "state/@broker/socket").exists()
    words = [*become, *engine.words("policy", "explain", str(engine.place / "policy.yaml"))]
    told = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "not enforceable here" in told.stdout + told.stderr


WEAK = {
    "runs without CAP_SYS_PTRACE, as who started it": (
        "setpriv",
        "--bounding-set=-sys_ptrace",
        "--inh-caps=-sys_ptrace",
    ),
    "runs without CAP_SETGID, CAP_SETUID, as": (
        "setpriv",
        "--bounding-set=-setgid,-setuid",
        "--inh-caps=-setgid,-setuid",
    ),
    "runs in another pid namespace": ("unshare", "--pid", "--fork", "--kill-child"),
    "runs in another user namespace": ("unshare", "--user", "--map-root-user"),
}


@pytest.mark.parametrize("problem", WEAK)
def test_a_broker_of_somebody_with_less_is_refused(container: Container, broker: Broker, problem: str) -> None:
    """Create fails and says what the broker lacks, instead of a container whose calls end in ENOSYS; with another broker it runs."""
    broker.end()
    path = container.bundle.path / "policy.yaml"
    path.write_text(MEDIATED)
    container.bundle.file("/etc/hello", "hello\n")
    container.bundle.args("/bin/cat", "/etc/hello")
    words = [*WEAK[problem], str(container.runtime.path), "--root", str(broker.root), "broker", "--foreground"]
    process = subprocess.Popen(words)
    wait_until((broker.directory / "socket").exists, "it listens")
    done = container.run("--policy", str(path))
    assert done.rc == 1
    assert f"the broker of {broker.root} {problem}" in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
    assert [name for name in os.listdir(broker.root) if name[0] != "@"] == []
    broker.end()
    process.wait(20)
    assert container.run("--policy", str(path)).ok().out == "hello\n"
