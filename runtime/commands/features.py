"""features: what this runtime and this kernel can do, as JSON.  Needs no root; nothing but the document is printed.

Source: features.md, features-linux.md.
"""

from oci_schemas.json_text import dumps
from runtime.commands.invocation import Invocation
from runtime.host.facts import HostFacts
from runtime.host.probe import namespace_kinds, probe_facts
from runtime.launch.report import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_IDMAP_SINCE = (5, 12)
# annotations that change what a container may reach: a caller that passes a user's annotations on must filter these
_UNSAFE_ANNOTATIONS = ("bundle", "org.systemd.property.", "org.criu.config")


def _seccomp(facts: HostFacts) -> "dict[str, Any]":
    from runtime.abi.filters import FILTER_FLAGS
    from runtime.seccomp.arches import ARCHES
    from runtime.seccomp.profile import ACTIONS, FLAGS, OPERATORS

    return {
        "enabled": True,
        "actions": sorted(ACTIONS),
        "operators": sorted(OPERATORS),
        "archs": sorted(ARCHES),
        "knownFlags": sorted(FLAGS),
        "supportedFlags": sorted(name for name in FLAGS if FILTER_FLAGS[name] & facts.seccomp_flags),
    }


def _linux(facts: HostFacts) -> "dict[str, Any]":
    from runtime.abi.capabilities import CAPABILITIES
    from runtime.abi.namespaces import NAMESPACES
    from runtime.abi.scheduling import MPOL_FLAGS, MPOL_MODES

    kinds = namespace_kinds()
    return {
        "namespaces": sorted(name for name in NAMESPACES if name in kinds),
        "capabilities": list(CAPABILITIES[: facts.last_capability + 1]),
        "cgroup": {
            "v1": False,
            "v2": facts.cgroup_mount is not None,
            "systemd": False,
            "systemdUser": False,
            "rdma": "rdma" in facts.cgroup_controllers,
        },
        "seccomp": _seccomp(facts),
        "apparmor": {"enabled": True},
        "selinux": {"enabled": True},
        "intelRdt": {"enabled": False, "schemata": False, "monitoring": False},
        "memoryPolicy": {"modes": sorted(MPOL_MODES), "flags": sorted(MPOL_FLAGS)},
        "mountExtensions": {"idmap": {"enabled": facts.kernel >= _IDMAP_SINCE}},
        "netDevices": {"enabled": True},
    }


def features_document(facts: HostFacts, version: str, commit: str) -> "dict[str, Any]":
    """The document for a host."""
    from runtime.plan.mount_options import MOUNT_OPTIONS

    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.3.0",
        "hooks": list(_HOOKS),
        "mountOptions": list(MOUNT_OPTIONS),
        "linux": _linux(facts),
        "annotations": {
            "org.opencontainers.runc.checkpoint.enabled": "false",
            "org.opencontainers.runc.commit": commit,
            "org.opencontainers.runc.version": version,
        },
        "potentiallyUnsafeConfigAnnotations": list(_UNSAFE_ANNOTATIONS),
    }


def execute(_invocation: Invocation) -> int:
    """Print the document."""
    from runtime.host.version import VERSION, commit

    document = features_document(probe_facts(None), VERSION, commit())
    show(dumps(document, "    ") + b"\n")
    return 0
