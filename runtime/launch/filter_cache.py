"""Compiled seccomp programs kept between runs, by the hash of what they were compiled from.

A hit saves loading and running the compiler.  What comes out of the cache is loaded into containers, so a directory or file that
somebody else could have written is not used, and every fault of the cache only means that the section is compiled.
"""

import posix
from _struct import Struct

from runtime.seccomp.program import Filter

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
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
_OTHERS_WRITE = 0o022
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


def default_directory() -> str | None:
    """Where programs are kept: /run for root, $XDG_RUNTIME_DIR for others, nowhere without one."""
    if posix.geteuid() == 0:
        return "/run/postern-filters"
    runtime_dir = posix.environ.get(b"XDG_RUNTIME_DIR", b"").decode("utf-8", "surrogateescape")
    return f"{runtime_dir}/postern-filters" if runtime_dir[:1] == "/" else None


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
    """A directory of compiled filters that only we can write to."""

    __slots__ = ("fd",)

    def __init__(self, path: str) -> None:
        """Open the directory, making it when missing; `fd` is -1 when it cannot be trusted or had."""
        self.fd = _open_trusted(path)

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
            if not _is_ours(status) or status.st_mode & _TYPE_MASK != _REGULAR or status.st_size > MAX_BYTES:
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


def _is_ours(status: posix.stat_result) -> bool:
    return status.st_uid == posix.geteuid() and not status.st_mode & _OTHERS_WRITE


def _open_trusted(path: str) -> int:
    try:
        fd = posix.open(path, _DIRECTORY)
    except FileNotFoundError:
        try:
            posix.mkdir(path, 0o700)
        except OSError:
            pass
        try:
            fd = posix.open(path, _DIRECTORY)
        except OSError:
            return -1
    except OSError:
        return -1
    try:
        trusted = _is_ours(posix.fstat(fd))
    except OSError:
        trusted = False
    if not trusted:
        posix.close(fd)
        return -1
    return fd


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
    sections: "Section | Sequence[Section]", arch: str, directory: str | None = None, identity: str | None = None
) -> Filter:
    """The program of a seccomp section, or of several that hold together, from the cache when the same compiler made it before.

    Each call gets the strictest verdict of all sections.  `directory` and `identity` (of the compiler) are found out when not
    given.  Raises: FilterError.
    """
    if isinstance(sections, dict):
        sections = (sections,)
    identity = identity or compiler_identity()
    directory = directory or default_directory()
    if not directory or not identity:
        return _compile(sections, arch)
    key = cache_key(tuple(sections), arch, identity)
    cache = FilterCache(directory)
    found = cache.get(key)
    if found is None:
        found = _compile(sections, arch)
        cache.put(key, found)
    cache.close()
    return found


def _compile(sections: "Sequence[Section]", arch: str) -> Filter:
    from runtime.seccomp.compile import compile_profiles

    return compile_profiles(sections, arch)
