"""Where the models judge otherwise than the OCI's JSON Schemas, and why.

A row is (verdict of the models, document, changes, places, cause); changes and places are shell patterns.
"""

from typing import NamedTuple


class Difference(NamedTuple):
    """Some changes at some places where the two judges disagree."""

    ours: str  # "accepts" or "refuses"; the OCI's schema says the opposite
    document: str
    changes: tuple[str, ...]
    places: tuple[str, ...]
    cause: str


_TEXTS = ("text", "empty text")

DIFFERENCES = (
    Difference("accepts", "*", ("null",), ("*",), "null is what Go writes for a nil pointer, slice or map: not given"),
    # What the page says and the schema does not.
    Difference("refuses", "*", _TEXTS, ("/ociVersion*",), "config.md: ociVersion is a SemVer version"),
    Difference(
        "refuses", "config", ("absent",), ("/root",), "config.md: root is required, except by Hyper-V containers"
    ),
    Difference("refuses", "config", ("empty text",), ("/root/path",), "a path that names nothing"),
    Difference("refuses", "config", ("empty text",), ("/mounts/0/destination",), "a path that names nothing"),
    Difference(
        "refuses",
        "config",
        _TEXTS,
        ("/process/cwd", "/hooks/*/path", "/linux/devices/0/path", "/linux/maskedPaths/0", "/linux/readonlyPaths/0"),
        "config.md, config-linux.md: these paths are absolute",
    ),
    Difference(
        "refuses",
        "config",
        ("text",),
        ("/linux/namespaces/0/path", "/linux/seccomp/listenerPath"),
        "config-linux.md: these paths are absolute; Go cannot tell an empty one from none",
    ),
    Difference("refuses", "config", ("absent", "array"), ("/process/args",), "config.md: one entry on POSIX platforms"),
    Difference("refuses", "config", _TEXTS, ("/process/env/*",), "environ(7): NAME=value; runc refuses others too"),
    Difference(
        "refuses",
        "config",
        ("absent", "array"),
        ("/mounts/0/?idMappings",),
        "config.md: uidMappings and gidMappings go together",
    ),
    Difference("refuses", "config", ("absent",), ("/mounts/0/?idMappings/0",), "the same, with an empty list"),
    Difference("refuses", "config", ("size 0",), ("*idMappings/0/size",), "user_namespaces(7)"),
    Difference(
        "refuses", "config", ("duplicate",), ("/linux/namespaces/0",), "config-linux.md: duplicates are an error"
    ),
    Difference("refuses", "config", ("duplicate",), ("/process/rlimits/0",), "config.md: duplicates are an error"),
    Difference(
        "refuses", "config", ("RLIMIT_NOSUCH",), ("/process/rlimits/0/type",), "config.md: a limit must be known"
    ),
    Difference("refuses", "config", ("number",), ("/process/rlimits/0/hard",), "setrlimit(2): soft above hard"),
    Difference("refuses", "config", ("2**63",), ("/hooks/*/timeout",), "specs-go: timeout is a Go int"),
    Difference("refuses", "config", ("2**64",), ("/hooks/*/timeout",), "specs-go: timeout is a Go int"),
    Difference("refuses", "config", ("empty name",), ("/annotations",), "config.md: annotation keys are not empty"),
    Difference(
        "refuses",
        "config",
        ("empty name",),
        ("/linux/netDevices", "/linux/sysctl", "/linux/resources/rdma", "/linux/resources/unified"),
        "the name of a device or file is not empty",
    ),
    Difference("refuses", "*", ("NUL",), ("*",), "no kernel interface can carry a NUL character"),
    Difference("refuses", "config", ("2**16", "2**32", "2**63"), ("/process/consoleSize/*",), "ioctl_tty(2): 16 bits"),
    Difference(
        "refuses",
        "config",
        ("2**16", "2**32", "2**63", "2**64", "-2[*][*]*"),
        ("/process/oomScoreAdj",),
        "proc(5): -1000 to 1000",
    ),
    Difference(
        "refuses",
        "config",
        ("number", "-1", "2**16"),
        ("/process/scheduler/nice", "/process/scheduler/priority"),
        "sched(7): SCHED_DEADLINE has neither; runc refuses too",
    ),
    Difference("refuses", "config", ("-1", "8", "2**16"), ("/process/ioPriority/priority",), "ioprio_set(2): 0 to 7"),
    Difference(
        "refuses",
        "config",
        ("-1", "-2[*][*]31-1", "2**32"),
        ("/linux/devices/0/major", "/linux/devices/0/minor"),
        "makedev(3): the kernel keeps 12 and 20 bits",
    ),
    Difference("refuses", "config", ("10**9",), ("/linux/timeOffsets/*/nanosecs",), "time_namespaces(7)"),
    Difference(
        "refuses", "config", ("other name",), ("/linux/timeOffsets",), "config-linux.md: two clocks have offsets"
    ),
    Difference("refuses", "config", ("long name",), ("/linux/netDevices*",), "if.h: 15 characters"),
    Difference("refuses", "config", _TEXTS[:1], ("/linux/resources/devices/0/type",), "config-linux.md: a, b or c"),
    Difference("refuses", "config", _TEXTS[:1], ("/linux/resources/devices/0/access",), "config-linux.md: r, w and m"),
    Difference("refuses", "config", ("2**16",), ("/linux/devices/0/major",), "makedev(3): the kernel keeps 12 bits"),
    Difference(
        "refuses", "config", ("-2*",), ("/linux/resources/devices/0/m??or",), "-1 alone stands for every number"
    ),
    Difference(
        "refuses",
        "config",
        ("2**16", "2**32", "2**63"),
        ("/linux/resources/memory/swappiness",),
        "config-linux.md: 0 to 100; 2**64 - 1 is how some engines say unset",
    ),
    Difference("refuses", "config", ("2**32", "2**63"), ("/linux/resources/cpu/burst",), "burst above quota: EINVAL"),
    Difference("refuses", "config", ("number",), ("/linux/resources/cpu/quota",), "burst above quota: EINVAL"),
    Difference(
        "refuses",
        "config",
        ("object",),
        ("/linux/resources/rdma/mlx5_1",),
        "config-linux.md: at least one of hcaHandles and hcaObjects",
    ),
    Difference(
        "refuses",
        "config",
        ("no weight",),
        ("/linux/resources/blockIO/weightDevice/0",),
        "config-linux.md: at least one of weight and leafWeight",
    ),
    Difference("refuses", "config", ("slash",), ("/linux/resources/unified",), "a key is a file name in the cgroup"),
    Difference("refuses", "config", ("slash",), ("/linux/intelRdt/closID",), "closID is a directory name; as runc"),
    Difference(
        "refuses",
        "config",
        ("two lines",),
        ("/linux/intelRdt/schemata/0", "/linux/intelRdt/l3CacheSchema"),
        "config-linux.md: a line without newlines",
    ),
    Difference("refuses", "config", ("absent",), ("/linux/memoryPolicy/mode",), "config-linux.md: required"),
    Difference("refuses", "config", ("object",), ("/linux/memoryPolicy",), "config-linux.md: mode is required"),
    Difference(
        "refuses",
        "config",
        ("absent", "empty text"),
        ("/linux/memoryPolicy/nodes",),
        "set_mempolicy(2): MPOL_INTERLEAVE needs nodes",
    ),
    Difference("refuses", "config", ("absent",), ("/linux/personality/domain",), "config-linux.md: required"),
    Difference("refuses", "config", ("object",), ("/linux/personality",), "config-linux.md: domain is required"),
    Difference("refuses", "config", ("flag",), ("/linux/personality/flags",), "config-linux.md: no flag is defined"),
    Difference(
        "refuses", "config", ("number", "6", "2**16"), ("/linux/seccomp/*/index",), "a system call has six arguments"
    ),
    Difference(
        "refuses",
        "config",
        ("absent", "empty text"),
        ("/linux/seccomp/listenerPath",),
        "config-linux.md: listenerMetadata must not be set without listenerPath",
    ),
    Difference(
        "refuses",
        "config",
        ("SCMP_ACT_ALLOW",),
        ("/linux/seccomp/defaultAction", "/linux/seccomp/syscalls/0/action"),
        "config-linux.md: an errno for an action that takes none must fail",
    ),
    Difference("refuses", "state", ("empty text",), ("/id", "/bundle"), "a name that names nothing"),
    Difference("refuses", "state", ("absent",), ("/pid",), "runtime.md: required while created or running"),
    Difference("refuses", "state", ("2**32", "2**63", "2**64"), ("/pid",), "pid_t is a C int"),
    Difference(
        "refuses",
        "features",
        ("*",),
        ("/linux/memoryPolicy*", "/linux/intelRdt/schemata", "/linux/intelRdt/monitoring"),
        "features-linux.md has these, the schema was not extended",
    ),
    # What engines send and the schema does not allow.
    Difference(
        "accepts", "config", ("rslave", "empty text"), ("/linux/rootfsPropagation",), "as runc: the r* words, unset"
    ),
    Difference(
        "accepts", "config", ("8624", "2**16"), ("/linux/devices/0/fileMode",), "as runc: type bits are cut off"
    ),
    Difference("accepts", "config", ("absent",), ("/linux/resources/pids/limit",), "specs-go: a pointer since 1.3"),
    Difference("accepts", "config", ("object",), ("/linux/resources/pids",), "specs-go: limit is a pointer since 1.3"),
    Difference("accepts", "config", ("empty text",), ("/linux/intelRdt/memBwSchema",), "Go cannot tell it from none"),
    Difference("accepts", "state", ("paused",), ("/status",), "runtime.md: a runtime may define more statuses"),
    # What is not for Linux.
    Difference("accepts", "config", ("wrong windows", "wrong vm"), ("",), "sections of other platforms are ignored"),
    Difference("accepts", "config", ("wrong commandLine",), ("/process",), "a property of Windows: ignored"),
    Difference("accepts", "config", ("wrong username",), ("/process/user",), "a property of Windows: ignored"),
)
