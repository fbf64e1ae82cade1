"""Docker's and podman's form of a profile, resolved as the engines resolve it."""

from typing import Any

import pytest

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch
from runtime.seccomp.engine_profile import Circumstances, is_engine_profile, parse_kernel, resolve_profile

PROFILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrno": "ENOSYS",
    "archMap": [
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
    ],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": None, "comment": "", "includes": {}, "excludes": {}},
        {"name": "ptrace", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT", "CAP_SYS_ADMIN"]}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390x"]}},
        {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errno": "EPERM", "excludes": {"minKernel": "6.0"}},
    ],
}


def resolve(machine: str, kernel: str, *capabilities: str) -> dict[str, Any]:
    """The section for given circumstances."""
    native = find_arch(machine)
    assert native is not None
    return resolve_profile(PROFILE, Circumstances(native, frozenset(capabilities), parse_kernel(kernel)))


def names(section: dict[str, Any]) -> list[str]:
    """The calls that have rules."""
    return [name for rule in section["syscalls"] for name in rule["names"]]


@pytest.mark.parametrize(
    ("machine", "kernel", "capabilities", "wanted"),
    [
        ("x86_64", "6.1.0-13-amd64", (), ["read", "ptrace", "arch_prctl", "clone"]),
        ("x86_64", "4.7", (), ["read", "arch_prctl", "clone", "bpf"]),
        ("aarch64", "6.1", (), ["read", "ptrace", "clone"]),
        ("s390x", "6.1", (), ["read", "ptrace"]),
        ("aarch64", "6.1", ("CAP_SYS_ADMIN",), ["read", "ptrace"]),
        ("aarch64", "6.1", ("CAP_SYS_ADMIN", "CAP_SYS_CHROOT"), ["read", "ptrace", "chroot"]),
    ],
)
def test_rules_that_apply(machine: str, kernel: str, capabilities: tuple[str, ...], wanted: list[str]) -> None:
    """All of what a rule includes, none of what it excludes."""
    assert names(resolve(machine, kernel, *capabilities)) == wanted


def test_what_becomes_of_the_engines_keys() -> None:
    """The map becomes the machine's list, errno names become numbers, nothing else is left."""
    section = resolve("x86_64", "5.0")
    assert section["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert section["defaultErrnoRet"] == 38
    assert section["syscalls"][-1] == {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    assert resolve("riscv64", "5.0")["architectures"] == []


def test_which_form_a_document_has() -> None:
    """A section of a config has neither map nor conditions on rules."""
    assert is_engine_profile(PROFILE)
    assert is_engine_profile({"syscalls": [{"name": "read"}]})
    assert not is_engine_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]})


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"architectures": ["SCMP_ARCH_X86"]}, "/archMap"),
        ({"defaultErrno": "ENOTHING"}, "/defaultErrno"),
        ({"syscalls": [{"name": "read", "names": ["write"]}]}, "/syscalls/0/name"),
        ({"syscalls": [{"names": ["write"], "includes": {"minKernel": "new"}}]}, "/syscalls/0/minKernel"),
        ({"syscalls": [{"names": ["write"], "includes": {"minKernel": "5.x"}}]}, "/syscalls/0/minKernel"),
        ({"syscalls": [{"names": ["write"], "includes": {"minKernel": "5.1rc"}}]}, ""),
    ],
)
def test_contradictions(change: dict[str, Any], pointer: str) -> None:
    """Refused, by pointer; what follows a kernel's minor version does not matter."""
    native = find_arch("x86_64")
    assert native is not None
    facts = Circumstances(native, frozenset(), (6, 1))
    if not pointer:
        assert names(resolve_profile({**PROFILE, **change}, facts)) == ["write"]
        return
    with pytest.raises(FilterError) as caught:
        resolve_profile({**PROFILE, **change}, facts)
    assert caught.value.violations[0][0] == pointer
