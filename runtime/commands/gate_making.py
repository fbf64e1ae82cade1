"""What a policy makes of a config for the first container of a kind: compiled, its tables encoded, kept for the next one."""

from marshal import dumps

from runtime.commands.gate_cache import GATES, MAGIC, PROCESS_PARTS, Ready, given_parts
from runtime.commands.invocation import Invocation
from runtime.errors import ConfigError, PolicyError
from runtime.plan.options import Gate
from runtime.state.kept import Kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.host.facts import HostFacts
    from runtime.policy.lower import Lowered
    from runtime.policy.resolved import Resolved
    from runtime.seccomp.program import Filter

_NOTIFY = "SCMP_ACT_NOTIFY"
# what of linux a policy may change
_TIGHTENED = ("maskedPaths", "resources")


def make_ready(
    invocation: Invocation, found: "Resolved", lowered: "Lowered", config: "Mapping[str, Any]", facts: "HostFacts"
) -> "Ready":
    """What a lowered policy makes of this config.  Raises: PolicyError, ConfigError, FilterError."""
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
    from runtime.plan.network_table import encode_network
    from runtime.plan.saved_policy import encode_saved

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


def tightened_parts(lowered: "Mapping[str, Any]") -> "tuple[dict[str, Any], dict[str, Any]]":
    """The parts of a tightened config that are put into the container's own: of `process`, of `linux`."""
    process = {**given_parts(lowered.get("process") or {}, PROCESS_PARTS), "noNewPrivileges": True}
    return process, given_parts(lowered["linux"], _TIGHTENED)


def keep_gate(root: str, key: str, ready: Ready) -> None:
    """Keep it for the next call; when that does not work, the next call does the work again."""
    gate, compiled = ready.gate, ready.compiled
    parts = (gate.points, gate.landlock, gate.network, gate.saved, gate.table, gate.listener, gate.hierarchy)
    program = (compiled.program, compiled.flags, compiled.notify, compiled.warnings)
    whole = (ready.process, ready.linux, parts, program, ready.trapped, ready.warnings)
    kept = Kept(root, GATES, MAGIC)
    try:
        kept.put(key, dumps(whole, 2))
    finally:
        kept.close()
