"""HOT: the programs of a container's cgroup as one table of bytes, which BPF_PROGRAMS carries.  Pure.

A head (numbers of maps and programs), a row for each map (type, sizes of key and value, flags, place and size of its pairs), a row for
each program (type, hook, place and size of its instructions, its name in the kernel, what errors call it), then pairs and instructions.
Instructions name a map by its place.  Equal programs give equal bytes: containers with the same table share them.
The reader (`runtime/native/bpf_table.c`) refuses whatever this module could not have written.
"""

from _struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    # (type, key size, value size, flags, pairs)
    Map = tuple[int, int, int, int, bytes]
    # (name, label, program type, attach type, instructions)
    Program = tuple[str, str, int, int, bytes]

_HEAD = Struct("<II")
_MAP = Struct("<6I")
_PROGRAM = Struct("<4I16s32s")
_NAME_MAX, _LABEL_MAX = 15, 31


def encode_programs(maps: "Sequence[Map]", programs: "Sequence[Program]") -> bytes:
    """The table; names and labels are cut to what fits."""
    rows = [_HEAD.pack(len(maps), len(programs))]
    parts: list[bytes] = []
    at = _HEAD.size + _MAP.size * len(maps) + _PROGRAM.size * len(programs)

    def place(data: bytes) -> tuple[int, int]:
        nonlocal at
        padding = -at % 8
        parts.append(bytes(padding) + data)
        begin = at + padding
        at = begin + len(data)
        return begin, len(data)

    for kind, key_size, value_size, flags, pairs in maps:
        rows.append(_MAP.pack(kind, key_size, value_size, flags, *place(pairs)))
    for name, label, kind, attach_type, code in programs:
        words = name.encode()[:_NAME_MAX], label.encode()[:_LABEL_MAX]
        rows.append(_PROGRAM.pack(kind, attach_type, *place(code), *words))
    return b"".join([*rows, *parts])


def decode_programs(data: bytes) -> "tuple[list[Map], list[Program]]":
    """What `encode_programs` was given."""
    map_count, program_count = _HEAD.unpack_from(data)
    maps: list[Map] = []
    programs: list[Program] = []
    at = _HEAD.size
    for _ in range(map_count):
        kind, key_size, value_size, flags, begin, size = _MAP.unpack_from(data, at)
        maps.append((kind, key_size, value_size, flags, data[begin : begin + size]))
        at += _MAP.size
    for _ in range(program_count):
        kind, attach_type, begin, size, name, label = _PROGRAM.unpack_from(data, at)
        words = name.rstrip(b"\0").decode(), label.rstrip(b"\0").decode()
        programs.append((*words, kind, attach_type, data[begin : begin + size]))
        at += _PROGRAM.size
    return maps, programs
