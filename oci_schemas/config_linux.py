"""config.json `linux`: everything that only Linux has, in the order of the page.

Source: config-linux.md.
"""

from typing import Annotated, Literal

from pydantic import Field

from oci_schemas.config_resources import Resources
from oci_schemas.config_seccomp import Seccomp
from oci_schemas.document import OciObject
from oci_schemas.scalars import (
    I64,
    U32,
    AbsolutePath,
    FilledText,
    Flag,
    NodeMajor,
    NodeMinor,
    OptionalAbsolutePath,
    Text,
    TextMap,
)

NamespaceType = Literal["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]
MemoryPolicyMode = Literal[
    "MPOL_DEFAULT",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_WEIGHTED_INTERLEAVE",
    "MPOL_PREFERRED",
    "MPOL_PREFERRED_MANY",
    "MPOL_LOCAL",
]
MemoryPolicyFlag = Literal["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"]
# The page lists the four plain words; engines send the recursive ones, and an empty word for "unset".
RootfsPropagation = Literal[
    "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable", ""
]


class Namespace(OciObject):
    """A namespace to create, or to join when `path` is given.

    Source: config-linux.md#namespaces.
    """

    type: NamespaceType
    path: OptionalAbsolutePath | None = None


class IDMapping(OciObject):
    """`size` ids of the container, from `containerID` up, are `hostID` and up outside.

    Source: config-linux.md#user-namespace-mappings.
    """

    containerID: U32
    hostID: U32
    size: Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]


class TimeOffset(OciObject):
    """How far a clock of the container's time namespace is from the host's.

    Source: config-linux.md#offset-for-time-namespace.
    """

    secs: I64 | None = None
    nanosecs: Annotated[int, Field(strict=True, ge=0, le=999_999_999)] | None = None


class Device(OciObject):
    """A device node that must exist in the container.

    Source: config-linux.md#devices.
    """

    type: Literal["c", "b", "u", "p"]
    path: AbsolutePath
    major: NodeMajor | None = None
    minor: NodeMinor | None = None
    fileMode: U32 | None = None
    uid: U32 | None = None
    gid: U32 | None = None


class NetDevice(OciObject):
    """What becomes of a host network device that moves into the container.

    Source: config-linux.md#network-devices.
    """

    name: Text | None = None


class IntelRdt(OciObject):
    """The resctrl group of the container.

    Source: config-linux.md#intelrdt.
    """

    closID: Text | None = None
    schemata: list[Text] | None = None
    l3CacheSchema: Text | None = None
    memBwSchema: Annotated[str, Field(strict=True, pattern="^(MB:[^\n]*)?$")] | None = None
    enableMonitoring: Flag | None = None


class MemoryPolicy(OciObject):
    """NUMA memory policy, as for set_mempolicy(2).

    Source: config-linux.md#memory-policy.
    """

    mode: MemoryPolicyMode
    nodes: Text | None = None
    flags: list[MemoryPolicyFlag] | None = None


class Personality(OciObject):
    """Execution domain, as for personality(2); no flag is defined so far.

    Source: config-linux.md#personality.
    """

    domain: Literal["LINUX", "LINUX32"]
    flags: list[Text] | None = None


class Linux(OciObject):
    """The Linux part of a container's configuration.

    Source: config-linux.md.
    """

    namespaces: list[Namespace] | None = None
    uidMappings: list[IDMapping] | None = None
    gidMappings: list[IDMapping] | None = None
    timeOffsets: dict[Literal["monotonic", "boottime"], TimeOffset] | None = None
    devices: list[Device] | None = None
    netDevices: dict[FilledText, NetDevice] | None = None
    cgroupsPath: Text | None = None
    resources: Resources | None = None
    intelRdt: IntelRdt | None = None
    memoryPolicy: MemoryPolicy | None = None
    sysctl: TextMap | None = None
    seccomp: Seccomp | None = None
    rootfsPropagation: RootfsPropagation | None = None
    maskedPaths: list[AbsolutePath] | None = None
    readonlyPaths: list[AbsolutePath] | None = None
    mountLabel: Text | None = None
    personality: Personality | None = None
