"""Denials that the broker hears of: in audit and ask mode, and for a container whose denials are observed.

What sections would deny is trapped instead, and the broker notes it, asks, or denies by the table; nothing becomes possible by that which
the sections by themselves deny, and with the same errno, but for audit, where nothing is denied.  Pure.
"""

from runtime.policy.sections import ALLOW, ERRNO, KILL, NOTIFY, rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from runtime.policy.enforcement import Findings
    from runtime.policy.sections import Section

    Calls = dict[str, dict[str, Any]]

# handlers that do not act: what they would let pass may be denied, or asked about, instead
_PASSING = ("record", "continue", "deny")
_NEVER = "write"  # the kernel would deadlock a listener over it


def hand_on(findings: "Findings", calls: "Calls", sections: "list[Section]") -> "dict[str, Any] | None":
    """Let the broker hear of what `sections` deny: both they and `calls` are changed.

    Returns the entry for calls that no section names; None without one, and where nobody listens.
    """
    if findings.mode == "audit":
        return _let_all_pass(findings, calls, sections)
    if findings.mode == "enforce" and not findings.observe:
        return None
    known = frozenset((*calls, _NEVER, *_named(sections)))
    heard = _heard(findings, calls, sections)
    default: dict[str, Any] | None = None
    changed: list[Section] = []
    for section in sections:
        if section.get("guard"):
            changed.append(section)
            continue
        section["syscalls"] = [part for entry in section["syscalls"] for part in _split(entry, heard)]
        if section["defaultAction"] != ERRNO:
            changed.append(section)
        elif "otherwise" in section:
            changed += _conditional(section, heard)
        else:
            default = default or _denial(section.get("defaultErrnoRet", 1), section["by"])
            changed += _by_default(section, heard, known)
    sections[:] = changed
    return default


def _denial(errno: int, number: "int | None") -> "dict[str, Any]":
    return {"handler": "deny", "errno": errno, "rule": number}


def _named(sections: "Iterable[Section]") -> "dict[str, None]":
    """The calls that some rule names."""
    return {name: None for section in sections for entry in section["syscalls"] for name in entry["names"]}


def _heard(findings: "Findings", calls: "Calls", sections: "list[Section]") -> frozenset[str]:
    """The calls whose denials the broker gives: `calls` says how.  All others keep theirs in the filter.

    The table has one errno for a call and knows no arguments, so a call that also has a handler of its own is heard of only where it
    is denied whatever its arguments are, and one with several errnos only where the first holds always.
    """
    heard = []
    for name in {**_named(sections), **dict.fromkeys(calls)}:
        found = [denial for section in sections if (denial := _denied_by(findings, section, name)) is not None]
        if not found or name == _NEVER:
            continue
        first = found[0][1]
        at_last = next((at for at, (always, _) in enumerate(found) if always), None)
        one_errno = all(
            denial["errno"] == first["errno"] for _, denial in found[: None if at_last is None else at_last + 1]
        )
        handler = calls[name]["handler"] if name in calls else "deny"
        if not one_errno:
            continue
        if name in calls and (at_last is None or (findings.mode == "ask" and handler not in _PASSING)):
            continue
        calls[name] = first
        heard.append(name)
    return frozenset(heard)


def _denied_by(findings: "Findings", section: "Section", name: str) -> "tuple[bool, dict[str, Any]] | None":
    """Whether a section denies a call whatever its arguments are, and how; None where it never does, or kills."""
    if section.get("guard"):
        return None
    entries = [entry for entry in section["syscalls"] if name in entry["names"]]
    denying = [entry for entry in entries if entry["action"] == ERRNO]
    number = findings.denials.get(name)
    if denying:
        return any(not entry.get("args") for entry in denying), _denial(denying[0].get("errnoRet", 1), number)
    free = any(not entry.get("args") for entry in entries)
    if section["defaultAction"] != ERRNO or free or ("otherwise" in section and not entries):
        return None
    errno = section.get("defaultErrnoRet", 1)
    return not entries, _denial(errno, number if "otherwise" in section else section["by"])


