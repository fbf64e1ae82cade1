"""Docker's seccomp profiles, and the OCI's seccomp section, to `syscalls` of a policy.

A policy knows neither the container's capabilities nor other architectures: rules are read as for a container that lacks every
capability they ask for, and those that deny are kept in any case.  Cold.
"""

from typing import Any

from runtime.policy.import_notes import Notes, as_list
from runtime.policy.names import ERRNOS

_ACTIONS = {
    "SCMP_ACT_ALLOW": "allow",
    "SCMP_ACT_ERRNO": "deny",
    "SCMP_ACT_KILL": "kill",
    "SCMP_ACT_KILL_PROCESS": "kill",
    "SCMP_ACT_KILL_THREAD": "kill",
    "SCMP_ACT_LOG": "log",
    "SCMP_ACT_NOTIFY": "broker",
    "SCMP_ACT_TRAP": "deny",
    "SCMP_ACT_TRACE": "deny",
}
_INEXACT = {"SCMP_ACT_TRAP": "SIGSYS", "SCMP_ACT_TRACE": "a tracer", "SCMP_ACT_KILL_THREAD": "ending one thread alone"}
_DOES = {"deny": "denies the call", "kill": "ends the process"}
_OPERATORS = {
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_GT": ">",
    "SCMP_CMP_GE": ">=",
}
_OUR_ARCHES = {"amd64", "arm64"}
_OUR_TOKENS = {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}
_OLDEST_KERNEL = (5, 0)
_WORDS = {number: name for name, number in ERRNOS.items()}
_EPERM = 1


def import_seccomp(profile: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """The keys of a policy but its name."""
    notes.rest(
        profile,
        {
            "defaultAction",
            "defaultErrnoRet",
            "defaultErrno",
            "syscalls",
            "archMap",
            "architectures",
            "flags",
            "comment",
        },
        "",
    )
    default = _action(str(profile["defaultAction"]), "defaultAction", notes)
    if default == "broker":
        notes.lost("defaultAction SCMP_ACT_NOTIFY: calls that no rule names are denied")
        default = "deny"
    section: dict[str, Any] = {"default": default}
    if default == "deny":
        section["errno"] = _errno(profile.get("defaultErrnoRet", _EPERM))
    _architectures(profile, notes)
    if profile.get("flags"):
        notes.lost(f"flags: {', '.join(map(str, as_list(profile['flags'])))}")
    for at, rule in enumerate(as_list(profile.get("syscalls"))):
        _add_rule(section, rule, f"syscalls[{at}]", notes)
    return {"version": "1", "description": "made of a seccomp profile", "syscalls": section, "network": "unrestricted"}


def _architectures(profile: dict[str, Any], notes: Notes) -> None:
    tokens = [str(token) for token in as_list(profile.get("architectures"))]
    for entry in as_list(profile.get("archMap")):
        if isinstance(entry, dict):
            tokens += [
                str(token) for token in [entry.get("architecture"), *as_list(entry.get("subArchitectures"))] if token
            ]
    others = [token for token in dict.fromkeys(tokens) if token not in _OUR_TOKENS]
    if others:
        notes.lost(f"architectures {', '.join(others)}: a policy takes calls of the machine's own alone")


def _add_rule(section: dict[str, Any], rule: Any, place: str, notes: Notes) -> None:
    if not isinstance(rule, dict):
        notes.lost(f"{place}: {rule}")
        return
    notes.rest(
        rule, {"names", "name", "action", "args", "errnoRet", "errno", "includes", "excludes", "comment"}, f"{place}."
    )
    names = notes.known_calls([*as_list(rule.get("names")), *as_list(rule.get("name"))], place)
    action = _action(str(rule.get("action")), f"{place}.action", notes)
    if not names or not _applies(rule, action, f"{place} ({action} {' '.join(names)})", notes):
        return
    entry: dict[str, Any] = {"call": names}
    conditions = [_condition(one) for one in as_list(rule.get("args"))]
    if None in conditions:
        notes.lost(f"{place}: conditions {rule['args']}; {'denied in any case' if action != 'allow' else 'left out'}")
        if action == "allow":
            return
    elif conditions:
        entry["when"] = conditions
    if action == "deny" and rule.get("errnoRet") is not None:
        entry["errno"] = _errno(rule["errnoRet"])
    section.setdefault(action, []).append(entry)


def _action(word: str, place: str, notes: Notes) -> str:
    if word not in _ACTIONS:
        notes.lost(f"{place} {word}: denied instead")
    elif word in _INEXACT:
        notes.lost(f"{place} {word}: {_INEXACT[word]}; the policy {_DOES[_ACTIONS[word]]}")
    return _ACTIONS.get(word, "deny")


def _applies(rule: dict[str, Any], action: str, place: str, notes: Notes) -> bool:
    """Whether a rule holds whatever the container and the host are; where it may not, the stricter reading is taken."""
    holds = True
    for key in ("includes", "excludes"):
        wanted = rule.get(key) or {}
        notes.rest(wanted, {"caps", "arches", "minKernel"}, f"{place}.{key}.")
        arches = {str(arch) for arch in as_list(wanted.get("arches"))}
        if arches and bool(arches & _OUR_ARCHES) != (key == "includes"):
            notes.lost(f"{place}: {key} the architectures {', '.join(sorted(arches))}")
            return False
        if wanted.get("caps"):
            kept = action in ("deny", "kill") or key == "excludes"
            fate = "holds whatever the capabilities" if kept else "left out"
            notes.lost(f"{place}: {key} the capabilities {', '.join(map(str, as_list(wanted['caps'])))}: {fate}")
            holds = holds and kept
        if wanted.get("minKernel") and not _is_old(str(wanted["minKernel"])):
            notes.lost(
                f"{place}: {key} the kernel {wanted['minKernel']}: {'kept' if action != 'allow' else 'left out'}"
            )
            holds = holds and action != "allow"
    return holds


def _is_old(text: str) -> bool:
    parts = text.split(".")
    return all(part.isdigit() for part in parts) and tuple(map(int, parts)) <= _OLDEST_KERNEL


def _condition(one: Any) -> str | None:
    """One condition in our words; None where we have none for it."""
    if not isinstance(one, dict) or not all(isinstance(one.get(key, 0), int) for key in ("index", "value", "valueTwo")):
        return None
    operator, value = one.get("op"), one.get("value", 0)
    if not 0 <= one.get("index", -1) <= 5 or not 0 <= value < 1 << 64:
        return None
    if operator == "SCMP_CMP_MASKED_EQ":
        return f"arg{one['index']} & {value:#x} == {one.get('valueTwo', 0):#x}"
    return f"arg{one['index']} {_OPERATORS[operator]} {value:#x}" if operator in _OPERATORS else None


def _errno(value: Any) -> Any:
    return _WORDS.get(value, value) if isinstance(value, int) else value
