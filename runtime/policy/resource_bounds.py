"""linux.resources under upper bounds: of two limits the stricter, and the files of cgroup v2 that would undo it.  Pure.

What is no upper bound (a reservation, a weight's meaning beside other cgroups, rules for devices) is reported, not guessed.
Source: config-linux.md#control-groups.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Wrong = list[tuple[str, str]]

_DEFAULT_PERIOD_US = 100000
_NOT_COMPARABLE = "is no upper bound that could be compared"


def bound_resources(own: "Mapping[str, Any]", bound: "Mapping[str, Any]", wrong: "Wrong") -> "dict[str, Any]":
    """`own` with every limit of `bound` that is stricter; `wrong` grows by (pointer, why)."""
    made = dict(own)
    for name, part in bound.items():
        if part is None:
            continue
        bounding = _PARTS.get(name)
        if bounding is None:
            wrong.append((f"/{name}", _NOT_COMPARABLE))
        else:
            made[name] = bounding(own.get(name) or {}, part, wrong)
    unified = _undone(made)
    if unified is not None:
        made["unified"] = unified
    return made


def _lower(one: int | None, other: int) -> int:
    """The lower of two limits, of which the first may be absent (None, 0) or unlimited (-1)."""
    return other if one is None or one <= 0 or one > other else one


def _memory(own: "Mapping[str, Any]", bound: "Mapping[str, Any]", wrong: "Wrong") -> "dict[str, Any]":
    made = dict(own)
    for name, value in bound.items():
        if value is None:
            continue
        if name not in ("limit", "swap") or value <= 0:
            wrong.append((f"/memory/{name}", _NOT_COMPARABLE))
        else:
            made[name] = _lower(own.get(name), value)
    if made.get("limit", 0) > 0 and made.get("swap", 0) > 0:
        # swap is that of both together
        made["swap"] = max(made["swap"], made["limit"])
    return made


def _pids(own: "Mapping[str, Any]", bound: "Mapping[str, Any]", _wrong: "Wrong") -> "dict[str, Any]":
    limit, given = bound["limit"], own.get("limit")
    return {**own, "limit": limit if given is None or given < 0 or given > limit else given}


def _cpu(own: "Mapping[str, Any]", bound: "Mapping[str, Any]", wrong: "Wrong") -> "dict[str, Any]":
    made = dict(own)
    for name in bound:
        if name not in ("quota", "period", "cpus", "mems") and bound[name] is not None:
            wrong.append((f"/cpu/{name}", _NOT_COMPARABLE))
    quota, period = bound.get("quota") or 0, bound.get("period") or _DEFAULT_PERIOD_US
    if quota > 0:
        own_quota, own_period = own.get("quota") or 0, own.get("period") or _DEFAULT_PERIOD_US
        if own_quota <= 0 or own_quota * period > quota * own_period:
            made["quota"], made["period"] = quota, period
    for name in ("cpus", "mems"):
        if bound.get(name):
            made[name] = _common(own.get(name) or "", bound[name])
            if not made[name]:
                wrong.append((f"/cpu/{name}", f"{bound[name]} and the config's {own.get(name)} have nothing in common"))
    return made


def _numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return found


def _common(own: str, bound: str) -> str:
    if not own:
        return bound
    return ",".join([str(number) for number in sorted(_numbers(own) & _numbers(bound))])


def _undone(resources: "Mapping[str, Any]") -> "dict[str, str] | None":
    """`unified` is written last: of what it says about a bounded limit and the bound, the stricter."""
    unified = resources.get("unified")
    if unified is None:
        return None
    made = dict(unified)
    memory, pids, cpu = (resources.get(name) or {} for name in ("memory", "pids", "cpu"))
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    alone = swap - limit if swap > 0 and limit > 0 else -1
    for name, most in (("memory.max", limit or -1), ("pids.max", pids.get("limit") or -1), ("memory.swap.max", alone)):
        if most >= 0 and name in made and not (made[name].isdigit() and int(made[name]) <= most):
            made[name] = str(most)
    quota, period = cpu.get("quota") or 0, cpu.get("period") or _DEFAULT_PERIOD_US
    if quota > 0 and "cpu.max" in made and not _is_slower(made["cpu.max"], quota, period):
        made["cpu.max"] = f"{quota} {period}"
    for name, key in (("cpuset.cpus", "cpus"), ("cpuset.mems", "mems")):
        if cpu.get(key) and name in made:
            made[name] = _common(made[name], cpu[key]) or cpu[key]
    return made


def _is_slower(text: str, quota: int, period: int) -> bool:
    """Whether a cpu.max grants no more than quota / period."""
    words = [*text.split(), str(_DEFAULT_PERIOD_US)]
    return words[0].isdigit() and words[1].isdigit() and int(words[0]) * period <= quota * int(words[1])


_PARTS = {"memory": _memory, "pids": _pids, "cpu": _cpu}
