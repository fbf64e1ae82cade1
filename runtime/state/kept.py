"""HOT: results kept between runs in a directory of the runtime's own below the state root, by a hash of what they were made from.

What comes back was written by us or root and is whole; everything else counts as not there, and every fault only means that the
work is done again.
"""

import posix
from binascii import crc32

from runtime.state.reserved import is_ours, open_reserved

MAX_FILES = 256
MAX_BYTES = 1 << 20
_SUM_SIZE = 16
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
_TYPE_MASK, _REGULAR = 0o170000, 0o100000


def digest(data: bytes) -> str:
    """The BLAKE2b hash (256 bits) in hexadecimal: names what is kept.  Cheaper than the interpreter's own SHA-256."""
    from _blake2 import blake2b  # hashlib loads OpenSSL; the interpreter's own is enough

    return blake2b(data, digest_size=32).hexdigest()


def _sum(body: bytes) -> bytes:
    """Length and CRC-32: finds what was cut or damaged.  Nobody who could replace the file could not replace any digest as well."""
    return b"%08x%08x" % (len(body), crc32(body))


class Kept:
    """One such directory; close it after use."""

    __slots__ = ("fd", "magic")

    def __init__(self, root: str, name: str, magic: bytes) -> None:
        """Open `<root>/<name>`, making it when missing; `magic` begins every file and names its format."""
        self.fd = open_reserved(root, name)  # -1: it cannot be trusted or had
        self.magic = magic

    def close(self) -> None:
        """Give the directory up."""
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1

    def get(self, key: str) -> bytes | None:
        """What was put under this key; None when nothing whole and trustworthy is there."""
        if self.fd < 0:
            return None
        try:
            fd = posix.open(key, _READ, dir_fd=self.fd)
        except OSError:
            return None
        try:
            status = posix.fstat(fd)
            if not is_ours(status) or status.st_mode & _TYPE_MASK != _REGULAR or status.st_size > MAX_BYTES:
                return None
            return self._body(posix.read(fd, status.st_size + 1))
        except OSError:
            return None
        finally:
            posix.close(fd)

    def _body(self, data: bytes) -> bytes | None:
        start = len(self.magic) + _SUM_SIZE
        body = data[start:]
        return body if data[:start] == self.magic + _sum(body) else None

    def put(self, key: str, body: bytes) -> bool:
        """Keep it: whole or not at all, and never more than MAX_FILES of them.  False when that did not work."""
        if self.fd < 0 or len(body) > MAX_BYTES // 2:
            return False
        temporary = f".{key[:16]}.{posix.getpid()}"
        data = self.magic + _sum(body) + body
        try:
            self._make_room()
            fd = posix.open(temporary, _WRITE, 0o600, dir_fd=self.fd)
        except OSError:
            return False
        try:
            whole = posix.write(fd, data) == len(data)
            if whole:
                posix.rename(temporary, key, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except OSError:
            whole = False
        finally:
            posix.close(fd)
        if not whole:
            self._remove(temporary)
        return whole

    def _remove(self, name: str) -> None:
        try:
            posix.unlink(name, dir_fd=self.fd)
        except OSError:
            return  # gone already, or it stays as one of MAX_FILES

    def _make_room(self) -> None:
        names = posix.listdir(self.fd)
        if len(names) < MAX_FILES:
            return
        ages = [(posix.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mtime_ns, name) for name in names]
        for _, name in sorted(ages)[: len(names) // 2]:
            self._remove(name)
