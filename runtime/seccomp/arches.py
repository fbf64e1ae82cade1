"""The architectures of the OCI's seccomp section: what the kernel calls them, how wide and in which order their words are.

Data only.  `SCMP_ARCH_X32` shares its audit number with x86_64; its system call numbers carry bit 30.
Source: config-linux.md#seccomp, linux/audit.h.
"""

from runtime.record import record


@record
class Arch:
    """One architecture; `multiplexed` says that the kernel also takes socket and ipc calls through one number each."""

    token: str
    audit: int
    bits: int
    big_endian: bool
    table: str
    multiplexed: bool


# token: (AUDIT_ARCH_*, bits of an argument, big endian, module below tables/, socketcall and ipc exist)
ARCHES = {
    "SCMP_ARCH_X86": (0x40000003, 32, False, "x86", True),
    "SCMP_ARCH_X86_64": (0xC000003E, 64, False, "x86_64", False),
    "SCMP_ARCH_X32": (0xC000003E, 32, False, "x32", False),
    "SCMP_ARCH_ARM": (0x40000028, 32, False, "arm", False),
    "SCMP_ARCH_AARCH64": (0xC00000B7, 64, False, "aarch64", False),
    "SCMP_ARCH_LOONGARCH64": (0xC0000102, 64, False, "loongarch64", False),
    "SCMP_ARCH_M68K": (0x00000004, 32, True, "m68k", True),
    "SCMP_ARCH_MIPS": (0x00000008, 32, True, "mips", True),
    "SCMP_ARCH_MIPS64": (0x80000008, 64, True, "mips64", False),
    "SCMP_ARCH_MIPS64N32": (0xA0000008, 32, True, "mips64n32", False),
    "SCMP_ARCH_MIPSEL": (0x40000008, 32, False, "mips", True),
    "SCMP_ARCH_MIPSEL64": (0xC0000008, 64, False, "mips64", False),
    "SCMP_ARCH_MIPSEL64N32": (0xE0000008, 32, False, "mips64n32", False),
    "SCMP_ARCH_PPC": (0x00000014, 32, True, "ppc", True),
    "SCMP_ARCH_PPC64": (0x80000015, 64, True, "ppc64", True),
    "SCMP_ARCH_PPC64LE": (0xC0000015, 64, False, "ppc64", True),
    "SCMP_ARCH_S390": (0x00000016, 32, True, "s390", True),
    "SCMP_ARCH_S390X": (0x80000016, 64, True, "s390x", True),
    "SCMP_ARCH_SH": (0x4000002A, 32, False, "sh", True),
    "SCMP_ARCH_SHEB": (0x0000002A, 32, True, "sh", True),
    "SCMP_ARCH_PARISC": (0x0000000F, 32, True, "parisc", False),
    "SCMP_ARCH_PARISC64": (0x8000000F, 64, True, "parisc64", False),
    "SCMP_ARCH_RISCV64": (0xC00000F3, 64, False, "riscv64", False),
}

# what uname(2) calls a machine; mips and mips64 do not tell their byte order there, so their callers pass the token
MACHINES = {
    "x86_64": "SCMP_ARCH_X86_64",
    "i386": "SCMP_ARCH_X86",
    "i486": "SCMP_ARCH_X86",
    "i586": "SCMP_ARCH_X86",
    "i686": "SCMP_ARCH_X86",
    "aarch64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
    "armv6l": "SCMP_ARCH_ARM",
    "armv7l": "SCMP_ARCH_ARM",
    "armv8l": "SCMP_ARCH_ARM",
    "loongarch64": "SCMP_ARCH_LOONGARCH64",
    "m68k": "SCMP_ARCH_M68K",
    "parisc": "SCMP_ARCH_PARISC",
    "parisc64": "SCMP_ARCH_PARISC64",
    "ppc": "SCMP_ARCH_PPC",
    "ppc64": "SCMP_ARCH_PPC64",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390": "SCMP_ARCH_S390",
    "s390x": "SCMP_ARCH_S390X",
    "sh4": "SCMP_ARCH_SH",
    "sh4eb": "SCMP_ARCH_SHEB",
}

# The direct calls that socketcall(2) and ipc(2) also reach: name -> (number of the door's name, value of its argument 0)
SOCKETCALL = {
    "socket": 1,
    "bind": 2,
    "connect": 3,
    "listen": 4,
    "accept": 5,
    "getsockname": 6,
    "getpeername": 7,
    "socketpair": 8,
    "send": 9,
    "recv": 10,
    "sendto": 11,
    "recvfrom": 12,
    "shutdown": 13,
    "setsockopt": 14,
    "getsockopt": 15,
    "sendmsg": 16,
    "recvmsg": 17,
    "accept4": 18,
    "recvmmsg": 19,
    "sendmmsg": 20,
}
IPC = {
    "semop": 1,
    "semget": 2,
    "semctl": 3,
    "semtimedop": 4,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}

NATIVE = "SCMP_ARCH_NATIVE"
X86_64 = "SCMP_ARCH_X86_64"
X32 = "SCMP_ARCH_X32"
X32_BIT = 0x40000000


def find_arch(name: str) -> Arch | None:
    """The architecture that an OCI token or a machine name of uname(2) stands for, or None."""
    token = MACHINES.get(name, name)
    facts = ARCHES.get(token)
    return None if facts is None else Arch(token, *facts)


_tables: dict[str, tuple[list[tuple[int, tuple[str, ...]]], dict[str, int]]] = {}


def _table(arch: Arch) -> tuple[list[tuple[int, tuple[str, ...]]], dict[str, int]]:
    found = _tables.get(arch.table)
    if found is None:
        module = __import__("runtime.seccomp.tables." + arch.table, None, None, ("SYSCALLS",))
        blocks = [(start, tuple(names.split())) for start, names in module.SYSCALLS]
        numbers: dict[str, int] = {}
        for start, names in blocks:
            numbers.update(zip(names, range(start, start + len(names)), strict=True))
        _tables[arch.table] = found = blocks, numbers
    return found


def syscall_numbers(arch: Arch) -> dict[str, int]:
    """Name -> number of every system call of `arch`, in ascending order; shared, do not change it."""
    return _table(arch)[1]


def syscall_blocks(arch: Arch) -> list[tuple[int, tuple[str, ...]]]:
    """(first number, names of consecutive numbers) of every system call of `arch`, in ascending order; shared likewise."""
    return _table(arch)[0]
