"""Launch plan to image: the bytes that the executor maps.  Pure.

Layout: header, one u32 per stage, ops of 80 bytes, then the pool (strings NUL-terminated, blobs 8-byte aligned).
The reader (`runtime/native/reader.c`) refuses whatever this module could not have written.
"""

from _struct import Struct, pack

from runtime.plan._digest import LAYOUT_DIGEST
from runtime.plan.launch_plan import LaunchPlan, Op
from runtime.plan.layout import (
    HEADER,
    HEADER_SIZE,
    LAYOUT_VERSION,
    LIST_END,
    MAGIC,
    MAX_IMAGE,
    MAX_OPS,
    MODES,
    NO_SLOT,
    NO_STRING,
    OP_CODES,
    OP_SIZE,
    OPS,
    STAGES,
)

_HEADER = Struct("<" + "".join(code for _name, code, _text in HEADER) + f"{len(STAGES)}I")
# code, flags, 4 slots, what, stage | 4 numbers | 4 strings | blob offset, blob length | 8 bytes of zero
_OP = Struct("<HH4BII4Q4III8x")
_U64 = (1 << 64) - 1


class _Pool:
    """The string and blob pool while it grows; equal strings are stored once."""

    def __init__(self) -> None:
        self.data = bytearray(8)
        self.seen: dict[str, int] = {}

    def string(self, text: str | None) -> int:
        if text is None:
            return NO_STRING
        offset = self.seen.get(text)
        if offset is None:
            raw = text.encode("utf-8", "surrogateescape")
            if b"\0" in raw:
                raise ValueError(f"string with a NUL byte: {text!r}")
            offset = self.seen[text] = len(self.data)
            self.data += raw + b"\0"
        return offset

    def blob(self, raw: bytes) -> int:
        self.data += bytes(-len(self.data) % 8)
        offset = len(self.data)
        self.data += raw
        return offset

    def blob_of(self, op: Op) -> bytes:
        kind, value = OPS[op.name][4], op.blob
        if not kind:
            if value is not None:
                raise ValueError(f"{op.name} takes no blob")
            return b""
        if kind == "bytes":
            return bytes(value or b"")  # type: ignore[arg-type]
        if kind in ("u32", "u64"):
            numbers: tuple[int, ...] = value or ()  # type: ignore[assignment]
            return pack(f"<{len(numbers)}{'I' if kind == 'u32' else 'Q'}", *numbers)
        lists: tuple[tuple[str, ...], ...] = (value or (),) if kind == "list" else value  # type: ignore[assignment]
        words: list[int] = []
        for strings in lists:
            words += [self.string(text) for text in strings]
            words.append(LIST_END)
        words += [LIST_END] * op.spare
        return pack(f"<{len(words)}Q", *words)


def encode_plan(plan: LaunchPlan) -> bytes:
    """Encode a plan.  Raises: ValueError for what no config may contain (NUL bytes, too many operations)."""
    pool = _Pool()
    records: list[bytes] = []
    ends: list[int] = []
    for index, (stage, _half, _text) in enumerate(STAGES):
        for op in plan.stages.get(stage, ()):
            raw = pool.blob_of(op)
            offset = pool.blob(raw) if raw else 0
            slots = op.slots + (NO_SLOT,) * (4 - len(op.slots))
            numbers = tuple(number & _U64 for number in op.numbers) + (0,) * (4 - len(op.numbers))
            strings = tuple(pool.string(text) for text in op.strings) + (NO_STRING,) * (4 - len(op.strings))
            records.append(
                _OP.pack(OP_CODES[op.name], op.flags, *slots, pool.string(op.what), index, *numbers, *strings, offset, len(raw))
            )
        ends.append(len(records))
    if len(records) > MAX_OPS:
        raise ValueError(f"plan has {len(records)} operations, at most {MAX_OPS} are possible")
    texts = (plan.container_id, plan.root, plan.error_prefix, plan.log_path, plan.cgroup_mount, plan.cgroup_path)
    refs = [pool.string(text) for text in (*texts, plan.state_head, plan.state_tail)]
    pool.data += bytes(8 - len(pool.data) % 8)
    pool_offset = HEADER_SIZE + OP_SIZE * len(records)
    size = pool_offset + len(pool.data)
    if size > MAX_IMAGE:
        raise ValueError(f"plan image would be {size} bytes, at most {MAX_IMAGE} are possible")
    mode = MODES.index(plan.mode) + 1
    header = _HEADER.pack(
        MAGIC,
        LAYOUT_VERSION,
        LAYOUT_DIGEST,
        size,
        mode,
        plan.flags,
        len(records),
        pool_offset,
        len(pool.data),
        plan.clone_flags,
        *refs,
        *ends,
    )
    return b"".join((header, bytes(HEADER_SIZE - len(header)), *records, pool.data))
