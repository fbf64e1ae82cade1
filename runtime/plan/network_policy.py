"""A policy's network rules, lowered to maps and programs, as operations on the container's cgroup.

A container whose programs cannot be attached does not start.  exec needs none of this: its process is cloned into the cgroup.
"""

from runtime.abi.bpf import BPF_ATTACH_TYPES
from runtime.abi.capabilities import CAPABILITY_BITS
from runtime.errors import NetworkError
from runtime.plan.draft import CGROUP, Draft
from runtime.plan.launch_plan import op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.policy.lower_network import Network

_ADMIN = CAPABILITY_BITS["CAP_SYS_ADMIN"]
_BPF = CAPABILITY_BITS["CAP_BPF"] | CAPABILITY_BITS["CAP_NET_ADMIN"]
_HOOKS = {number: name.lower().replace("_", " ") for name, number in BPF_ATTACH_TYPES.items()}
_MAPS = ("map0", "map1", "map2")


def _may_attach(draft: Draft) -> bool:
    """The kernel asks for these in the initial user namespace."""
    held = draft.facts.capabilities
    return draft.facts.initial_userns and (held & _ADMIN != 0 or held & _BPF == _BPF)


def plan_network(draft: Draft, network: "Network | None") -> None:
    """Attach the programs once the cgroup is there and before anything of the container runs.

    In PARENT the kernel checks them while init mounts; with createContainer hooks, which run in init before it waits, in HOST.
    """
    if network is None:
        return
    if draft.cgroup_path is None:
        draft.block(NetworkError("the policy's network rules need a cgroup, and the container has none"))
        return
    if not _may_attach(draft):
        text = "the policy's network rules need CAP_BPF and CAP_NET_ADMIN in the initial user namespace"
        draft.block(NetworkError(text))
        return
    maps, programs = network
    stage = draft.host if (draft.config.get("hooks") or {}).get("createContainer") else draft.parent
    slots = []
    for kind, key_size, value_size, flags, pairs in maps:
        slots.append(draft.slot())
        what = "unable to make a map of the policy's network rules"
        places = {"map": slots[-1], "type": kind, "key_size": key_size, "value_size": value_size, "flags": flags}
        stage.append(op("BPF_MAP", what, blob=pairs, **places))
    for name, kind, attach_type, code, used in programs:
        what = f"unable to attach the policy's network program ({_HOOKS[attach_type]})"
        given: dict[str, int] = {place: slots[index] for place, index in zip(_MAPS, used, strict=False)}
        stage.append(
            op(
                "BPF_ATTACH",
                what,
                blob=code,
                cgroup=CGROUP,
                prog_type=kind,
                attach_type=attach_type,
                name=name,
                **given,
            )
        )
