"""Layers for the tests of the lowering, as the language makes them, and ways to look into what became of them."""

from typing import Any

from runtime.errors import PolicyError
from runtime.policy.lower import Lowered, lower
from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.compile import compile_profiles
from runtime.seccomp.interpret import Call, decode, interpret
from tests.runtime.plan.drafting import config, facts

ALLOW, NOTIFY, KILL, LOG = 0x7FFF0000, 0x7FC00000, 0x80000000, 0x7FFC0000
EPERM, EACCES, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT = 1, 13, 38, 93, 97
# a rule without which nothing can be started
LAUNCH = {"names": ["read", "write", "close", "openat", "close_range", "execve", "exit_group"], "action": "allow"}
_RULES = [{"text": f"rule {number}", "where": f"p.yaml:{number + 1}"} for number in range(30)]
_EMPTY: dict[str, Any] = {
    "name": "p",
    "version": "1",
    "source": "/p.yaml",
    "rules": _RULES,
    "requirements": {},
    "syscalls": None,
    "ioctl": None,
    "prctl": None,
    "clone_flags": None,
    "filesystem": None,
    "exec": None,
    "network": None,
    "capabilities": None,
    "namespaces": {"required": []},
    "resources": {},
    "limits": {"wall_time_ms": None, "open_files": None},
    "broker": {"mode": "enforce", "timeout_ms": 5000, "max_inflight": 64, "on_failure": "deny", "handler": None},
    "audit": "denials",
}


def mode(name: str) -> dict[str, Any]:
    """The part of a layer that says how its broker decides."""
    return {
        "broker": {"mode": name, "timeout_ms": 5000, "max_inflight": 64, "on_failure": "deny", "handler": "/run/h.sock"}
    }


def layer(**parts: Any) -> dict[str, Any]:
    """A layer that restricts nothing but in the given parts."""
    return {**_EMPTY, **parts}


def files(**lists: Any) -> dict[str, Any]:
    """A layer with rules for files: lists of patterns, numbered in order."""
    number = iter(range(30))
    section: dict[str, Any] = {"read": None, "write": None, "execute": None, "hide": []}
    for name, patterns in lists.items():
        section[name] = [[pattern, next(number)] for pattern in patterns]
    return layer(filesystem=section)


def syscalls(default: str, *rules: dict[str, Any], errno: int = EPERM) -> dict[str, Any]:
    """A layer with system calls; each rule has `names` and `action` at least."""
    full = [{"errno": None, "args": [], "rule": number, **rule} for number, rule in enumerate(rules)]
    return layer(syscalls={"default": {"action": default, "errno": errno}, "rules": full, "rule": 29})


def network(**parts: Any) -> dict[str, Any]:
    """A layer with a network section that limits nothing else."""
    nothing = dict.fromkeys(("domains", "types", "protocols", "egress", "ingress", "bind", "unix"))
    return layer(network={**nothing, "rule": 0, **parts})


def lowered(*layers: dict[str, Any], made: dict[str, Any] | None = None, observe: bool = False, **host: Any) -> Lowered:
    """Layers lowered for the small container on a host with Landlock 7, but for the changes."""
    return lower(layers, config() if made is None else made, facts(**{"landlock": 7, **host}), observe)


def refusal(*layers: dict[str, Any], made: dict[str, Any] | None = None, **host: Any) -> list[str]:
    """What is not enforceable; [] if everything is."""
    try:
        lowered(*layers, made=made, **host)
    except PolicyError as error:
        return error.violations
    return []


def verdict(found: Lowered, name: str, *arguments: int, machine: str = "x86_64", audit: int | None = None) -> int:
    """What the sections together say about a call; of an errno only the number."""
    arch = find_arch(machine)
    assert arch is not None
    program = decode(compile_profiles(found.sections, machine).program, big_endian=arch.big_endian)
    call = Call(syscall_numbers(arch)[name], audit or arch.audit, (*arguments, 0, 0, 0, 0, 0, 0)[:6])
    answer = interpret(program, call, big_endian=arch.big_endian).verdict
    return answer & 0xFFFF if answer & 0xFFFF0000 == 0x00050000 else answer


def row_of(found: Lowered, rule: str) -> list[tuple[str, str]]:
    """(mechanism, note) of a rule."""
    return [(mechanism, note) for text, _where, mechanism, note in found.rows if text == rule]
