"""ZViz's profiles to policies: the form in sections, and the manifest that lists one rule after the other, each with its intent.

ZViz publishes no schema of either.  What is understood is what stands here (and in docs/policy.md); every other key is named as not
carried over.  Cold.
"""

from typing import Any

from runtime.policy.categories import IOCTL_GROUPS
from runtime.policy.import_notes import Notes, as_list, shortened
from runtime.policy.names import PROTOCOLS
from runtime.policy.normalise_network import parse_network
from runtime.policy.normalise_paths import normalise_pattern
from runtime.policy.sizes import parse_ports
from runtime.policy.tables.ioctls import IOCTLS

_ACTIONS = {
    "allow": "allow",
    "allowed": "allow",
    "deny": "deny",
    "denied": "deny",
    "errno": "deny",
    "block": "deny",
    "broker": "broker",
    "brokered": "broker",
    "mediate": "broker",
    "notify": "broker",
    "log": "log",
    "kill": "kill",
}
_PATHS = {
    "read": "read",
    "read_only": "read",
    "readonly": "read",
    "ro": "read",
    "write": "write",
    "read_write": "write",
    "rw": "write",
    "execute": "execute",
    "exec": "execute",
    "hide": "hide",
    "hidden": "hide",
    "deny": "hide",
}
_EGRESS = ("egress", "allow_cidrs", "allowed_cidrs", "cidrs", "allow")
_DENIED = ("deny", "deny_cidrs", "denied_cidrs")
_AUDIT = {
    "none": "none",
    "off": "none",
    "denials": "denials",
    "deny": "denials",
    "decisions": "decisions",
    "all": "all",
}
_NAMES = {"name", "version", "description", "profile"}


