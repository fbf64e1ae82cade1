"""One container in the hands of a test: every verb of the runtime, its outputs, and the final inspection."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from integration.framework.bundle import Bundle
from integration.framework.hierarchy import CGROUP_MOUNT
from integration.framework.leftovers import assert_nothing_left, reap_orphans
from integration.framework.runtime import CALL_TIMEOUT_S, CLEAN_ENV, Result, Runtime, kill_quietly

PATIENCE_S = 10.0


class Container:
    """A bundle with an ID; whatever the test does, `close` removes it and then demands that nothing is left."""

    def __init__(self, runtime: Runtime, bundle: Bundle, name: str) -> None:
        """Nothing happens yet."""
        self.runtime, self.bundle, self.id = runtime, bundle, name
        self.pid_file = bundle.path / "init.pid"
        self._streams: list[tuple[Path, Path]] = []
        self._spawned: list[subprocess.Popen[bytes]] = []

    # -- verbs ---------------------------------------------------------------------------------------------------

    def call(self, verb: str, *words: str, **how: Any) -> Result:
        """`VERB [flags and words] ID`-style call; words are given in full except the verb."""
        return self.runtime.call(verb, *words, **how)

    def make(self, verb: str, *flags: str, check: bool = True, **how: Any) -> Result:
        """create or run -d: the init keeps the outputs, which `output` reads later."""
        self.bundle.save()
        number = len(self._streams)
        out, err = (self.bundle.path / f"{kind}.{number}" for kind in ("out", "err"))
        self._streams.append((out, err))
        words = (verb, "--bundle", str(self.bundle.path), "--pid-file", str(self.pid_file), *flags, self.id)
        with out.open("wb") as out_file, err.open("wb") as err_file:
            rc = self._wait_detached(
                self.runtime.argv(*words, flags=how.pop("globals_", ())), out_file, err_file, **how
            )
        result = Result(list(words), rc, out.read_text(errors="replace"), err.read_text(errors="replace"))
        return result.ok() if check else result

    def _wait_detached(self, argv: list[str], out: IO[bytes], err: IO[bytes], **how: Any) -> int:
        env = {**CLEAN_ENV, **how.pop("env", {})}
        stdin = how.pop("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=err, env=env, **how)
        self._spawned.append(process)
        return process.wait(timeout=CALL_TIMEOUT_S)

    def create(self, *flags: str, check: bool = True, **how: Any) -> Result:
        """Create from the bundle as it is now."""
        return self.make("create", *flags, check=check, **how)

    def start(self, *, check: bool = True) -> Result:
        """Start it."""
        result = self.call("start", self.id)
        return result.ok() if check else result

    def up(self, *flags: str) -> Container:
        """Create and start; returns when the status says running."""
        self.create(*flags)
        self.start()
        return self.wait_for("running")

    def waiting(self, *flags: str) -> Container:
        """A running container whose init waits for signals and prints them."""
        self.bundle.probe("wait")
        self.up(*flags)
        self.wait_for_output("ready")
        return self

    def run(self, *flags: str, **how: Any) -> Result:
        """Run in the foreground to the end; the result is not checked."""
        self.bundle.save()
        return self.call("run", "--bundle", str(self.bundle.path), *flags, self.id, **how)

    def facts(self, *flags: str, **how: Any) -> dict[str, Any]:
        """What `probe facts` says as the container's init."""
        self.bundle.probe("facts")
        facts: dict[str, Any] = self.run(*flags, **how).json()
        return facts

    def answers(self, *words: str) -> Any:
        """JSON that a probe sub-command prints as the container's init."""
        self.bundle.probe(*words)
        return self.run().json()

    def exec(self, *words: str, flags: tuple[str, ...] = (), **how: Any) -> Result:
        """Exec words in the foreground; the result is not checked."""
        return self.call("exec", *flags, self.id, *words, **how)

    def exec_facts(self, *flags: str, **how: Any) -> dict[str, Any]:
        """What `probe facts` says in an exec."""
        facts: dict[str, Any] = self.exec("/probe", "facts", flags=flags, **how).json()
        return facts

    def process_file(self, **fields: Any) -> str:
        """A file for `exec --process`; fields replace those of the container's own process."""
        path = self.bundle.path / f"process.{time.monotonic_ns()}.json"
        path.write_text(json.dumps({**self.bundle.process, **fields}))
        return str(path)

    def kill(self, *words: str) -> Result:
        """Kill; words are the signal, if any."""
        return self.call("kill", self.id, *words)

    def delete(self, *flags: str) -> Result:
        """Delete."""
        return self.call("delete", *flags, self.id)

    def state(self) -> dict[str, Any]:
        """The state as JSON."""
        state: dict[str, Any] = self.call("state", self.id).json()
        return state

    def foreground(self, *flags: str, **streams: Any) -> subprocess.Popen[bytes]:
        """Start `run` and leave it running; ended by `close` if the test does not."""
        self.bundle.save()
        process = self.runtime.spawn("run", "--bundle", str(self.bundle.path), *flags, self.id, **streams)
        self._spawned.append(process)
        return process

    def spawn_exec(self, *words: str, flags: tuple[str, ...] = (), **streams: Any) -> subprocess.Popen[bytes]:
        """Start `exec` and leave it running."""
        process = self.runtime.spawn("exec", *flags, self.id, *words, **streams)
        self._spawned.append(process)
        return process

    def says(self, text: str, crun: str | None = None) -> str:
        """The regex to expect: runc's words, which engines match on; crun's where it has its own."""
        return crun if crun is not None and self.runtime.flavour == "crun" else text

    # -- looking -------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The init's pid, from the pid file."""
        return int(self.pid_file.read_text())

    @property
    def cgroup(self) -> Path:
        """The cgroup directory that the config asks for."""
        path: str = self.bundle.linux.get("cgroupsPath") or f"/{self.id}"
        return CGROUP_MOUNT / path.lstrip("/")

    def status(self) -> str:
        """The status word, or "missing"."""
        result = self.call("state", self.id)
        return str(json.loads(result.out)["status"]) if result.rc == 0 else "missing"

    def wait_for(self, status: str) -> Container:
        """Poll until the status is this one."""
        self._poll(lambda: self.status() == status, f"status {status}")
        return self

    def output(self) -> str:
        """What the init of the last create wrote to standard output so far."""
        return self._streams[-1][0].read_text(errors="replace")

    def error_output(self) -> str:
        """What the init of the last create (and create itself) wrote to standard error so far."""
        return self._streams[-1][1].read_text(errors="replace")

    def wait_for_output(self, text: str) -> str:
        """Poll until the output holds the text; the whole output."""
        self._poll(lambda: text in self.output(), f"output {text!r}")
        return self.output()

    def _poll(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"{self.id}: no {what} after {PATIENCE_S} s"
            time.sleep(0.01)

    def exit_code(self) -> int:
        """Wait for the init as its parent (the engine's subreaper) does; 128+n when signal n ended it."""
        pid = self.pid
        deadline = time.monotonic() + PATIENCE_S
        while (answer := os.waitpid(pid, os.WNOHANG))[0] == 0:
            assert time.monotonic() < deadline, f"init {pid} does not end"
            time.sleep(0.005)
        code = os.waitstatus_to_exitcode(answer[1])
        return code if code >= 0 else 128 - code

    # -- end -----------------------------------------------------------------------------------------------------

    def assert_gone(self) -> None:
        """Nothing of the container is left on the host."""
        reap_orphans()
        relative = str(self.cgroup.relative_to(CGROUP_MOUNT))
        assert_nothing_left(self.id, self.runtime.root, self.bundle.path, relative)

    def refuses_creation(self, pattern: str, *flags: str, **how: Any) -> Result:
        """create must fail with the text, exit code 1, and leave nothing behind."""
        rcs = (1, 255) if self.runtime.flavour == "crun" else (1,)
        result = self.create(*flags, check=False, **how).refused(pattern, *rcs)
        self.assert_gone()
        return result

    def close(self, *, inspect: bool = True) -> None:
        """Force-delete, end what the test started, and demand that nothing is left."""
        if self._streams or self._spawned or (self.runtime.root / self.id).exists():
            self.delete("--force")
        for process in self._spawned:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        if inspect and (self.runtime.flavour, self.runtime.version < (1, 2)) != ("runc", True):
            self.assert_gone()  # runc 1.1 does not wait for what it killed, and at times cannot remove its cgroup


def end_process(pid: int) -> None:
    """SIGKILL and reap a process that reparented to us."""
    kill_quietly(pid)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


SIGNALS = {
    name: getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGCONT")
}
