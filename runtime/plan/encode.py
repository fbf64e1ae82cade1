"""Launch plan to image: the bytes that the executor maps.  Pure.

Layout: header, one u32 per stage, ops of 80 bytes, then the pool (strings NUL-terminated, blobs 8-byte aligned).
The reader (`runtime/native/reader.c`) refuses whatever this module could not have written.
"""

from _struct import Struct, pack

from runtime.plan._digest import LAYOUT_DIGEST
from runtime.plan._shapes import SHAPES
from runtime.plan.launch_plan import Blob, LaunchPlan
from runtime.plan.layout import (
    FLAGS,
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
    OP_SIZE,
    STAGES,
)

_HEADER = Struct("<" + "".join(code for _name, code, _text in HEADER) + f"{len(STAGES)}I")
# code, flags, 4 slots, what, stage | 4 numbers | 4 strings | blob offset, blob length | 8 bytes of zero
_pack_op = Struct("<HH4BII4Q4III8x").pack
# the middle of an op record: 0-3 slots, 4 what, 5 stage, 6-9 numbers, 10-13 strings (see generate.py)
_EMPTY_ROW = [NO_SLOT] * 4 + [0] * 6 + [NO_STRING] * 4
_FIRST_NUMBER, _FIRST_STRING = 6, 10
_U64 = (1 << 64) - 1
_FLAGS_KNOWN = sum(FLAGS.values())


class _Pool:
    """The string and blob pool while it grows, in parts that a NUL follows each; equal strings are stored once."""

    __slots__ = ("parts", "seen", "size")

    def __init__(self) -> None:
        self.parts = [bytes(7)]  # offset 0 is nobody's
        self.size = 8
        self.seen: dict[str, int] = {}

    def string(self, text: str) -> int:
        offset = self.seen.get(text)
        if offset is None:
            try:
                raw = text.encode()
            except UnicodeEncodeError:
                raw = text.encode("utf-8", "surrogateescape")  # a path with bytes that are no UTF-8
            if b"\0" in raw:
                raise ValueError(f"string with a NUL byte: {text!r}")
            offset = self.seen[text] = self.size
            self.parts.append(raw)
            self.size = offset + len(raw) + 1
        return offset

    def optional(self, text: str | None) -> int:
        return NO_STRING if text is None else self.string(text)

    def blob(self, raw: bytes) -> int:
        rest = -self.size % 8
        if rest:
            self.parts.append(bytes(rest - 1))
        offset = self.size + rest
        self.parts.append(raw)
        self.size = offset + len(raw) + 1
        return offset

    def finish(self) -> bytes:
        """All of it, a multiple of 8 bytes, the last one NUL."""
        data = b"\0".join(self.parts)
        return data + bytes(8 - len(data) % 8)


def _blob_bytes(pool: _Pool, kind: str, value: Blob, spare: int) -> bytes:
    if kind == "bytes":
        return bytes(value or b"")  # type: ignore[arg-type]
    if kind in ("u32", "u64"):
        numbers: tuple[int, ...] = value or ()  # type: ignore[assignment]
        return pack(f"<{len(numbers)}{'I' if kind == 'u32' else 'Q'}", *numbers)
    lists: tuple[tuple[str, ...], ...] = (value or (),) if kind == "list" else value  # type: ignore[assignment]
    words: list[int] = []
    for strings in lists:
        words += [pool.string(text) for text in strings]
        words.append(LIST_END)
    words += [LIST_END] * spare
    return pack(f"<{len(words)}Q", *words)


def _encode_ops(plan: LaunchPlan, pool: _Pool) -> tuple[list[bytes], list[int]]:
    """The op records, and for each stage the index after its last one.

    Raises: TypeError when an op's places are not those of its row in `layout.OPS` (a programming error).
    """
    records: list[bytes] = []
    ends: list[int] = []
    string, stages = pool.string, plan.stages
    for stage, (stage_name, _half, _text) in enumerate(STAGES):
        for name, what, flags, places, blob, spare in stages.get(stage_name, ()):
            code, missing, kind, rows = SHAPES[name]
            row: list[int] = _EMPTY_ROW[:]
            row[4] = string(what)
            row[5] = stage
            for place, value in places.items():
                if value is None:
                    continue
                index = rows.get(place)
                if index is None:
                    raise TypeError(f"{name} has no {place}")
                missing &= ~(1 << index)
                if index >= _FIRST_STRING:
                    row[index] = string(value)  # type: ignore[arg-type]
                elif index >= _FIRST_NUMBER:
                    row[index] = value & _U64  # type: ignore[operator]
                else:
                    row[index] = value  # type: ignore[assignment]
            if missing or (blob is not None and not kind):
                raise TypeError(f"{name}: a place is missing or it takes no blob: {places}")
            raw = _blob_bytes(pool, kind, blob, spare) if kind else b""
            records.append(_pack_op(code, flags, *row, pool.blob(raw) if raw else 0, len(raw)))
        ends.append(len(records))
    return records, ends


def encode_plan(plan: LaunchPlan) -> bytes:
    """Encode a plan.  Raises: ValueError for what no config may contain (NUL bytes, too many operations)."""
    pool = _Pool()
    records, ends = _encode_ops(plan, pool)
    if len(records) > MAX_OPS:
        raise ValueError(f"the plan has {len(records)} operations, at most {MAX_OPS} are possible")
    texts = (plan.container_id, plan.root, plan.error_prefix, plan.log_path, plan.cgroup_mount, plan.cgroup_path)
    refs = [pool.optional(text) for text in (*texts, plan.state_head, plan.state_tail)]
    data = pool.finish()
    pool_offset = HEADER_SIZE + OP_SIZE * len(records)
    size = pool_offset + len(data)
    if size > MAX_IMAGE:
        raise ValueError(f"the plan would be {size} bytes, at most {MAX_IMAGE} are possible")
    if plan.flags & ~_FLAGS_KNOWN:
        raise TypeError(f"unknown plan flags {plan.flags:#x}")
    header = _HEADER.pack(
        MAGIC,
        LAYOUT_VERSION,
        LAYOUT_DIGEST,
        size,
        MODES.index(plan.mode) + 1,
        plan.flags,
        len(records),
        pool_offset,
        len(data),
        plan.clone_flags,
        *refs,
        *ends,
    )
    return b"".join((header, bytes(HEADER_SIZE - len(header)), *records, data))
