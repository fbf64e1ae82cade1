"""A checked policy file to one layer of enforcement: plain data, kernel numbers, every rule with the line where it stands.

A layer only ever takes away.  Several hold together: what any of them withholds is withheld.  Cold.
"""

from typing import Any

from oci_schemas.wording import quoted
from runtime.abi.capabilities import CAPABILITIES
from runtime.policy.judge import Judge
from runtime.policy.lines import Place
from runtime.policy.load import Loaded
from runtime.policy.names import nearest
from runtime.policy.normalise_calls import normalise_numbers, normalise_syscalls
from runtime.policy.normalise_network import normalise_network
from runtime.policy.normalise_paths import normalise_exec, normalise_filesystem
from runtime.policy.schema import Broker, Policy, Resources
from runtime.policy.sizes import PERIOD_US, parse_cpus, parse_duration, parse_size

Layer = dict[str, Any]


def normalise(loaded: Loaded, source: str, shown: str) -> Layer | None:
    """The layer of a file, None where nothing of it is sound; what is wrong is added to `loaded.found`.

    `source` is the built-in's name or the file's path, `shown` how the file is called in a rule's `where`.
    """
    policy = loaded.policy
    if policy is None:
        return None
    judge = Judge(loaded, shown)
    layer: Layer = {
        "name": policy.name,
        "version": policy.version,
        "source": source,
        "rules": judge.rules,
        "requirements": policy.requirements.model_dump(exclude_none=True),
        "syscalls": normalise_syscalls(judge, policy.syscalls),
        **normalise_numbers(judge, policy),
        "filesystem": normalise_filesystem(judge, policy.filesystem),
        "exec": normalise_exec(judge, policy.exec),
        "network": normalise_network(judge, policy.network),
        "capabilities": _capabilities(judge, policy),
        "namespaces": {"required": list(dict.fromkeys(policy.namespaces.required))},
        "resources": _resources(judge, policy.resources),
        "limits": {
            "wall_time_ms": _parsed(judge, ("limits", "wall_time"), parse_duration, policy.limits.wall_time),
            "open_files": policy.limits.open_files,
        },
        "broker": _broker(judge, policy.broker),
        "audit": policy.audit,
        "places": _places(judge, policy),
    }
    return layer


# what becomes limits and requirements: under which name it is enforced, and the section and key where it stands
_PLACES = {
    "resources.memory": ("resources", "memory"),
    "resources.pids": ("resources", "pids"),
    "resources.cpu": ("resources", "cpus"),
    "limits.wall_time": ("limits", "wall_time"),
    "limits.open_files": ("limits", "open_files"),
    "namespaces.required": ("namespaces", "required"),
}


def _places(judge: Judge, policy: Policy) -> dict[str, str]:
    """File and line of what has no rule of its own."""
    places = {
        name: judge.where((section, key))
        for name, (section, key) in _PLACES.items()
        if getattr(getattr(policy, section), key)
    }
    places |= {name: judge.where((name,)) for name in ("syscalls", "exec") if getattr(policy, name) is not None}
    files = policy.filesystem
    places |= {
        f"filesystem.{key}": judge.where(("filesystem", key))
        for key in ("read", "write", "execute")
        if files is not None and getattr(files, key) is not None
    }
    required = policy.requirements.model_dump(exclude_none=True)
    return {**places, **{f"requirements.{name}": judge.where(("requirements", name)) for name in required}}


def _parsed(judge: Judge, place: Place, parse: Any, text: str | None) -> int | None:
    return None if text is None else judge.attempt(place, parse, text)


def _capabilities(judge: Judge, policy: Policy) -> Layer | None:
    if policy.capabilities is None:
        return None
    for at, name in enumerate(policy.capabilities):
        if name not in CAPABILITIES:
            judge.complain(("capabilities", at), f"unknown capability {quoted(name)}{nearest(name, CAPABILITIES)}")
    text = ", ".join(policy.capabilities) or "none"
    return {"allow": list(dict.fromkeys(policy.capabilities)), "rule": judge.rule(("capabilities",), text)}


def _resources(judge: Judge, section: Resources) -> Layer:
    """Upper bounds in the form of config.json's linux.resources."""
    found: Layer = {}
    memory = _parsed(judge, ("resources", "memory"), parse_size, section.memory)
    swap = _parsed(judge, ("resources", "swap"), parse_size, section.swap)
    if section.swap is not None and section.memory is None:
        judge.complain(("resources", "swap"), "can only be limited together with memory")
    if memory is not None:
        found["memory"] = {"limit": memory, **({"swap": memory + swap} if swap is not None else {})}
    if section.pids is not None:
        found["pids"] = {"limit": section.pids}
    quota = _parsed(judge, ("resources", "cpus"), parse_cpus, section.cpus)
    if quota is not None:
        found["cpu"] = {"quota": quota, "period": PERIOD_US}
    return found


def _broker(judge: Judge, section: Broker) -> Layer:
    found = section.model_dump()
    handler = section.handler
    if section.mode == "ask" and handler is None and not judge.is_touched(("broker", "handler")):
        judge.complain(("broker", "handler"), "mode ask needs somebody to ask")
    if handler is not None and not handler.startswith("unix:/") and not _is_function(handler):
        judge.complain(("broker", "handler"), "must be unix:/PATH of a socket, or MODULE:FUNCTION")
    return found


def _is_function(text: str) -> bool:
    module, mark, function = text.partition(":")
    return bool(mark) and function.isidentifier() and all(part.isidentifier() for part in module.split("."))
