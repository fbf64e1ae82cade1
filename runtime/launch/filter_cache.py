"""Compiled seccomp programs kept between runs below the state root, by the hash of what they were compiled from.

A hit saves loading and running the compiler.  What comes out of the cache is loaded into containers, so a directory or file that
somebody else could have written is not used, and every fault of the cache only means that the section is compiled.
"""

import posix
from _struct import Struct

from runtime.seccomp.program import Filter
from runtime.state.reserved import FILTERS, is_ours, open_reserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Section = dict[str, Any]

MAGIC = b"postern filter 1\n"
_DIGEST_SIZE = 64
_BODY = Struct("<q?I")  # flags (-1: not said), notify, size of the program
MAX_FILES = 256
MAX_BYTES = 1 << 20
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
_TYPE_MASK, _REGULAR = 0o170000, 0o100000


def _sha256(data: bytes) -> str:
    try:
        module = __import__("_sha256")  # hashlib loads OpenSSL; the interpreter's own is enough
    except ImportError:
        module = __import__("_sha2")  # Python 3.12 and later
    digest: str = module.sha256(data).hexdigest()
    return digest


def cache_key(sections: "tuple[Section, ...]", arch: str, compiler: str) -> str:
    """The name of what sections were compiled to: depends on their content and order, the architecture and the compiler alone."""
    from marshal import dumps

    # format 2: no references and no interning marks, so equal data gives equal bytes in every process
    return _sha256(dumps((sections, arch, compiler), 2))


def encode_filter(compiled: Filter) -> bytes:
    """A compiled filter as the content of a cache file: magic, hash of the rest, flags, notify, program, warnings."""
    flags = -1 if compiled.flags is None else compiled.flags
    head = _BODY.pack(flags, compiled.notify, len(compiled.program))
    body = head + compiled.program + "\n".join(compiled.warnings).encode("utf-8", "replace")
    return MAGIC + _sha256(body).encode() + b"\n" + body


def decode_filter(data: bytes) -> Filter | None:
    """The filter in a cache file's content; None when it is not whole."""
    start = len(MAGIC) + _DIGEST_SIZE + 1
    body = data[start:]
    if len(body) < _BODY.size or data[:start] != MAGIC + _sha256(body).encode() + b"\n":
        return None
    flags, notify, size = _BODY.unpack_from(body)
    program = body[_BODY.size : _BODY.size + size]
    warnings = body[_BODY.size + size :].decode()
    if len(program) != size:
        return None
    return Filter(program, None if flags < 0 else flags, notify, tuple(warnings.split("\n")) if warnings else ())


class FilterCache:
    """The compiled filters below a state root, which only we can write to."""

    __slots__ = ("fd",)

    def __init__(self, root: str) -> None:
        """Open the directory, making it when missing; `fd` is -1 when it cannot be trusted or had."""
        self.fd = open_reserved(root, FILTERS)

    def close(self) -> None:
        """Give the directory up."""
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1

    def get(self, key: str) -> Filter | None:
        """The filter kept under this key, None when there is none that can be trusted."""
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
            return decode_filter(posix.read(fd, status.st_size + 1))
        except OSError:
            return None
        finally:
            posix.close(fd)

    def put(self, key: str, compiled: Filter) -> None:
        """Keep a filter: whole or not at all, and never more than MAX_FILES of them."""
        if self.fd < 0:
            return
        temporary = f".{key[:16]}.{posix.getpid()}"
        try:
            self._make_room()
            fd = posix.open(temporary, _WRITE, 0o600, dir_fd=self.fd)
        except OSError:
            return
        try:
            data = encode_filter(compiled)
            whole = posix.write(fd, data) == len(data)
            if whole:
                posix.rename(temporary, key, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except OSError:
            whole = False
        finally:
            posix.close(fd)
        if not whole:
            self._remove(temporary)

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


def compiler_identity() -> str:
    """What changes whenever the compiler's code may have: the identity of the file that holds it.

    That is the planner's own program where its modules are frozen, else the bundle; "" when single files are run.
    """
    import sys

    from runtime import seccomp

    frozen = getattr(seccomp, "__file__", None) is None
    path = "/proc/self/exe" if frozen else sys.argv[0] if sys.argv else ""
    if not (frozen or path.endswith(".pyc")):
        return ""
    try:
        status = posix.stat(path)
    except OSError:
        return ""
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def compiled_filter(
    sections: "Section | Sequence[Section]", arch: str, root: str, identity: str | None = None
) -> Filter:
    """The program of a seccomp section, or of several that hold together, from the cache when the same compiler made it before.

    Each call gets the strictest verdict of all sections.  `root` is the state root that the cache lies under; the compiler's
    `identity` is found out when not given.  Raises: FilterError.
    """
    if isinstance(sections, dict):
        sections = (sections,)
    identity = identity or compiler_identity()
    if not identity:
        return _compile(sections, arch)
    key = cache_key(tuple(sections), arch, identity)
    cache = FilterCache(root)
    try:
        found = cache.get(key)
        if found is None:
            found = _compile(sections, arch)
            cache.put(key, found)
    finally:
        cache.close()
    return found


def _compile(sections: "Sequence[Section]", arch: str) -> Filter:
    from runtime.seccomp.compile import compile_profiles

    return compile_profiles(sections, arch)
