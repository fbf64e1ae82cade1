"""The launch plan: what the executor will do, as immutable values.

Built by `runtime.plan.compile`, turned into bytes by `runtime.plan.encode`, printed by `runtime.plan.explain`.
"""

from _operator import itemgetter

from runtime.plan._shapes import OP_FLAGS
from runtime.record import record

TYPE_CHECKING = False
Blob = bytes | tuple[int, ...] | tuple[str, ...] | tuple[tuple[str, ...], tuple[str, ...]] | None
Places = dict[str, int | str | None]

if TYPE_CHECKING:
    from typing import NamedTuple

    class Op(NamedTuple):
        """One operation: `what` is the phrase that an error line begins with; `places` are as in `layout.OPS`."""

        name: str
        what: str
        flags: int
        places: Places
        blob: Blob
        spare: int

else:

    class Op(tuple):
        """One operation: `what` is the phrase that an error line begins with; `places` are as in `layout.OPS`."""

        __slots__ = ()
        name = property(itemgetter(0))
        what = property(itemgetter(1))
        flags = property(itemgetter(2))
        places = property(itemgetter(3))
        blob = property(itemgetter(4))
        spare = property(itemgetter(5))


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


_new = tuple.__new__
_flag_bits: dict[str, int] = {"": 0, **OP_FLAGS}


def _bits_of(flags: str) -> int:
    bits = 0
    for word in flags.split():
        bits |= OP_FLAGS[word]
    _flag_bits[flags] = bits
    return bits


def op(
    name: str, what: str, flags: str = "", /, *, blob: Blob = None, spare: int = 0, **places: int | str | None
) -> Op:
    """Make one operation from named places; `flags` is a space-separated list of `layout.OP_FLAGS`.

    `spare` adds places to the last list of the blob for the executor to fill (environment).  Whether the places fit the
    operation is checked when it is encoded: here every microsecond is paid eighty times.
    """
    bits = _flag_bits.get(flags)
    return _new(Op, (name, what, _bits_of(flags) if bits is None else bits, places, blob, spare))
