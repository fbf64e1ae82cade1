"""The launch plan: what the executor will do, as immutable values.

Built by `runtime.plan.compile`, turned into bytes by `runtime.plan.encode`, printed by `runtime.plan.explain`.
"""

from runtime.plan.layout import NO_SLOT, OP_FLAGS, OPS, parse_places
from runtime.record import record

Blob = bytes | tuple[int, ...] | tuple[str, ...] | tuple[tuple[str, ...], tuple[str, ...]] | None


@record
class Op:
    """One operation: `what` is the phrase that an error line begins with; places are as in `layout.OPS`."""

    name: str
    what: str
    flags: int
    slots: tuple[int, ...]
    numbers: tuple[int, ...]
    strings: tuple[str | None, ...]
    blob: Blob
    spare: int


@record
class LaunchPlan:
    """Everything the executor is told: `stages` maps a stage's name to its operations in order."""

    mode: str
    flags: int
    clone_flags: int
    stages: dict[str, list[Op]]
    container_id: str
    root: str
    error_prefix: str
    log_path: str | None
    cgroup_mount: str | None
    cgroup_path: str | None
    state_head: str
    state_tail: str


_places: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], frozenset[str]]] = {}


def _places_of(name: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], frozenset[str]]:
    found = _places.get(name)
    if found is None:
        _half, slots, numbers, strings, _blob, _text = OPS[name]
        places = [parse_places(spec) for spec in (slots, numbers, strings)]
        optional = frozenset(word for place in places for word, may_miss, _out in place if may_miss)
        a, b, c = (tuple(word for word, _may_miss, _out in place) for place in places)
        found = _places[name] = (a, b, c, optional)
    return found


def op(name: str, what: str, flags: str = "", *, blob: Blob = None, spare: int = 0, **fields: int | str | None) -> Op:
    """Make one operation from named places; `flags` is a space-separated list of `layout.OP_FLAGS`.

    `spare` adds places to the last list of the blob for the executor to fill (environment).
    Raises: TypeError when a required place is missing or a name is unknown (a programming error, never user input).
    """
    slots, numbers, strings, optional = _places_of(name)
    take = fields.pop
    values: list[tuple[int | str | None, ...]] = []
    for words, absent in ((slots, NO_SLOT), (numbers, 0), (strings, None)):
        row: list[int | str | None] = []
        for word in words:
            if word not in fields and word not in optional:
                raise TypeError(f"{name} needs {word}")
            value = take(word, absent)
            row.append(absent if value is None else value)
        values.append(tuple(row))
    if fields:
        raise TypeError(f"{name} has no {', '.join(fields)}")
    bits = 0
    for word in flags.split():
        bits |= OP_FLAGS[word]
    return Op(name, what, bits, values[0], values[1], values[2], blob, spare)
