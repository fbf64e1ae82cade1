"""config.json `process`: the program and its attributes, in the order of the page.

Source: config.md#process, config.md#linux-process.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from oci_schemas import rules
from oci_schemas.document import Check, Document, OciObject
from oci_schemas.scalars import I32, U32, U64, Flag, Text

RlimitType = Literal[
    "RLIMIT_AS",
    "RLIMIT_CORE",
    "RLIMIT_CPU",
    "RLIMIT_DATA",
    "RLIMIT_FSIZE",
    "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
    "RLIMIT_RSS",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
]
SchedulerPolicy = Literal[
    "SCHED_OTHER",
    "SCHED_FIFO",
    "SCHED_RR",
    "SCHED_BATCH",
    "SCHED_ISO",
    "SCHED_IDLE",
    "SCHED_DEADLINE",
]
SchedulerFlag = Literal[
    "SCHED_FLAG_RESET_ON_FORK",
    "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS",
    "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
]
IOPriorityClass = Literal["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"]
CpuList = Annotated[str, Field(strict=True, pattern="^[0-9, -]*$")]


class ConsoleSize(OciObject):
    """Size of the terminal in characters; ignored unless `terminal` is true.

    Source: config.md#process.
    """

    height: U64
    width: U64


class Rlimit(OciObject):
    """One resource limit, as for setrlimit(2).

    Source: config.md#posix-process.
    """

    type: RlimitType
    soft: U64
    hard: U64


class Capabilities(OciObject):
    """The five capability sets; names that nobody knows are accepted and warned about later.

    Source: config.md#linux-process, capabilities(7).
    """

    effective: list[Text] | None = None
    bounding: list[Text] | None = None
    inheritable: list[Text] | None = None
    permitted: list[Text] | None = None
    ambient: list[Text] | None = None


class Scheduler(OciObject):
    """Arguments of sched_setattr(2); runtime, deadline and period are in nanoseconds.

    Source: config.md#linux-process.
    """

    policy: SchedulerPolicy
    nice: I32 | None = None
    priority: I32 | None = None
    flags: list[SchedulerFlag] | None = None
    runtime: U64 | None = None
    deadline: U64 | None = None
    period: U64 | None = None


class IOPriority(OciObject):
    """I/O scheduling class and level, as for ioprio_set(2).

    Source: config.md#linux-process.
    """

    class_: IOPriorityClass = Field(alias="class")
    priority: Annotated[int, Field(strict=True, ge=0, le=7)] | None = None


class ExecCPUAffinity(OciObject):
    """CPU lists of a process joining the container: before and after it enters the cgroup.

    Source: config.md#linux-process.
    """

    initial: CpuList | None = None
    final: CpuList | None = None


class User(OciObject):
    """Who the process is: numeric ids in the container's user namespace.

    Source: config.md#posix-platform-user.
    """

    uid: U32 | None = None
    gid: U32 | None = None
    umask: U32 | None = None
    additionalGids: list[U32] | None = None


class Process(Document):
    """The program to run and everything it starts with; also what `exec --process` reads.

    Source: config.md#process.
    """

    check: ClassVar[Check] = staticmethod(rules.check_process)

    terminal: Flag | None = None
    consoleSize: ConsoleSize | None = None
    cwd: Text
    env: list[Text] | None = None
    args: list[Text] | None = None
    rlimits: list[Rlimit] | None = None
    apparmorProfile: Text | None = None
    capabilities: Capabilities | None = None
    noNewPrivileges: Flag | None = None
    oomScoreAdj: Annotated[int, Field(strict=True, ge=-1000, le=1000)] | None = None
    scheduler: Scheduler | None = None
    selinuxLabel: Text | None = None
    ioPriority: IOPriority | None = None
    execCPUAffinity: ExecCPUAffinity | None = None
    user: User | None = None
