"""A file system of the test's own that takes its time: files whose opening is answered when the test says so, by the kernel's FUSE.

Source: include/uapi/linux/fuse.h, protocol 7.31.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import subprocess
import sys
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Self

import pytest

from integration.framework import hierarchy

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH = 1, 2, 3, 14, 15, 17, 18, 25
INIT, INTERRUPT, BATCH_FORGET = 26, 36, 42
NO_ANSWER = (FORGET, INTERRUPT, BATCH_FORGET)
CONTENT = b"at last\n"
ROOT, SLOW, FAST = 1, 2, 3
NAMES = {b"slow": SLOW, b"fast": FAST}
FOREVER = 1 << 30  # seconds that the kernel may keep what it was told
OPENED = bytes(16)

IN = Struct("<IIQQIIIHH")
OUT = Struct("<IiQ")
STARTED = Struct("<IIIIHHIIHHI7I")
ATTRIBUTES = Struct("<6Q10I")


def _attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
    return ATTRIBUTES.pack(node, len(CONTENT), 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


class SlowFiles:
    """Mounted at `place` for the length of a block: `fast` is a file like others, opening `slow` waits for `release`.

    A process of its own answers, so that nobody waits for ever when the test ends badly: with it the file system ends.
    """

    def __init__(self, place: Path) -> None:
        """Nothing is mounted yet."""
        self.place = place
        self.waiting = 0

    def __enter__(self) -> Self:
        try:
            fd = os.open("/dev/fuse", os.O_RDWR)
        except OSError:
            pytest.skip("this host has no FUSE")
        self.place.mkdir(parents=True)
        hierarchy.mount("slow", self.place, "fuse", 0, f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other")
        words = [sys.executable, "-B", "-m", "integration.framework.slow_files", str(fd)]
        self._server = subprocess.Popen(
            words,
            pass_fds=(fd,),
            cwd=Path(__file__).parents[2],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        os.close(fd)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.kill()
        self._server.communicate()
        hierarchy.unmount(self.place)

    def await_opens(self, count: int) -> None:
        """Until so many opens wait; half a minute at most."""
        assert self._server.stdout is not None
        while self.waiting < count:
            assert select.select([self._server.stdout], [], [], 30)[0], f"{self.waiting} opens wait"
            self.waiting += len(os.read(self._server.stdout.fileno(), 1))

    def release(self) -> None:
        """Answer those that wait, and all that come."""
        assert self._server.stdin is not None
        self._server.stdin.write(b"x")


class Server:
    """What answers the kernel."""

    def __init__(self, fd: int) -> None:
        """`fd` is of /dev/fuse, mounted."""
        self._fd = fd
        self._held: list[int] = []
        self._released = False

    def run(self) -> None:
        """Until the caller has ended."""
        while True:
            ready = select.select([self._fd, 0], [], [])[0]
            if 0 in ready:
                if not os.read(0, 1):
                    return
                self._released = True
                while self._held:
                    self._answer(self._held.pop(), OPENED)
            if self._fd in ready:
                self._serve()

    def _answer(self, unique: int, data: bytes = b"", error: int = 0) -> None:
        try:
            os.write(self._fd, OUT.pack(OUT.size + len(data), -error, unique) + data)
        except FileNotFoundError:
            pass  # who asked was killed meanwhile

    def _serve(self) -> None:
        request = os.read(self._fd, 1 << 17)
        _size, code, unique, node, *_rest = IN.unpack_from(request)
        if code in NO_ANSWER:
            return
        if code == OPEN and node == SLOW and not self._released:
            self._held.append(unique)
            os.write(1, b"x")
            return
        data = self._reply(code, node, request[IN.size :])
        if data is None:
            self._answer(unique, error=errno.ENOENT if code == LOOKUP else errno.ENOSYS)
        else:
            self._answer(unique, data)

    def _reply(self, code: int, node: int, body: bytes) -> bytes | None:
        if code == INIT:
            return STARTED.pack(7, 31, 65536, 0, 16, 12, 65536, 1, 16, 0, 0, *[0] * 7)
        if code == GETATTR:
            return Struct("<QII").pack(FOREVER, 0, 0) + _attributes(node)
        if code == LOOKUP:
            found = NAMES.get(body.rstrip(b"\0"))
            return (
                None if found is None else Struct("<4Q2I").pack(found, 0, FOREVER, FOREVER, 0, 0) + _attributes(found)
            )
        if code == STATFS:
            return Struct("<5Q10I").pack(1, 0, 0, 3, 0, 4096, 255, 4096, *[0] * 7)
        if code == READ:
            return CONTENT[Struct("<QQ").unpack_from(body)[1] :]
        return OPENED if code == OPEN else b"" if code in (RELEASE, FLUSH) else None


if __name__ == "__main__":
    Server(int(sys.argv[1])).run()
