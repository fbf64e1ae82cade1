"""Compiled seccomp programs kept between runs below the state root, by the hash of what they were compiled from.

A hit saves loading and running the compiler, and every fault of what is kept only means that the section is compiled.
"""

import posix
from _struct import Struct

from runtime.seccomp.program import Filter
from runtime.state.kept import Kept, digest
from runtime.state.reserved import FILTERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Section = dict[str, Any]

MAGIC = b"postern filter 3\n"
_BUNDLE, _PLANNER = "postern.pyc", "planner"  # lie beside each other
_HEAD = Struct("<q?I")  # flags (-1: not said), notify, size of the program


def cache_key(sections: "tuple[Section, ...]", arch: str, compiler: str) -> str:
    """The name of what sections were compiled to: depends on their content and order, the architecture and the compiler alone."""
    from marshal import dumps

    # format 2: no references and no interning marks, so equal data gives equal bytes in every process
    return digest(dumps((sections, arch, compiler), 2))


def encode_filter(compiled: Filter) -> bytes:
    """A compiled filter as it is kept: flags, notify, program, warnings."""
    flags = -1 if compiled.flags is None else compiled.flags
    head = _HEAD.pack(flags, compiled.notify, len(compiled.program))
    return head + compiled.program + "\n".join(compiled.warnings).encode("utf-8", "replace")


def decode_filter(data: bytes) -> Filter | None:
    """What `encode_filter` made; None when it cannot be that."""
    if len(data) < _HEAD.size:
        return None
    flags, notify, size = _HEAD.unpack_from(data)
    program = data[_HEAD.size : _HEAD.size + size]
    if len(program) != size:
        return None
    warnings = data[_HEAD.size + size :].decode("utf-8", "replace")
    return Filter(program, None if flags < 0 else flags, notify, tuple(warnings.split("\n")) if warnings else ())


def compiler_identity() -> str:
    """What changes whenever the compiler's code may have: the identity of the file that holds it.

    That is the bundle, and the planner's own program beside it where there is one, whichever of the two is running: what one of
    them kept serves the other.  "" when single files are run, or nothing can be said.
    """
    import sys

    from runtime import seccomp

    try:
        if getattr(seccomp, "__file__", None) is None:  # frozen
            directory = posix.readlink("/proc/self/exe").rpartition("/")[0]
            bundle, planner = f"{directory}/{_BUNDLE}", "/proc/self/exe"
        else:
            bundle = sys.argv[0] if sys.argv else ""
            planner = f"{bundle.rpartition('/')[0] or '.'}/{_PLANNER}"
        return f"{_identity(bundle)} {_identity(planner)}" if bundle.endswith(".pyc") else ""
    except OSError:
        return ""


def _identity(path: str) -> str:
    """What is another for every file, "-" for none; raises OSError where a file may be there all the same."""
    try:
        status = posix.stat(path)
    except FileNotFoundError:
        return "-"
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
    kept = Kept(root, FILTERS, MAGIC)
    try:
        data = kept.get(key)
        found = decode_filter(data) if data is not None else None
        if found is None:
            found = _compile(sections, arch)
            kept.put(key, encode_filter(found))
    finally:
        kept.close()
    return found


def _compile(sections: "Sequence[Section]", arch: str) -> Filter:
    from runtime.seccomp.compile import compile_profiles

    return compile_profiles(sections, arch)
