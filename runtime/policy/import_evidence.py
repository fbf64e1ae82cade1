"""Whether a file is a policy of ours or a profile of somebody else: by the keys and the forms of entries that only one of them has.

A policy with mistakes must not pass as a profile: read as one it would come out weaker, as a profile leaves alone what it does not
mention.  Where the evidence is on both sides, or on none, nothing is converted.  Cold.
"""

from collections.abc import Iterator
from typing import Any

from runtime.policy.lines import Place
from runtime.policy.schema import Broker, Network, Policy, Syscalls

Evidence = list[Place]

_SHARED = {"name", "version", "description", "syscalls", "ioctl", "filesystem", "network", "broker", "audit"}
_OURS = set(Policy.model_fields) - _SHARED
_THEIRS = {"allow", "defaultAction", "deny", "ioctls", "landlock", "manifest", "paths", "profile", "rules"}
_OUR_NETWORK = set(Network.model_fields) - {"egress"}
_OUR_CALLS = set(Syscalls.model_fields) - {"default", "allow", "deny", "broker", "log", "kill"}
_THEIR_FILES = {"deny", "exec", "hidden", "read_only", "read_write", "readonly", "ro", "rw"}
_THEIR_NETWORK = {"allow", "allow_cidrs", "allowed_cidrs", "cidrs", "denied_cidrs", "deny", "deny_cidrs", "mode"}
_THEIR_CALLS = {"allowed", "block", "brokered", "default_action", "denied", "mediate", "notify"}
_THEIR_CALL = {"intent", "name", "reason", "syscall"}


def ours(content: dict[str, Any]) -> Evidence:
    """Places that only a policy of ours has."""
    found: Evidence = [(key,) for key in content if key in _OURS]
    found += _keys(content, "network", _OUR_NETWORK)
    found += _keys(content, "syscalls", _OUR_CALLS)
    found += _keys(content, "broker", set(Broker.model_fields))
    found += [("network",)] if content.get("network") == "unrestricted" else []
    found += [place for place, entry in _entries(content, "syscalls") if _is_our_call(entry)]
    found += [place for place, entry in _entries(content, "network", "egress") if _is_our_peer(entry)]
    return found


def theirs(content: dict[str, Any]) -> Evidence:
    """Places that only a profile has."""
    found: Evidence = [(key,) for key in content if key in _THEIRS]
    found += _keys(content, "filesystem", _THEIR_FILES)
    found += _keys(content, "network", _THEIR_NETWORK)
    found += _keys(content, "syscalls", _THEIR_CALLS)
    found += [(key,) for key in ("broker", "syscalls") if isinstance(content.get(key), list)]
    found += [(key,) for key in ("ioctl", "audit") if isinstance(content.get(key), dict)]
    found += [
        place
        for place, entry in _entries(content, "syscalls")
        if isinstance(entry, dict) and _THEIR_CALL & set(map(str, entry))
    ]
    found += [
        place for place, entry in _entries(content, "network", "egress") if isinstance(entry, dict) and "cidr" in entry
    ]
    linux = content.get("linux")
    found += [("linux", "seccomp")] if isinstance(linux, dict) and "seccomp" in linux else []
    return found


def _keys(content: dict[str, Any], section: str, known: set[str]) -> Evidence:
    part = content.get(section)
    return [(section, key) for key in part if key in known] if isinstance(part, dict) else []


def _entries(content: dict[str, Any], section: str, only: str | None = None) -> Iterator[tuple[Place, Any]]:
    part = content.get(section)
    for key, items in part.items() if isinstance(part, dict) else ():
        if isinstance(items, list) and isinstance(key, str) and only in (None, key):
            for at, entry in enumerate(items):
                yield (section, key, at), entry


def _is_our_call(entry: Any) -> bool:
    return (isinstance(entry, dict) and bool({"call", "when"} & set(map(str, entry)))) or (
        isinstance(entry, str) and entry.startswith("@")
    )


def _is_our_peer(entry: Any) -> bool:
    return (isinstance(entry, dict) and bool({"allow", "deny"} & set(map(str, entry)))) or entry in ("any", "loopback")
