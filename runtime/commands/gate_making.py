"""HOT under a policy: what it makes of a config, as an earlier call kept it or new: lowered, compiled, its table encoded."""

from runtime.commands.invocation import Invocation
from runtime.errors import ConfigError, PolicyError
from runtime.plan.options import Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from oci_schemas._types import Config
    from runtime.commands.gate_cache import Ready
    from runtime.host.facts import HostFacts
    from runtime.policy.lower import Lowered
    from runtime.policy.trusted import Resolved
    from runtime.seccomp.program import Filter

_NOTIFY = "SCMP_ACT_NOTIFY"


def find_ready(invocation: Invocation, chosen: "Resolved", config: "Config", facts: "HostFacts") -> "Ready":
    """A policy lowered and compiled for this config, now or by an earlier call for the same kind of container."""
    from runtime.commands.gate_cache import gate_key, keep_gate, kept_gate, reduce_config
    from runtime.launch.filter_cache import compiler_identity

    reduced, observe = reduce_config(config), invocation.switch("observe")
    identity = compiler_identity()
    key = gate_key(chosen.hash, facts, reduced, identity, invocation.root, observe)
    ready = kept_gate(invocation.root, key) if identity else None
    if ready is None:
        from runtime.policy.lower import lower

        lowered = lower(chosen.layers, reduced, facts, observe)
        ready = make_ready(invocation, chosen, lowered, reduced, facts)
        if identity and invocation.verb != "plan":
            keep_gate(invocation.root, key, ready)
    return ready


def make_ready(
    invocation: Invocation, found: "Resolved", lowered: "Lowered", config: "Mapping[str, Any]", facts: "HostFacts"
) -> "Ready":
    """What a lowered policy makes of this config.  Raises: PolicyError, ConfigError, FilterError."""
    from runtime.commands.gate_cache import Ready, tightened_parts

    own = (config.get("linux") or {}).get("seccomp")
    _check_listeners(own, lowered)
    sections = lowered.sections if own is None else (own, *lowered.sections)
    compiled = _compiled(invocation, sections, facts.machine)
    process, linux = tightened_parts(lowered.config)
    trapped = _is_trapped(lowered, compiled)
    gate = make_gate(found, lowered, facts, invocation.root)
    return Ready(process, linux, gate, compiled, trapped, lowered.warnings)


def _compiled(invocation: Invocation, sections: "Sequence[dict[str, Any]]", machine: str) -> "Filter":
    """Their program; kinds that differ in their limits alone have the same, and compiling it is most of what a new kind costs."""
    if invocation.verb == "plan":
        from runtime.seccomp.compile import compile_profiles

        return compile_profiles(sections, machine)
    from runtime.launch.filter_cache import compiled_filter

    return compiled_filter(sections, machine, invocation.root)


def make_gate(found: "Resolved", lowered: "Lowered", facts: "HostFacts", root: str) -> Gate:
    """What the plan gets of a lowered policy."""
    from runtime.commands.gate_cache import tightened_parts
    from runtime.plan.network_policy import encode_network
    from runtime.plan.policy import encode_saved

    table, listener = b"", None
    if lowered.broker is not None:
        from runtime.broker.table import encode_table
        from runtime.launch.broker import broker_socket

        table, listener = encode_table(lowered.broker, facts.machine), broker_socket(root)
    open_gate = Gate(lowered.points, lowered.landlock, b"", b"", table, listener)
    saved = encode_saved(open_gate, found.name, lowered.bound, tightened_parts(lowered.config)[0], found.layers)
    network = encode_network(lowered.network)
    return Gate(lowered.points, lowered.landlock, network, saved, table, listener, lowered.hierarchy)


def _check_listeners(own: "Mapping[str, Any] | None", lowered: "Lowered") -> None:
    """Refuse two listeners."""
    if own is None or lowered.broker is None:
        return
    for index, entry in enumerate(own.get("syscalls") or ()):
        if entry["action"] == _NOTIFY:
            text = "the policy needs the broker, and the kernel gives a process one listener (EBUSY for a second)"
            raise ConfigError("config.json", [(f"/linux/seccomp/syscalls/{index}/action", text)])


def _is_trapped(lowered: "Lowered", compiled: "Filter") -> bool:
    """Whether a listener will go to the broker.  Raises: PolicyError where a time limit depends on one that there is not."""
    if lowered.broker is None:
        return False
    if not compiled.notify and lowered.broker["wall_time_ms"] is not None:
        raise PolicyError(
            ["limits.wall_time: config.json denies every call that would bring the container to the broker"]
        )
    return compiled.notify