def import_profile(profile: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """A profile in sections: the keys of a policy but its name."""
    policy = _head(profile, "made of a profile of ZViz")
    calls = profile.get("syscalls", {key: profile[key] for key in ("allow", "deny", "broker") if key in profile})
    section = _calls(calls, notes)
    if section:
        policy["syscalls"] = section
    for key in ("ioctl", "ioctls"):
        if key in profile:
            policy["ioctl"] = _ioctls(profile[key], key, notes)
    paths: dict[str, list[str]] = {}
    for key in ("filesystem", "landlock", "paths"):
        if key in profile:
            _add_paths(paths, profile[key], key, notes)
    if paths:
        policy["filesystem"] = paths
    policy["network"] = _network(profile["network"], notes) if "network" in profile else "unrestricted"
    if "audit" in profile:
        _add_audit(policy, profile["audit"], notes)
    sections = {"syscalls", "ioctl", "ioctls", "filesystem", "landlock", "paths", "network", "audit"}
    notes.rest(profile, {*_NAMES, *sections, *({"allow", "deny", "broker"} if "syscalls" not in profile else ())}, "")
    return policy


def import_manifest(manifest: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """A list of rules `{syscall, action, intent}`: the keys of a policy but its name."""
    policy = _head(manifest, "made of a manifest of ZViz")
    lists: dict[str, list[Any]] = {}
    default = manifest.get("default", manifest.get("default_action"))
    for key in ("rules", "manifest"):
        for at, rule in enumerate(as_list(manifest.get(key))):
            _add_manifest_rule(lists, rule, f"{key}[{at}]", notes)
    notes.rest(manifest, {*_NAMES, "rules", "manifest", "default", "default_action"}, "")
    policy["syscalls"] = _calls({"default": default or "deny", **lists}, notes)
    policy["network"] = "unrestricted"
    return policy


def _head(profile: dict[str, Any], description: str) -> dict[str, Any]:
    text = profile.get("description")
    return {"version": str(profile.get("version", "1")), "description": text if isinstance(text, str) else description}


def _add_manifest_rule(lists: dict[str, list[Any]], rule: Any, place: str, notes: Notes) -> None:
    if not isinstance(rule, dict):
        notes.lost(f"{place}: {shortened(rule)}")
        return
    names = [name for key in ("syscall", "syscalls", "name", "names") for name in as_list(rule.get(key))]
    word = str(rule.get("action", rule.get("decision", ""))).lower()
    action = _ACTIONS.get(word)
    if not names or action is None or "args" in rule or "conditions" in rule:
        notes.lost(f"{place}: {shortened(rule)}")
        return
    lists.setdefault(action, []).extend(names)
    known = {"syscall", "syscalls", "name", "names", "action", "decision", "intent", "reason", "rationale"}
    notes.rest(rule, known, f"{place}.")


def _calls(section: Any, notes: Notes) -> dict[str, Any]:
    if not isinstance(section, dict):
        notes.lost(f"syscalls: {shortened(section)}")
        return {}
    made: dict[str, Any] = {}
    default = section.get("default", section.get("default_action"))
    if default is not None:
        made["default"] = _ACTIONS.get(str(default).lower(), "")
        if made["default"] not in ("allow", "deny", "kill", "log"):
            notes.lost(f"syscalls.default {default}: denied instead")
            made["default"] = "deny"
    for key, items in section.items():
        if key in ("default", "default_action"):
            continue
        action = _ACTIONS.get(str(key).lower())
        if action is None:
            notes.lost(f"syscalls.{key}: {shortened(items)}")
            continue
        names = [_call_name(item, f"syscalls.{key}[{at}]", notes) for at, item in enumerate(as_list(items))]
        kept = notes.known_calls([name for name in names if name is not None], f"syscalls.{key}")
        made.setdefault(action, []).extend(kept)
    return made


def _call_name(item: Any, place: str, notes: Notes) -> str | None:
    if (
        isinstance(item, dict)
        and item.keys() <= {"name", "syscall", "intent", "reason"}
        and item.keys() & {"name", "syscall"}
    ):
        return str(item.get("name", item.get("syscall")))
    if isinstance(item, str):
        return item
    notes.lost(f"{place}: {shortened(item)}")
    return None


def _ioctls(value: Any, place: str, notes: Notes) -> list[Any]:
    if isinstance(value, dict):
        notes.rest(value, {"allow", "allowed"}, f"{place}.")
        value = [*as_list(value.get("allow")), *as_list(value.get("allowed"))]
    kept = []
    for item in as_list(value):
        word = item.get("name", item.get("cmd")) if isinstance(item, dict) else item
        if (isinstance(word, int) and not isinstance(word, bool)) or (
            isinstance(word, str) and (word in IOCTLS or word in IOCTL_GROUPS)
        ):
            kept.append(word)
        else:
            notes.lost(f"{place}: {shortened(item)}")
    return kept


def _add_paths(paths: dict[str, list[str]], section: Any, place: str, notes: Notes) -> None:
    if not isinstance(section, dict):
        notes.lost(f"{place}: {shortened(section)}")
        return
    for key, items in section.items():
        kind = _PATHS.get(str(key).lower())
        if kind is None:
            notes.lost(f"{place}.{key}: {shortened(items)}")
            continue
        for item in as_list(items):
            word = item.get("path") if isinstance(item, dict) and item.keys() <= {"path", "intent", "reason"} else item
            try:
                paths.setdefault(kind, []).append(normalise_pattern(str(word)))
            except ValueError as error:
                notes.lost(f"{place}.{key}: {error}")


def _network(section: Any, notes: Notes) -> Any:
    if not isinstance(section, dict):
        if section in ("none", "deny", False):
            return "none"
        notes.lost(f"network: {shortened(section)}; no network is allowed")
        return "none"
    rules: list[dict[str, Any]] = []
    for key, items in section.items():
        if key not in (*_EGRESS, *_DENIED):
            notes.lost(f"network.{key}: {shortened(items)}")
            continue
        action = "deny" if key in _DENIED else "allow"
        for at, item in enumerate(as_list(items)):
            rule = _peer(item, action)
            if rule is None:
                notes.lost(f"network.{key}[{at}]: {shortened(item)}")
            else:
                rules.append(rule)
    return {"egress": rules} if rules else "none"


def _peer(item: Any, action: str) -> dict[str, Any] | None:
    """One rule; None where any part of it is not understood: half a rule could allow more."""
    entry = {"cidr": item} if isinstance(item, str) else item
    if not isinstance(entry, dict) or not entry.keys() <= {"cidr", "port", "ports", "protocol", "intent", "reason"}:
        return None
    ports = [*as_list(entry.get("port")), *as_list(entry.get("ports"))]
    try:
        parse_network(str(entry.get("cidr")))
        for port in ports:
            parse_ports(str(port))
    except ValueError:
        return None
    rule: dict[str, Any] = {action: str(entry["cidr"])}
    if ports:
        rule["ports"] = ports
    if "protocol" in entry:
        if entry["protocol"] not in PROTOCOLS or entry["protocol"] not in ("tcp", "udp"):
            return None
        rule["protocols"] = [entry["protocol"]]
    return rule


def _add_audit(policy: dict[str, Any], value: Any, notes: Notes) -> None:
    word = value.get("level") if isinstance(value, dict) else value
    if isinstance(value, dict):
        notes.rest(value, {"level"}, "audit.")
    if isinstance(word, str) and word.lower() in _AUDIT:
        policy["audit"] = _AUDIT[word.lower()]
    elif word is not None:
        notes.lost(f"audit: {shortened(word)}")
