"""The config that a policy leaves: no_new_privs, fewer capabilities, lower limits, more masked paths.  Nothing is ever added to what it grants.

What is planned is planned from this config, and it is what exec finds later.  Pure: the config that comes in is not changed.
"""

from runtime.abi.capabilities import CAPABILITIES
from runtime.policy.enforcement import CGROUP, CGROUP_LIMITS, CONFIG, lacks_controller
from runtime.policy.lower_network import withheld_capabilities
from runtime.policy.resource_bounds import bound_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.policy.enforcement import Findings, Layer

_NOFILE = "RLIMIT_NOFILE"


def tighten(findings: "Findings", masks: "Sequence[str]") -> "dict[str, Any]":
    """The tightened config."""
    config = dict(findings.config)
    linux = dict(findings.linux)
    if findings.mode == "audit":
        return _noted(findings, config)
    if config.get("process"):
        config["process"] = tighten_process(config["process"], capability_bound(findings), open_files(findings))
    if masks:
        linux["maskedPaths"] = [*(linux.get("maskedPaths") or ()), *masks]
    resources = _resources(findings, linux.get("resources") or {})
    if resources:
        linux["resources"] = resources
    config["linux"] = linux
    for layer in findings.layers:
        findings.enforced(
            layer, "no_new_privs", CONFIG, "programs gain no rights from set-uid bits or file capabilities"
        )
    return config


def _noted(findings: "Findings", config: "dict[str, Any]") -> "dict[str, Any]":
    """audit: only what the filter needs."""
    for layer in findings.layers:
        if layer.get("capabilities") is not None:
            findings.enforced(layer, layer["capabilities"]["rule"], CONFIG, "audit: not watched")
        findings.enforced(layer, "no_new_privs", CONFIG, "set in every mode: without it nobody may load a filter")
    if config.get("process"):
        config["process"] = {**config["process"], "noNewPrivileges": True}
    return config


def capability_bound(findings: "Findings") -> "list[str] | None":
    """The capabilities that every layer allows; None when none limits them.  What would go round judged sockets is in no bound."""
    bound: list[str] | None = None
    if findings.mode == "audit":
        return None
    for layer in findings.layers:
        part = layer.get("capabilities")
        if part is not None:
            allowed = part["allow"]
            bound = list(allowed) if bound is None else [name for name in bound if name in allowed]
            findings.enforced(layer, part["rule"], CONFIG, "kept out of all five sets")
    withheld = withheld_capabilities(findings.layers)
    if withheld:
        bound = [name for name in (CAPABILITIES if bound is None else bound) if name not in withheld]
    return bound


def open_files(findings: "Findings") -> int | None:
    """The lowest RLIMIT_NOFILE of all layers, None without one."""
    found = None
    for layer in findings.layers if findings.mode != "audit" else ():
        value = (layer.get("limits") or {}).get("open_files")
        if value:
            found = value if found is None else min(found, value)
            findings.enforced(layer, f"limits.open_files: {value}", CONFIG, _NOFILE)
    return found


def tighten_process(process: "Mapping[str, Any]", bound: "Sequence[str] | None", files: int | None) -> "dict[str, Any]":
    """A process, the container's own or one of exec, within a bound of capabilities and of open files."""
    made = {**process, "noNewPrivileges": True}
    sets = made.get("capabilities")
    if bound is not None and sets:
        made["capabilities"] = {
            kind: [name for name in names or () if name in bound] if isinstance(names, (list, tuple)) else names
            for kind, names in sets.items()
        }
    if files is not None:
        made["rlimits"] = _with_open_files(made.get("rlimits") or (), files)
    return made


def _with_open_files(rlimits: "Sequence[Mapping[str, Any]]", files: int) -> "list[dict[str, Any]]":
    found = [dict(entry) for entry in rlimits]
    own = [entry for entry in found if entry["type"] == _NOFILE]
    for entry in own:
        entry["soft"], entry["hard"] = min(entry["soft"], files), min(entry["hard"], files)
    if not own:
        found.append({"type": _NOFILE, "soft": files, "hard": files, "only_lower": True})
    return found


def _resources(findings: "Findings", resources: "Mapping[str, Any]") -> "dict[str, Any]":
    made = dict(resources)
    for layer in findings.layers:
        bounds = {
            name: part for name, part in (layer.get("resources") or {}).items() if _can_limit(findings, layer, name)
        }
        wrong: list[tuple[str, str]] = []
        made = bound_resources(made, bounds, wrong)
        for pointer, why in wrong:
            findings.impossible(layer, f"resources{pointer}", why)
        for name in bounds:
            findings.enforced(layer, f"resources.{name}", CGROUP, "upper bounds; a smaller limit of the config stays")
    return made


def _can_limit(findings: "Findings", layer: "Layer", name: str) -> bool:
    """Whether the host can hold a limit; one that it cannot is refused, or left out and said where the policy can do without."""
    why = lacks_controller(findings, name)
    if why is None:
        return True
    rule = f"resources.{name}"
    words = [(one.get("requirements") or {}).get(CGROUP_LIMITS) for one in findings.layers]
    own = (layer.get("requirements") or {}).get(CGROUP_LIMITS)
    if own == "optional" and "required" not in words:  # a floor may insist
        findings.enforced(layer, rule, CGROUP, f"not enforced: {why} (optional)")
        findings.warnings.append(f"policy {layer['name']}: {rule} is not enforced: {why}")
    else:
        findings.impossible(layer, rule, why)
    return False
