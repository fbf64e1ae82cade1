"""HOT: a policy's layers as bytes, for what is kept between runs and for what is saved with a container.  Pure.

Long ones are compressed: a thousand rules are 200 KB, which every create under them would read, check and write, and which become a
tenth.
"""

from marshal import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Layers = list[dict[str, Any]]

PACKED_FROM = 1 << 16
_LIST = b"["  # how marshal begins one; zlib never does


def pack_layers(layers: "Layers") -> bytes:
    """Layers as they are kept; equal layers give equal bytes in every process."""
    # format 2: no references and no interning marks, so equal data gives equal bytes in every process
    data = dumps(layers, 2)
    if len(data) < PACKED_FROM:
        return data
    try:
        from zlib import compress
    except ImportError:  # an interpreter that was built without it
        return data
    return compress(data, 1)


def unpack_layers(data: bytes) -> "Layers":
    """What `pack_layers` was given.

    Only for what nobody else can have written.  Raises: ValueError, EOFError or TypeError when it is damaged.
    """
    if data[:1] != _LIST:
        from zlib import decompress, error

        try:
            data = decompress(data)
        except error as damaged:
            raise ValueError(str(damaged)) from None
    layers: Layers = loads(data)  # noqa: S302 - ours alone
    return layers
