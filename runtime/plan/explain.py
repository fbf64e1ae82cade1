"""A launch plan for people (`postern plan`): every operation in order, its places decoded.  Cold, pure, stable.

`explain` gives lines of text, `explain_json` data of the same content.
"""

from binascii import crc32

from runtime.abi.bpf import BPF_ATTACH_TYPES, INSN_SIZE
from runtime.abi.files import S_IFBLK, S_IFCHR, S_IFIFO, split_device
from runtime.plan.layout import FLAGS, NO_SLOT, OP_FLAGS, OPS, SLOTS, STAGES, parse_places
from runtime.plan.number_words import CLONE_WORDS, words_for
from runtime.plan.programs import decode_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.plan.launch_plan import LaunchPlan, Op

_HALVES = {"P": "parent", "I": "init"}
_SLOT_WORDS = {number: name.lower() for name, number in SLOTS.items()}
_OCTAL = frozenset(("mode", "mask"))
_HOOKS = {number: name for name, number in BPF_ATTACH_TYPES.items()}
_SHOWN = 100  # characters of a long string on one line
_FILE_TYPES = {S_IFCHR: "c", S_IFBLK: "b", S_IFIFO: "p"}


def slot_name(slot: int) -> str:
    """A descriptor slot's fixed name, or its number."""
    return _SLOT_WORDS.get(slot, f"#{slot}")


def _number(op_name: str, place: str, value: int) -> "str | int":
    words = words_for(op_name, place, value)
    if words is not None:
        return words
    if place == "rdev":
        return ":".join(map(str, split_device(value)))
    if place == "owner":
        return f"{value >> 32}:{value & 0xFFFFFFFF}"
    if place in _OCTAL:
        kind = _FILE_TYPES.get(value & 0o170000, "")
        return f"{kind}{value & 0o7777:04o}" if value & 0o7777 or not kind else kind
    return value


def _shorten(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def places_of(op: "Op") -> "dict[str, str | int]":
    """The places that an operation uses, decoded: slots by name, flags as words, modes in octal."""
    _half, slots, numbers, strings, _blob, _text = OPS[op.name]
    found: dict[str, str | int] = {}
    for word, _optional, _output in parse_places(slots):
        slot = op.places.get(word)
        if isinstance(slot, int) and slot != NO_SLOT:
            found[word] = slot_name(slot)
    for word, optional, _output in parse_places(numbers):
        value = op.places.get(word) or 0
        if isinstance(value, int) and (value or not optional):
            found[word] = _number(op.name, word, value)
    for word, _optional, _output in parse_places(strings):
        text = op.places.get(word)
        if isinstance(text, str):
            found[word] = text
    return found


def _count(op: "Op", blob: bytes) -> str:
    if op.name == "SECCOMP":
        return f"{len(blob) // INSN_SIZE} instructions"
    if op.name == "BPF_PROGRAMS":
        maps, programs = decode_programs(blob)
        pairs = [f"a map of {len(pairs) // (key + value)} pairs" for _kind, key, value, _flags, pairs in maps]
        hooks = [f"{_HOOKS[hook]} {len(code) // INSN_SIZE}" for _name, _label, _kind, hook, code in programs]
        return ", ".join([*pairs, f"instructions: {' '.join(hooks)}"])
    return f"{len(blob)} bytes"


def blob_of(op: "Op") -> "dict[str, Any]":
    """What an operation carries besides its places, under a telling name; empty without a blob."""
    kind, blob = OPS[op.name][4], op.blob
    if not kind or not blob:
        return {}
    if isinstance(blob, bytes):
        return {"data": f"{_count(op, blob)}, crc {crc32(blob):08x}"}
    if kind == "list2":
        argv, env = blob
        return {"argv": list(argv), "env": list(env)}  # type: ignore[arg-type]
    if kind == "u64":
        return {"mask": [f"{word:#x}" for word in blob]}
    return {"list": [str(entry) for entry in blob]}


def op_flags(op: "Op") -> list[str]:
    """The names of an operation's flags."""
    return [name for name, bit in OP_FLAGS.items() if op.flags & bit]


def _value(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_shorten(str(entry)) for entry in value) + "]"
    return _shorten(str(value))


def describe(op: "Op") -> str:
    """One operation on one line."""
    parts = [op.name]
    parts += [f"{name}={_value(value)}" for name, value in (*places_of(op).items(), *blob_of(op).items())]
    parts += op_flags(op)
    return " ".join(parts)


def plan_flags(plan: "LaunchPlan") -> list[str]:
    """The names of the plan's flags."""
    return [name for name, bit in FLAGS.items() if plan.flags & bit]


def _namespaces(flags: int) -> list[str]:
    return [name for name, bit in CLONE_WORDS.items() if flags & bit]


def explain(plan: "LaunchPlan") -> str:
    """The whole plan as text."""
    lines = [
        f"plan {plan.mode} {plan.container_id}",
        f"  flags {' '.join(plan_flags(plan)) or '-'}",
        f"  clone {' '.join(_namespaces(plan.clone_flags)) or '-'}",
        f"  root {plan.root}",
        f"  cgroup {plan.cgroup_mount or '-'} {plan.cgroup_path or '-'}",
        f"  log {plan.log_path or '-'}",
        f"  state {plan.state_head}…{plan.state_tail}",
        f"  errors {plan.error_prefix}",
    ]
    index = 0
    for name, half, text in STAGES:
        ops = plan.stages.get(name) or ()
        if not ops:
            continue
        lines.append(f"{name} ({_HALVES[half]}: {text})")
        for op in ops:
            lines.append(f"  {index:3} {describe(op)}")
            index += 1
    return "\n".join(lines) + "\n"


def explain_json(plan: "LaunchPlan") -> "dict[str, Any]":
    """The whole plan as plain data."""
    stages = []
    index = 0
    for name, half, _text in STAGES:
        rows = []
        for op in plan.stages.get(name) or ():
            rows.append(
                {"index": index, "op": op.name, "what": op.what, **places_of(op), **blob_of(op), "flags": op_flags(op)}
            )
            index += 1
        if rows:
            stages.append({"stage": name, "half": _HALVES[half], "operations": rows})
    return {
        "mode": plan.mode,
        "id": plan.container_id,
        "root": plan.root,
        "flags": plan_flags(plan),
        "namespaces": _namespaces(plan.clone_flags),
        "cgroupMount": plan.cgroup_mount,
        "cgroupPath": plan.cgroup_path,
        "log": plan.log_path,
        "errorPrefix": plan.error_prefix,
        "stages": stages,
    }
