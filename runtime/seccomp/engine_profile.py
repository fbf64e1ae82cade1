"""Docker's and podman's form of a seccomp profile into the OCI's: rules that hold for some capabilities, machines and kernels only.

Such a profile has `archMap` in place of `architectures`, and its rules carry `includes` and `excludes`.  The engines resolve these
when they write a config; this does the same for people who look at the profile itself.
"""

import errno

from runtime.errors import FilterError
from runtime.record import record
from runtime.seccomp.arches import Arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# what the engines call the architectures in includes and excludes
ENGINE_NAMES = {
    "SCMP_ARCH_X86_64": "amd64",
    "SCMP_ARCH_X86": "x86",
    "SCMP_ARCH_X32": "x32",
    "SCMP_ARCH_AARCH64": "arm64",
    "SCMP_ARCH_ARM": "arm",
    "SCMP_ARCH_LOONGARCH64": "loong64",
    "SCMP_ARCH_MIPS": "mips",
    "SCMP_ARCH_MIPS64": "mips64",
    "SCMP_ARCH_MIPS64N32": "mips64n32",
    "SCMP_ARCH_MIPSEL": "mipsel",
    "SCMP_ARCH_MIPSEL64": "mips64le",
    "SCMP_ARCH_MIPSEL64N32": "mipsel64n32",
    "SCMP_ARCH_PPC64LE": "ppc64le",
    "SCMP_ARCH_RISCV64": "riscv64",
    "SCMP_ARCH_S390X": "s390x",
    "SCMP_ARCH_S390": "s390",
}
ENGINE_KEYS = ("includes", "excludes", "name", "errno")


@record
class Circumstances:
    """What the rules of such a profile depend on; `kernel` is (major, minor)."""

    native: Arch
    capabilities: frozenset[str]
    kernel: tuple[int, int]


def is_engine_profile(document: "dict[str, Any]") -> bool:
    """Whether a document is of the engines' form rather than the OCI's."""
    rules = document.get("syscalls") or ()
    return "archMap" in document or any(key in rule for rule in rules for key in ENGINE_KEYS)


def rules_that_apply(document: "dict[str, Any]", facts: Circumstances) -> list[int]:
    """Which of the document's rules a resolved section has, in order."""
    return [index for index, rule in enumerate(document.get("syscalls") or ()) if applies(rule, facts)]


def resolve_profile(document: "dict[str, Any]", facts: Circumstances) -> "dict[str, Any]":
    """The OCI section that an engine would write.  Raises: FilterError with every contradiction in the document."""
    wrong: list[tuple[str, str]] = []
    section: dict[str, Any] = {
        key: document[key] for key in ("defaultAction", "defaultErrnoRet", "flags") if key in document
    }
    if document.get("defaultErrnoRet") is None and document.get("defaultErrno"):
        section["defaultErrnoRet"] = _errno(document["defaultErrno"], "/defaultErrno", wrong)
    if document.get("architectures") and document.get("archMap"):
        wrong.append(("/archMap", "cannot stand beside architectures"))
    section["architectures"] = list(document.get("architectures") or ())
    for entry in document.get("archMap") or ():
        if entry.get("architecture") == facts.native.token:
            section["architectures"] = [facts.native.token, *(entry.get("subArchitectures") or ())]
    section["syscalls"] = []
    for index, rule in enumerate(document.get("syscalls") or ()):
        found = _rule(index, rule, wrong)
        try:
            if applies(rule, facts):
                section["syscalls"].append(found)
        except FilterError as error:
            wrong += [(f"/syscalls/{index}{pointer}", text) for pointer, text in error.violations]
    if wrong:
        raise FilterError(wrong)
    return section


def applies(rule: "dict[str, Any]", facts: Circumstances) -> bool:
    """Whether a rule holds: none of what it excludes, all of what it includes."""
    excludes, includes = rule.get("excludes") or {}, rule.get("includes") or {}
    machine = ENGINE_NAMES.get(facts.native.token, "")
    if machine in (excludes.get("arches") or ()) or facts.capabilities.intersection(excludes.get("caps") or ()):
        return False
    if excludes.get("minKernel") and facts.kernel >= parse_kernel(excludes["minKernel"]):
        return False
    if includes.get("arches") and machine not in includes["arches"]:
        return False
    if not facts.capabilities.issuperset(includes.get("caps") or ()):
        return False
    return not includes.get("minKernel") or facts.kernel >= parse_kernel(includes["minKernel"])


def parse_kernel(text: str) -> tuple[int, int]:
    """Major and minor of a kernel version, whatever follows.  Raises: FilterError."""
    parts = text.split(".")
    minor = ""
    for char in parts[1] if len(parts) > 1 else "":
        if not char.isdigit():
            break
        minor += char
    if not parts[0].isdigit() or not minor:
        raise FilterError([("/minKernel", f"{text!r} is not a kernel version")])
    return int(parts[0]), int(minor)


def _rule(index: int, rule: "dict[str, Any]", wrong: list[tuple[str, str]]) -> "dict[str, Any]":
    found = {key: rule[key] for key in ("names", "action", "errnoRet", "args") if rule.get(key) is not None}
    if rule.get("name"):
        if found.get("names"):
            wrong.append((f"/syscalls/{index}/name", "cannot stand beside names"))
        found["names"] = [rule["name"]]
    if "errnoRet" not in found and rule.get("errno"):
        found["errnoRet"] = _errno(rule["errno"], f"/syscalls/{index}/errno", wrong)
    return found


def _errno(name: str, at: str, wrong: list[tuple[str, str]]) -> int:
    number = getattr(errno, name, None)
    if not isinstance(number, int):
        wrong.append((at, f"unknown errno {name!r}"))
        return 0
    return number
