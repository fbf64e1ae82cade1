"""HOT under a policy: what it makes of a config, as an earlier call kept it or new."""

from runtime.commands.gate_cache import gate_key, kept_gate, reduce_config
from runtime.launch.filter_cache import compiler_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from oci_schemas._types import Config
    from runtime.commands.gate_cache import Ready
    from runtime.commands.invocation import Invocation
    from runtime.host.facts import HostFacts
    from runtime.policy.resolved import Resolved


def find_ready(invocation: "Invocation", chosen: "Resolved", config: "Config", facts: "HostFacts") -> "Ready":
    """A policy lowered and compiled for this config, now or by an earlier call for the same kind of container."""
    reduced, observe = reduce_config(config, facts.euid), invocation.switch("observe")
    identity = compiler_identity()
    key = gate_key(chosen.hash, facts, reduced, identity, invocation.root, observe)
    ready = kept_gate(invocation.root, key) if identity else None
    if ready is None:
        from runtime.commands.gate_making import keep_gate, make_ready
        from runtime.policy.lower import lower

        lowered = lower(chosen.layers, reduced, facts, observe)
        ready = make_ready(invocation, chosen, lowered, reduced, facts)
        if identity and invocation.verb != "plan":
            keep_gate(invocation.root, key, ready)
    return ready
