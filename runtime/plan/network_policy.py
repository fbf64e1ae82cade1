"""A policy's network rules, lowered to maps and programs, as operations on the container's cgroup.

A container whose programs cannot be attached does not start.  exec needs none of this: its process is cloned into the cgroup.
"""

from runtime.abi.capabilities import CAPABILITY_BITS
from runtime.errors import NetworkError
from runtime.plan.draft import CGROUP, Draft
from runtime.plan.launch_plan import op

_ADMIN = CAPABILITY_BITS["CAP_SYS_ADMIN"]
_BPF = CAPABILITY_BITS["CAP_BPF"] | CAPABILITY_BITS["CAP_NET_ADMIN"]


def _may_attach(draft: Draft) -> bool:
    """The kernel asks for these in the initial user namespace."""
    held = draft.facts.capabilities
    return draft.facts.initial_userns and (held & _ADMIN != 0 or held & _BPF == _BPF)


def plan_network(draft: Draft, network: bytes) -> None:
    """Attach the programs once the cgroup is there and before anything of the container runs.

    In PARENT the kernel checks them while init mounts; with createContainer hooks, which run in init before it waits, in HOST.
    """
    if not network:
        return
    if draft.cgroup_path is None:
        draft.block(NetworkError("the policy's network rules need a cgroup, and the container has none"))
        return
    if not _may_attach(draft):
        text = "the policy's network rules need CAP_BPF and CAP_NET_ADMIN in the initial user namespace"
        draft.block(NetworkError(text))
        return
    stage = draft.host if (draft.config.get("hooks") or {}).get("createContainer") else draft.parent
    what = "unable to attach the policy's network programs"
    stage.append(op("BPF_PROGRAMS", what, cgroup=CGROUP, blob=network))
