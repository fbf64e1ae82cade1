"""What a runtime can do, as its `features` command prints it.

Source: features.md, features-linux.md.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from oci_schemas import rules
from oci_schemas.config_linux import MemoryPolicyFlag, MemoryPolicyMode, NamespaceType
from oci_schemas.config_seccomp import SeccompAction, SeccompArch, SeccompFlag, SeccompOperator
from oci_schemas.document import Check, Document, OciObject
from oci_schemas.scalars import Flag, Text, TextMap


class CgroupFeatures(OciObject):
    """Which control group hierarchies and drivers the runtime supports.

    Source: features-linux.md#cgroup.
    """

    v1: Flag | None = None
    v2: Flag | None = None
    systemd: Flag | None = None
    systemdUser: Flag | None = None
    rdma: Flag | None = None


class SeccompFeatures(OciObject):
    """Which parts of `linux.seccomp` the runtime knows and supports.

    Source: features-linux.md#seccomp.
    """

    enabled: Flag | None = None
    actions: list[SeccompAction] | None = None
    operators: list[SeccompOperator] | None = None
    archs: list[SeccompArch] | None = None
    knownFlags: list[SeccompFlag] | None = None
    supportedFlags: list[SeccompFlag] | None = None


class Switch(OciObject):
    """A feature that is there or not, and nothing more.

    Source: features-linux.md#apparmor, #selinux, #network-devices.
    """

    enabled: Flag | None = None


class IntelRdtFeatures(OciObject):
    """Which parts of `linux.intelRdt` the runtime supports.

    Source: features-linux.md#intel-rdt.
    """

    enabled: Flag | None = None
    schemata: Flag | None = None
    monitoring: Flag | None = None


class MemoryPolicyFeatures(OciObject):
    """Which memory policy modes and flags the runtime recognises.

    Source: features-linux.md#memory-policy.
    """

    modes: list[MemoryPolicyMode] | None = None
    flags: list[MemoryPolicyFlag] | None = None


class MountExtensions(OciObject):
    """Which extensions of mounts the runtime supports.

    Source: features-linux.md#mount-extensions.
    """

    idmap: Switch | None = None


class LinuxFeatures(OciObject):
    """The features that only Linux has.

    Source: features-linux.md.
    """

    namespaces: list[NamespaceType] | None = None
    capabilities: list[Annotated[str, Field(strict=True, pattern="^CAP_[A-Z_]+$")]] | None = None
    cgroup: CgroupFeatures | None = None
    seccomp: SeccompFeatures | None = None
    apparmor: Switch | None = None
    selinux: Switch | None = None
    intelRdt: IntelRdtFeatures | None = None
    memoryPolicy: MemoryPolicyFeatures | None = None
    mountExtensions: MountExtensions | None = None
    netDevices: Switch | None = None


class Features(Document):
    """The whole document that `features` prints.

    Source: features.md.
    """

    check: ClassVar[Check] = staticmethod(rules.check_features)

    ociVersionMin: Text
    ociVersionMax: Text
    hooks: list[Text] | None = None
    mountOptions: list[Text] | None = None
    linux: LinuxFeatures | None = None
    annotations: TextMap | None = None
    potentiallyUnsafeConfigAnnotations: list[Text] | None = None
