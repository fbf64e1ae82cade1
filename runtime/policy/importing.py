"""Profiles of others to a policy of ours, and what could not be carried over.

Understood are Docker's seccomp profiles (and the OCI's seccomp section) and the two forms of ZViz's profiles; the form is recognised by
the keys.  Whatever is not understood is named, never dropped in silence; and what comes out is checked like any other policy.  Cold.
"""

from typing import Any

import yaml

from oci_schemas.wording import quoted
from runtime.errors import PolicyError
from runtime.policy.import_docker import import_seccomp
from runtime.policy.import_evidence import ours, theirs
from runtime.policy.import_notes import Notes
from runtime.policy.import_zviz import import_manifest, import_profile
from runtime.policy.lines import Document, parse_document
from runtime.policy.load import dotted, format_found, load_policy
from runtime.policy.normalise import normalise

_WIDTH = 120
_EITHER = {"syscalls", "ioctl", "filesystem", "network", "broker", "audit"}  # what policies and profiles of ZViz have


def import_text(data: bytes, path: str, name: str) -> tuple[str, list[str]]:
    """The policy in YAML, and one line for each thing that it does not say and the profile did.

    `path` is shown in messages, `name` is what the policy will be called.  Raises: PolicyError.
    """
    document = parse_document(data, is_json=data.lstrip()[:1] == b"{")
    if document.found:
        raise PolicyError(format_found(path, document.found))
    _refuse_own(document, data, path)
    notes = Notes()
    policy = {"name": name, **_convert(document.data, path, notes)}
    called = document.data.get("name") if isinstance(document.data, dict) else None
    if called is not None and called != name:
        notes.lost(f"name: {called}; the policy is called {name}")
    text = yaml.safe_dump(policy, sort_keys=False, default_flow_style=None, width=_WIDTH, allow_unicode=True)
    loaded = load_policy(text.encode(), is_json=False)
    normalise(loaded, name, name)
    if loaded.found:
        raise PolicyError(format_found(f"{path} (converted)", loaded.found))
    return text, notes.lines


def _refuse_own(document: Document, data: bytes, path: str) -> None:
    """Raises: PolicyError for what is a policy of ours, with mistakes or without, and for what may be one."""
    content = document.data
    if not isinstance(content, dict):
        return
    own, other = ours(content), theirs(content)
    if own and other:
        first, second = (f"{dotted(places[0])} (line {document.line(places[0])})" for places in (own, other))
        raise PolicyError(
            [
                f"{path}:{document.line(own[0])}: is neither: {first} is of a policy, {second} of a profile; nothing is converted"
            ]
        )
    if own or (not other and _is_sound(data, path)):
        raise PolicyError(
            [f"{path}:1: is a policy already, nothing is to be converted: see postern policy check {path}"]
        )
    if not other and "name" in content and content.keys() & _EITHER:
        raise PolicyError(
            [
                f"{path}:1: could be a policy with mistakes as well as a profile: for the one see postern policy check {path}, a profile is known by allow, deny and broker lists at top level, intents, or landlock"
            ]
        )


def _is_sound(data: bytes, path: str) -> bool:
    loaded = load_policy(data, is_json=False)
    normalise(loaded, path, path)
    return not loaded.found


def _convert(content: Any, path: str, notes: Notes) -> dict[str, Any]:
    if not isinstance(content, dict):
        if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
            return import_manifest({"rules": content}, notes)
        raise PolicyError([f"{path}:1: is no profile: it must be a mapping"])
    section = content.get("linux", {}).get("seccomp") if isinstance(content.get("linux"), dict) else None
    if isinstance(section, dict):
        notes.lost("everything of config.json but linux.seccomp")
        return import_seccomp(section, notes)
    if "defaultAction" in content:
        return import_seccomp(content, notes)
    if isinstance(content.get("rules"), list) or isinstance(content.get("manifest"), list):
        return import_manifest(content, notes)
    if content.keys() & {"syscalls", "allow", "deny", "broker", "filesystem", "landlock", "network", "ioctl", "ioctls"}:
        return import_profile(content, notes)
    keys = ", ".join(quoted(str(key)) for key in list(content)[:5])
    raise PolicyError([f"{path}:1: is neither a seccomp profile nor one of ZViz: its keys are {keys or 'none'}"])
