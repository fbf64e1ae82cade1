"""A policy's network programs and maps as the plan carries them.  Pure."""

from runtime.abi.bpf import BPF_ATTACH_TYPES
from runtime.plan.programs import encode_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.policy.lower_network import Network

_HOOKS = {number: name.lower().replace("_", " ") for name, number in BPF_ATTACH_TYPES.items()}


def encode_network(network: "Network | None") -> bytes:
    """The programs and maps as the plan carries them; empty for none."""
    if network is None:
        return b""
    maps, programs = network
    whole = tuple(range(len(maps)))
    for name, _kind, _attach_type, _code, used in programs:
        if used not in ((), whole):
            raise TypeError(f"{name}: instructions name maps by their place among all of them")
    return encode_programs(maps, [(name, _HOOKS[hook], kind, hook, code) for name, kind, hook, code, _used in programs])
