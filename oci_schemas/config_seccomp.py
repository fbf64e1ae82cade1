"""config.json `linux.seccomp`: the system call filter, in the order of the page.

Source: config-linux.md#seccomp.
"""

from typing import Annotated, Literal

from pydantic import Field

from oci_schemas.document import OciObject
from oci_schemas.scalars import U32, U64, OptionalAbsolutePath, Text

SeccompAction = Literal[
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
]
SeccompArch = Literal[
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",
]
SeccompFlag = Literal[
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
]
SeccompOperator = Literal[
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
]


class SyscallArg(OciObject):
    """One condition on a system call argument; `valueTwo` is the datum of MASKED_EQ.

    Source: config-linux.md#seccomp.
    """

    index: Annotated[int, Field(strict=True, ge=0, le=5)]
    value: U64
    valueTwo: U64 | None = None
    op: SeccompOperator


class Syscall(OciObject):
    """What to do on some system calls when every condition holds.

    Source: config-linux.md#seccomp.
    """

    names: Annotated[list[Text], Field(min_length=1)]
    action: SeccompAction
    errnoRet: U32 | None = None
    args: list[SyscallArg] | None = None


class Seccomp(OciObject):
    """The filter: a default action, the architectures it covers, and its rules.

    `flags` null or absent and `flags` empty differ: the first leaves the choice to the runtime.
    Source: config-linux.md#seccomp.
    """

    defaultAction: SeccompAction
    defaultErrnoRet: U32 | None = None
    architectures: list[SeccompArch] | None = None
    flags: list[SeccompFlag] | None = None
    listenerPath: OptionalAbsolutePath | None = None
    listenerMetadata: Text | None = None
    syscalls: list[Syscall] | None = None
