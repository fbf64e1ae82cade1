"""Driving a pseudo-terminal: reading until a text appears, typing, resizing."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import termios
import time

TIMEOUT_S = 15.0


def set_size(fd: int, rows: int, cols: int) -> None:
    """TIOCSWINSZ."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class Terminal:
    """The master side; `seen` collects everything that was read."""

    def __init__(self, master: int, slave: int = -1) -> None:
        """Owns both descriptors."""
        self.master, self.slave, self.seen = master, slave, ""

    @classmethod
    def open(cls, rows: int = 24, cols: int = 80) -> Terminal:
        """A fresh pair, for a runtime to be started on the slave."""
        master, slave = pty.openpty()
        set_size(slave, rows, cols)
        return cls(master, slave)

    def type(self, text: str) -> None:
        """Send text as if typed."""
        os.write(self.master, text.encode())

    def expect(self, text: str) -> str:
        """Read until the text has appeared; everything seen so far."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} on the terminal, only {self.seen!r}"
            if not self._read_some(0.2):
                assert text in self.seen, f"the terminal closed without {text!r}: {self.seen!r}"
        return self.seen

    def drain(self) -> str:
        """Read to the end of the terminal's life; everything seen."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline and self._read_some(0.2):
            pass
        return self.seen

    def _read_some(self, patience_s: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], patience_s)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def close_slave(self) -> None:
        """Give up our end of the slave once a child has it, so that the end can be seen."""
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def close(self) -> None:
        """Close both sides."""
        self.close_slave()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
