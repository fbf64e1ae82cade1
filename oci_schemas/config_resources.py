"""config.json `linux.resources`: what the control group allows, in the order of the page.

Source: config-linux.md#control-groups.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from oci_schemas import rules
from oci_schemas.document import Check, Document, OciObject
from oci_schemas.scalars import I64, U16, U32, U64, FilledText, Flag, RuleNumber, Text, TextMap


class DeviceRule(OciObject):
    """One rule of the device allow list; an absent or -1 number stands for all.

    Source: config-linux.md#allowed-device-list.
    """

    allow: Flag
    type: Literal["a", "b", "c", ""] | None = None
    major: RuleNumber | None = None
    minor: RuleNumber | None = None
    access: Annotated[str, Field(strict=True, pattern="^[rwm]*$")] | None = None


class MemoryResources(OciObject):
    """Memory limits in bytes, -1 for unlimited.

    Source: config-linux.md#memory.
    """

    limit: I64 | None = None
    reservation: I64 | None = None
    swap: I64 | None = None
    kernel: I64 | None = None
    kernelTCP: I64 | None = None
    swappiness: U64 | None = None
    disableOOMKiller: Flag | None = None
    useHierarchy: Flag | None = None
    checkBeforeUpdate: Flag | None = None


class CpuResources(OciObject):
    """CPU shares, bandwidth (microseconds) and placement.

    Source: config-linux.md#cpu.
    """

    shares: U64 | None = None
    quota: I64 | None = None
    burst: U64 | None = None
    period: U64 | None = None
    realtimeRuntime: I64 | None = None
    realtimePeriod: U64 | None = None
    cpus: Text | None = None
    mems: Text | None = None
    idle: I64 | None = None


class WeightDevice(OciObject):
    """I/O weight of one block device; at least one weight is given.

    Source: config-linux.md#block-io.
    """

    major: I64
    minor: I64
    weight: U16 | None = None
    leafWeight: U16 | None = None


class ThrottleDevice(OciObject):
    """Bandwidth limit of one block device, in bytes or operations per second.

    Source: config-linux.md#block-io.
    """

    major: I64
    minor: I64
    rate: U64 | None = None


class BlockIOResources(OciObject):
    """Weights and limits of block I/O.

    Source: config-linux.md#block-io.
    """

    weight: U16 | None = None
    leafWeight: U16 | None = None
    weightDevice: list[WeightDevice] | None = None
    throttleReadBpsDevice: list[ThrottleDevice] | None = None
    throttleWriteBpsDevice: list[ThrottleDevice] | None = None
    throttleReadIOPSDevice: list[ThrottleDevice] | None = None
    throttleWriteIOPSDevice: list[ThrottleDevice] | None = None


class HugepageLimit(OciObject):
    """Limit in bytes for pages of one size.

    Source: config-linux.md#huge-page-limits.
    """

    pageSize: Annotated[str, Field(strict=True, pattern="^[1-9][0-9]*[KMG]B$")]
    limit: U64


class InterfacePriority(OciObject):
    """Priority of the traffic through one network interface.

    Source: config-linux.md#network.
    """

    name: Text
    priority: U32


class NetworkResources(OciObject):
    """Class identifier and interface priorities of network traffic.

    Source: config-linux.md#network.
    """

    classID: U32 | None = None
    priorities: list[InterfacePriority] | None = None


class PidsResources(OciObject):
    """Limit on the number of tasks, -1 for unlimited.

    Source: config-linux.md#pids.
    """

    limit: I64 | None = None


class RdmaResources(OciObject):
    """Limits of one RDMA device; at least one is given.

    Source: config-linux.md#rdma.
    """

    hcaHandles: U32 | None = None
    hcaObjects: U32 | None = None


class Resources(Document):
    """Everything the control group limits; also what `update --resources` reads.

    Source: config-linux.md#control-groups.
    """

    check: ClassVar[Check] = staticmethod(rules.check_resources)

    devices: list[DeviceRule] | None = None
    memory: MemoryResources | None = None
    cpu: CpuResources | None = None
    blockIO: BlockIOResources | None = None
    hugepageLimits: list[HugepageLimit] | None = None
    network: NetworkResources | None = None
    pids: PidsResources | None = None
    rdma: dict[FilledText, RdmaResources] | None = None
    unified: TextMap | None = None
