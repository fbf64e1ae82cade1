"""The runtime under test: one executable, one state root, and the results of calling it."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

CALL_TIMEOUT_S = 60
CLEAN_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
Stream = int | IO[Any] | None


class Result:
    """Exit code and both outputs of one call of the runtime."""

    def __init__(self, argv: list[str], rc: int, out: str, err: str) -> None:
        """All fields are public; `out` and `err` are decoded text."""
        self.argv, self.rc, self.out, self.err = argv, rc, out, err

    def __repr__(self) -> str:
        """What a failing assertion shows."""
        return f"{' '.join(self.argv)} -> {self.rc}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def ok(self) -> Result:
        """This result, asserted to be a success."""
        assert self.rc == 0, repr(self)
        return self

    @property
    def message(self) -> str:
        """Standard error without the quoting that logrus puts around a message."""
        return self.err.replace('\\"', '"')

    def json(self) -> Any:
        """Standard output as JSON, of a successful call."""
        return json.loads(self.ok().out)

    def refused(self, pattern: str, *rcs: int) -> Result:
        """This result, asserted to be a failure with one of the exit codes (1) whose error matches the regex."""
        assert self.rc in (rcs or (1,)), repr(self)
        assert re.search(pattern, self.message), f"no /{pattern}/ in {self!r}"
        assert "Traceback" not in self.err, repr(self)
        return self


class Runtime:
    """An executable that speaks runc's command line, with a state root of its own."""

    def __init__(self, path: Path, root: Path) -> None:
        """`root` is handed over as `--root`; the executable is asked for its version once."""
        self.path, self.root = path, root
        text = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=True).stdout
        self.flavour, self.version = parse_version(text)

    def argv(self, *words: str, flags: tuple[str, ...] = ()) -> list[str]:
        """The full command line of a call."""
        return [str(self.path), "--root", str(self.root), *flags, *words]

    def call(
        self,
        *words: str,
        flags: tuple[str, ...] = (),
        stdin: bytes | int | None = None,
        env: dict[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
        cwd: Path | None = None,
        timeout: float = CALL_TIMEOUT_S,
    ) -> Result:
        """Run to the end with outputs in files, so that a container that keeps them open cannot hold us up.

        `stdin` is what is written there, or a descriptor.
        """
        given = stdin if isinstance(stdin, int) else subprocess.DEVNULL
        argv = self.argv(*words, flags=flags)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if isinstance(stdin, bytes) else given,
                stdout=out,
                stderr=err,
                env={**CLEAN_ENV, **(env or {})},
                pass_fds=pass_fds,
                cwd=cwd,
            )
            try:
                process.communicate(stdin if isinstance(stdin, bytes) else None, timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            return Result(argv, process.returncode, _text(out), _text(err))

    def spawn(
        self,
        *words: str,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.PIPE,
        new_session: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a call and return at once; the caller waits for it."""
        return subprocess.Popen(
            self.argv(*words), stdin=stdin, stdout=stdout, stderr=stderr, env=CLEAN_ENV, start_new_session=new_session
        )


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def parse_version(text: str) -> tuple[str, tuple[int, ...]]:
    """`runc version 1.1.5+ds1` -> ("runc", (1, 1, 5))."""
    match = re.search(r"^(\S+) version v?(\d+(?:\.\d+)*)", text, re.MULTILINE)
    assert match, f"cannot read a version from {text!r}"
    return match[1], tuple(int(number) for number in match[2].split("."))


def next_line(process: subprocess.Popen[bytes], timeout: float = 10) -> str:
    """The next line of the process's standard output, within the time."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], timeout)
    assert ready, f"no line from {process.args!r} within {timeout} s"
    return process.stdout.readline().decode()


def kill_quietly(pid: int) -> None:
    """SIGKILL a process of ours that may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
