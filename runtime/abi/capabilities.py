"""Capability names in the order of their numbers.  Source: linux/capability.h, capabilities(7)."""

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
CAPABILITY_BITS = {name: 1 << number for number, name in enumerate(CAPABILITIES)}
CAP_SETGID = CAPABILITY_BITS["CAP_SETGID"]
CAP_SETUID = CAPABILITY_BITS["CAP_SETUID"]
CAP_SYS_ADMIN = CAPABILITY_BITS["CAP_SYS_ADMIN"]
CAP_SYS_RESOURCE = CAPABILITY_BITS["CAP_SYS_RESOURCE"]
CAP_MKNOD = CAPABILITY_BITS["CAP_MKNOD"]


def capability_names(bits: int) -> list[str]:
    """The names of a set, lowest number first; numbers without a name as CAP_<n>."""
    return [
        CAPABILITIES[number] if number < len(CAPABILITIES) else f"CAP_{number}"
        for number in range(bits.bit_length())
        if bits >> number & 1
    ]
