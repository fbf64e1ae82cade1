"""libseccomp as a judge: the program that runc's way of calling it would make, without runc's ENOSYS stub."""

import ctypes
import ctypes.util
import os
from typing import Any

from runtime.seccomp.arches import ARCHES
from tests.runtime.seccomp.reference import alternatives, verdict_of

EEXIST = -17
OPERATORS = {
    name: number
    for number, name in enumerate(
        (
            "SCMP_CMP_NE",
            "SCMP_CMP_LT",
            "SCMP_CMP_LE",
            "SCMP_CMP_EQ",
            "SCMP_CMP_GE",
            "SCMP_CMP_GT",
            "SCMP_CMP_MASKED_EQ",
        ),
        start=1,
    )
}


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def load() -> ctypes.CDLL | None:
    """The library, or None where it is not installed."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


class Contradiction(Exception):
    """libseccomp refuses a rule: the same condition has another action already."""


def compile_section(library: ctypes.CDLL, section: dict[str, Any], native: str) -> bytes:
    """The program for a machine of architecture `native` (an SCMP_ARCH_* token)."""
    default = verdict_of(section, "defaultAction", "defaultErrnoRet")
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    assert context.value
    try:
        own = library.seccomp_arch_native
        own.restype = ctypes.c_uint32
        if own() != _token(native):
            assert library.seccomp_arch_remove(context, ctypes.c_uint32(own())) == 0
        for token in (native, *(section.get("architectures") or ())):
            assert library.seccomp_arch_add(context, ctypes.c_uint32(_token(token))) in (0, EEXIST)
        for names, conditions, verdict in alternatives(section, default):
            for name in names:
                _add(library, context, name, (conditions, verdict))
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _token(token: str) -> int:
    """libseccomp's number for an architecture: the kernel's, but x32 keeps the 32-bit form of x86_64's."""
    return 0x4000003E if token == "SCMP_ARCH_X32" else ARCHES[token][0]


def _add(library: ctypes.CDLL, context: ctypes.c_void_p, name: str, rule: tuple[list[dict[str, Any]], int]) -> None:
    conditions, verdict = rule
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == -1:
        return
    comparisons = (_Comparison * max(1, len(conditions)))(
        *[_Comparison(one["index"], OPERATORS[one["op"]], one["value"], one.get("valueTwo") or 0) for one in conditions]
    )
    result = library.seccomp_rule_add_array(
        context, ctypes.c_uint32(verdict), ctypes.c_int(number), ctypes.c_uint(len(conditions)), comparisons
    )
    if result == EEXIST:
        raise Contradiction(name)
    assert result == 0, (name, result)


def _export(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    descriptor = os.memfd_create("filter")
    try:
        assert library.seccomp_export_bpf(context, ctypes.c_int(descriptor)) == 0
        return os.pread(descriptor, 1 << 20, 0)
    finally:
        os.close(descriptor)