def _split(entry: "dict[str, Any]", heard: frozenset[str]) -> "list[dict[str, Any]]":
    """A denying rule as one that notifies, for those of its calls that are heard of."""
    if entry["action"] != ERRNO:
        return [entry]
    told = [name for name in entry["names"] if name in heard]
    kept = [name for name in entry["names"] if name not in heard]
    plain = {key: value for key, value in entry.items() if key != "errnoRet"}
    return [
        *([{**plain, "names": told, "action": NOTIFY}] if told else ()),
        *([{**entry, "names": kept}] if kept else ()),
    ]


def _only(section: "Section", names: "Iterable[str]") -> "list[dict[str, Any]]":
    """A section's rules as far as they are about these calls."""
    wanted = frozenset(names)
    cut = [{**entry, "names": [name for name in entry["names"] if name in wanted]} for entry in section["syscalls"]]
    return [entry for entry in cut if entry["names"]]


def _conditional(section: "Section", heard: frozenset[str]) -> "list[Section]":
    """A section that denies the calls it names unless a rule holds: one of those that are heard of, one of the others."""
    names = {*_named([section])}
    found = []
    told, kept = _only(section, names & heard), _only(section, names - heard)
    if kept:
        found.append({**section, "syscalls": kept})
    if told:
        notifying = {**section, "syscalls": told, "defaultAction": NOTIFY}
        notifying.pop("defaultErrnoRet", None)
        found.append(notifying)
    return found


def _by_default(section: "Section", heard: frozenset[str], known: frozenset[str]) -> "list[Section]":
    """A section that denies whatever it does not name: notifies of that, but for the calls that keep their denial."""
    errno = section.pop("defaultErrnoRet", 1)
    free = {name for entry in section["syscalls"] if not entry.get("args") for name in entry["names"]}
    named = {*_named([section])}
    conditional = sorted(named - free - heard)
    kept = sorted(known - named - heard)
    found: list[Section] = []
    if conditional:
        rules = _only(section, conditional)
        found.append({"defaultAction": ERRNO, "defaultErrnoRet": errno, "otherwise": ALLOW, "syscalls": rules})
    section["syscalls"] = _only(section, named.difference(conditional))
    section["syscalls"] += [rule(conditional, ALLOW)] if conditional else []
    section["syscalls"] += [rule(kept, ERRNO, errno)] if kept else []
    section["defaultAction"] = section["otherwise"] = NOTIFY
    return [*found, section]


def _let_all_pass(findings: "Findings", calls: "Calls", sections: "list[Section]") -> "dict[str, Any] | None":
    """audit: nothing is denied.  A call that the broker notes for another reason stays with that."""
    default: dict[str, Any] | None = None
    named = {
        name for section in sections if "by" in section for entry in section["syscalls"] for name in entry["names"]
    }
    for section in sections:
        if section.get("guard"):
            continue
        section["syscalls"] = [part for entry in section["syscalls"] for part in _noted(findings, calls, entry)]
        if section["defaultAction"] not in (ERRNO, KILL):
            continue
        errno = section.pop("defaultErrnoRet", 1)
        section["defaultAction"] = NOTIFY
        if "otherwise" in section:
            for name in {name: None for entry in section["syscalls"] for name in entry["names"]}:
                calls.setdefault(name, _denial(errno, findings.denials.get(name)))
        else:
            section["otherwise"] = NOTIFY
            section["syscalls"].append(rule((_NEVER,), ALLOW))
            denial = _denial(errno, section["by"])
            # what another layer names and this one does not is denied by this one's default
            for name in named.difference(*[entry["names"] for entry in section["syscalls"]]):
                calls.setdefault(name, denial)
            default = default or denial
    return default


def _noted(findings: "Findings", calls: "Calls", entry: "dict[str, Any]") -> "list[dict[str, Any]]":
    """A denying rule as one that notifies."""
    if entry["action"] not in (ERRNO, KILL):
        return [entry]
    errno = entry.get("errnoRet", 1)
    names = [name for name in entry["names"] if name != _NEVER]
    for name in entry["names"]:
        calls.setdefault(name, _denial(errno, findings.denials.get(name)))
    kept = {key: value for key, value in entry.items() if key in ("args", "joint")}
    return [{**kept, "names": names, "action": NOTIFY}] if names else []
