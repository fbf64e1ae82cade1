"""A policy's layers into mechanisms: which of them, for which rule, on this host.

    layers + config + facts ──lower──▶ Lowered ──runtime.plan.policy──▶ operations

Layers are a conjunction: what any of them withholds is withheld, and none gives anything that the config does not.  Every rule gets
the cheapest mechanism that no race and no other call goes round; one that nothing on this host enforces refuses the policy.  Pure.
"""

from runtime.policy.confinement import check_cgroup_view
from runtime.policy.enforcement import BPF, BROKER, SECCOMP, Findings, check_requirements, needs_bpf
from runtime.policy.launch_calls import check_launch
from runtime.policy.lower_broker import lower_broker
from runtime.policy.lower_files import check_files, lower_files
from runtime.policy.lower_landlock import lower_landlock
from runtime.policy.lower_network import Network, has_internet, lower_network
from runtime.policy.lower_syscalls import lower_syscalls
from runtime.policy.tighten import capability_bound, open_files, tighten
from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.host.facts import HostFacts
    from runtime.policy.lower_landlock import Landlock
    from runtime.policy.port_classes import Ranges
    from runtime.policy.sections import Section


@record
class Lowered:
    """What a policy comes to.

    `config` is planned and saved instead of the given one.  `sections` are intersected with the config's own filter.  `points` are
    (path, read_only, no_exec), "/" first.  `landlock` is None or (fs, net, scoped, ((access, path)...), ((access, port)...)).
    `network` is what `lower_network` gives, `broker` what `runtime.broker.table` encodes; None without.  `rows` are (rule, where,
    mechanism, note), `warnings` lines for whoever starts the container.  `bound` holds what exec may not exceed: capabilities (None: any) and open files (None: any).
    `hierarchy` is what `check_cgroup_view` gives.
    """

    config: "dict[str, Any]"
    sections: "tuple[Section, ...]"
    points: tuple[tuple[str, bool, bool], ...]
    landlock: "Landlock | None"
    network: "Network | None"
    broker: "dict[str, Any] | None"
    rows: tuple[tuple[str, str, str, str], ...]
    bound: "tuple[tuple[str, ...] | None, int | None]"
    warnings: tuple[str, ...] = ()
    hierarchy: str = ""


def lower(
    layers: "Sequence[Mapping[str, Any]]", config: "Mapping[str, Any]", facts: "HostFacts", observe: bool = False
) -> Lowered:
    """Lower layers for one container on one host; `observe` lets the broker hear of what is denied elsewhere too.

    An empty config stands for no container: what depends on one is not looked at.
    Raises: PolicyError with every rule that cannot be enforced.
    """
    lowered, findings = examine(layers, config, facts, observe)
    findings.check()
    return lowered


def examine(
    layers: "Sequence[Mapping[str, Any]]", config: "Mapping[str, Any]", facts: "HostFacts", observe: bool = False
) -> tuple[Lowered, Findings]:
    """The same, with what cannot be enforced in the findings instead of an error."""
    findings = Findings(layers, config, facts, observe)
    check_requirements(findings)
    files = lower_files(findings)
    check_files(findings, files)
    sections = lower_syscalls(findings, files)
    broker = lower_broker(findings, files, sections)
    if config:
        check_launch(findings, sections)
    network, ranges = _network(findings)
    tightened = tighten(findings, files.masks)
    hierarchy = check_cgroup_view(findings, tightened, sections, judged=network is not None)
    bound, number = capability_bound(findings), open_files(findings)
    lowered = Lowered(
        tightened,
        tuple(sections),
        files.points,
        lower_landlock(findings, files.landlock, ranges),
        network,
        broker,
        tuple(findings.rows),
        (None if bound is None else tuple(bound), number),
        tuple(dict.fromkeys(findings.warnings)),
        hierarchy,
    )
    return lowered, findings


def _network(findings: Findings) -> "tuple[Network | None, dict[str, Ranges]]":
    """The maps and programs of the container's cgroup, and who cannot have them; the ports that are left."""
    if findings.mode == "audit":
        return None, {}
    layers = findings.layers
    if findings.mode == "ask":  # whom to connect to is asked
        layers = [{**layer, "network": _only_ingress(layer.get("network"))} for layer in layers]
    spaces = [space["type"] for space in findings.linux.get("namespaces") or ()]
    network, ranges = lower_network(layers, "network" in spaces and not findings.facts.joins_own_network)
    why = needs_bpf(findings) if network is not None else None
    for layer in findings.layers:
        section = layer.get("network") or {}
        closed = not has_internet(findings.layers) and has_internet([layer])
        for name in ("egress", "ingress", "bind"):
            for entry in section.get(name) or ():
                if closed:
                    findings.enforced(layer, entry["rule"], SECCOMP, "no effect: another layer leaves no such socket")
                elif why is None:
                    asked = findings.mode == "ask" and name != "ingress"
                    note = "dropped without an answer" if name == "ingress" else "denied with EPERM"
                    findings.enforced(layer, entry["rule"], BROKER if asked else BPF, "asked" if asked else note)
        if why is not None and section:
            findings.impossible(layer, section["rule"], why)
    return network, ranges


def _only_ingress(network: "Mapping[str, Any] | None") -> "dict[str, Any] | None":
    return None if network is None else {**network, "egress": None, "bind": None}
