"""policy.bin: what a container's policy means for whatever comes later, exec and `policy apply`."""

from marshal import dumps, loads

from runtime.plan.options import Gate
from runtime.plan.policy import SAVED_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Bound = tuple[tuple[str, ...] | None, int | None]
    Held = tuple[Gate, Bound, dict[str, Any]]

_FORMAT = 2


def encode_saved(
    gate: Gate, name: str, bound: "Bound", process: "dict[str, Any]", layers: "list[dict[str, Any]]"
) -> bytes:
    """policy.bin: what holds for every process that joins later, and the layers for `policy apply`.

    `bound` is what a process may have, capabilities and open files; `process` what the policy left of the container's own process,
    since the config is saved as it came; the layers are packed apart, since exec does not need them.
    """
    from runtime.policy.packed import pack_layers

    return dumps((_FORMAT, name, gate.landlock, gate.listener, bound, process, pack_layers(layers)), 2)


def decode_saved(data: bytes) -> "Held":
    """What `encode_saved` wrote: the gate as exec needs it, the bound, the parts of the process.  Raises: ValueError when it is not that."""
    try:
        found, *parts = _loads(data)
        if found == _FORMAT:
            _name, landlock, listener, bound, process, _layers = parts
            return Gate(landlock=landlock, listener=listener), bound, process
    except (EOFError, TypeError, ValueError):
        raise ValueError(f"{SAVED_NAME} is damaged") from None
    raise ValueError(f"{SAVED_NAME} was written by another version")  # whose parts may be more, or fewer


def _loads(data: bytes) -> "Any":
    return loads(data)  # noqa: S302 - written by create into a directory that is ours alone


def decode_layers(data: bytes) -> "tuple[str, Bound, list[dict[str, Any]]]":
    """The policy's name, its bound and its layers in what `encode_saved` wrote.  Raises: ValueError when it is not that."""
    from runtime.policy.packed import unpack_layers

    decode_saved(data)
    _found, name, _landlock, _listener, bound, _process, layers = _loads(data)
    try:
        return name, bound, unpack_layers(layers)
    except (EOFError, TypeError, ValueError):
        raise ValueError(f"{SAVED_NAME} is damaged") from None
