"""What would refuse every container under a policy, whatever the host: found while it is checked.

The judgments are those of create: each layer is lowered by itself and all of them together, on a host that has everything, and what
comes out is compiled, encoded and planned for a small container.  Where a limit is passed, the rules are found by
leaving sections out until the plan is possible.  Cold.
"""

from runtime.commands.gate_making import make_gate
from runtime.commands.learning import recording_layer
from runtime.errors import ConfigError, FilterError, OciError, PolicyError
from runtime.plan.compile import compile_create
from runtime.plan.encode import encode_plan
from runtime.plan.options import CreateOptions
from runtime.policy.enforceable import EVERYTHING, unenforceable
from runtime.policy.lower import examine
from runtime.policy.resolved import Resolved
from runtime.seccomp.compile import compile_profiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    Layers = Sequence[Mapping[str, Any]]

_MACHINES = ("x86_64", "aarch64")
_SPACES = ("mount", "pid", "ipc", "uts", "network", "cgroup")
_CONFIG: "Any" = {
    "ociVersion": "1.2.0",
    "process": {"args": ["/bin/true"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": kind} for kind in _SPACES]},
}
_ROOT = "/run/postern"
_PARTS = ("syscalls", "ioctl", "prctl", "clone_flags", "exec", "network")
_LISTS = ("read", "write", "execute", "hide")


def refused_everywhere(layers: "Layers") -> list[tuple[str, str, str]]:
    """(rule, where, why) of all that every host would refuse; rule and where may be empty."""
    found = unenforceable(layers)
    if not layers:
        return found
    try:
        examine(layers, {}, EVERYTHING)
    except PolicyError as error:
        together = [("", "", line) for line in error.violations]
        return [*found, *[row for row in together if row not in found]]
    why = _passed_limit(layers)
    if why is not None:
        places = [place for place, less in _lessened(layers) if _passed_limit(less) != why]
        found += [(text, where, why) for text, where in places] or [("", str(layers[-1]["source"]), why)]
    return found


def _passed_limit(layers: "Layers") -> str | None:
    """Why there is no plan for a container under these layers; None when there is one."""
    try:
        lowered, _ = examine(layers, _CONFIG, EVERYTHING)
        compiled = None
        for machine in _MACHINES:
            compiled = compile_profiles(lowered.sections, machine) if lowered.sections else None
        gate = make_gate(Resolved("trial", "", [dict(layer) for layer in layers]), lowered, EVERYTHING, _ROOT)
        options = CreateOptions("CREATE", "trial", "/", _ROOT, "2000-01-01T00:00:00.000000000Z", gate=gate)
        encode_plan(compile_create(lowered.config, options, EVERYTHING, compiled, []))
    except (ConfigError, FilterError) as error:
        return "; ".join([text for _pointer, text in error.violations])
    except PolicyError as error:
        return "; ".join(error.violations)
    except (OciError, ValueError) as error:
        return str(error)
    return None


def _lessened(layers: "Layers") -> "Iterator[tuple[tuple[str, str], Layers]]":
    """The layers without one section of one of them, and that section's place (key, file and line)."""
    neutral = recording_layer()
    for at, layer in enumerate(layers):
        files = layer.get("filesystem") or {}
        less = [(part, {**layer, part: neutral[part]}) for part in _PARTS if layer[part] != neutral[part]]
        less += [
            (f"filesystem.{name}", {**layer, "filesystem": {**files, name: [] if name == "hide" else None}})
            for name in _LISTS
            if files.get(name)
        ]
        for key, without in less:
            yield (key, _where(layer, key)), [*layers[:at], without, *layers[at + 1 :]]


def _where(layer: "Mapping[str, Any]", key: str) -> str:
    """Where a section stands: its own line, or that of its first rule."""
    place = (layer.get("places") or {}).get(key)
    rules = [rule["where"] for rule in layer["rules"] if rule["text"].startswith(key)]
    return str(place or (rules[0] if rules else layer["source"]))
