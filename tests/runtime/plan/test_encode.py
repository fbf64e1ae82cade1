"""Plan to image: layout, what is refused, and that every operation can be written."""

from _struct import unpack_from
from collections.abc import Callable
from typing import Any

import pytest

from runtime.plan._digest import LAYOUT_DIGEST
from runtime.plan.encode import encode_plan
from runtime.plan.launch_plan import LaunchPlan, Op, op
from runtime.plan.layout import (
    HEADER_SIZE,
    LIST_END,
    MAX_IMAGE,
    NO_SLOT,
    NO_STRING,
    OP_CODES,
    OP_SIZE,
    OPS,
    STAGES,
    parse_places,
)


def plan_with(*steps: Op, stage: str = "HOST", **changes: Any) -> LaunchPlan:
    """A plan of nothing but these operations."""
    given: dict[str, Any] = {
        "mode": "CREATE",
        "flags": 0,
        "clone_flags": 0,
        "stages": {stage: list(steps)},
        "container_id": "web",
        "root": "/r",
        "error_prefix": "",
        "log_path": None,
        "cgroup_mount": None,
        "cgroup_path": None,
        "state_head": "h",
        "state_tail": "t",
    }
    return LaunchPlan(**{**given, **changes})


def text_at(image: bytes, offset: int) -> bytes:
    """The string of the pool at this offset."""
    pool: int = unpack_from("<I", image, 32)[0]
    return image[pool + offset : image.index(b"\0", pool + offset)]


def test_header() -> None:
    """Magic, build, size, counts, and the end of every stage."""
    image = encode_plan(plan_with(op("SETSID", "x"), stage="SETUP", flags=5, clone_flags=1 << 29))
    magic, version, digest, size, mode, flags, count, pool, pool_size, clone = unpack_from("<8sIIIIIIIIQ", image)
    assert (magic, version, digest) == (b"POSTERN\0", 1, LAYOUT_DIGEST)
    assert size == len(image) == pool + pool_size
    assert pool == HEADER_SIZE + OP_SIZE * count
    assert (mode, flags, count, clone) == (1, 5, 1, 1 << 29)
    refs = unpack_from("<8I", image, 48)
    assert [text_at(image, ref) if ref != NO_STRING else None for ref in refs] == [
        b"web",
        b"/r",
        b"",
        None,
        None,
        None,
        b"h",
        b"t",
    ]
    assert unpack_from(f"<{len(STAGES)}I", image, 80) == (0, 0, *(1,) * (len(STAGES) - 2))
    assert image[-1] == 0
    assert pool % 8 == pool_size % 8 == 0


def test_an_operation() -> None:
    """Code, flags, slots, phrase, stage, numbers, strings, blob."""
    step = op("WRITE_AT", "phrase", "OPTIONAL", dir=3, name="n", value="")
    code, flags, s0, s1, s2, s3, what, stage, *rest = unpack_from(
        "<HH4BII4Q4III", encode_plan(plan_with(step)), HEADER_SIZE
    )
    assert (code, flags, stage) == (OP_CODES["WRITE_AT"], 2, 0)
    assert (s0, s1, s2, s3) == (3, NO_SLOT, NO_SLOT, NO_SLOT)
    image = encode_plan(plan_with(step))
    assert [text_at(image, offset) for offset in (what, rest[4], rest[5])] == [b"phrase", b"n", b""]
    assert rest[6:8] == [NO_STRING, NO_STRING]
    assert rest[8:] == [0, 0]


def test_lists_and_spare_places() -> None:
    """Offsets, closed by LIST_END; spare places behind the last list."""
    step = op("EXECVE", "x", blob=(("a", "b"), ("E=1",)), spare=2)
    image = encode_plan(plan_with(step, stage="START"))
    pool: int = unpack_from("<I", image, 32)[0]
    offset, length = unpack_from("<II", image, HEADER_SIZE + 64)
    words = unpack_from(f"<{length // 8}Q", image, pool + offset)
    assert [word if word == LIST_END else text_at(image, word) for word in words] == [
        b"a",
        b"b",
        LIST_END,
        b"E=1",
        *[LIST_END] * 3,
    ]


def test_negative_numbers_are_twos_complement() -> None:
    """oom_score_adj is one."""
    image = encode_plan(plan_with(op("OOM_SCORE", "x", value=-7), stage="PARENT"))
    assert unpack_from("<q", image, HEADER_SIZE + 16) == (-7,)


def test_equal_strings_are_stored_once_and_bytes_survive() -> None:
    """A path that is no UTF-8 comes out as it came in."""
    path = b"/\xff\xfe".decode("utf-8", "surrogateescape")
    steps = [op("OPEN_PATH", "same", fd=1, path=path), op("OPEN_PATH", "same", fd=2, path=path)]
    assert encode_plan(plan_with(*steps)).count(b"/\xff\xfe\0") == 1


@pytest.mark.parametrize("name", list(OPS))
def test_every_operation_can_be_written(name: str) -> None:
    """With all of its places and its kind of blob, in a stage of its half."""
    half, slots, numbers, strings, blob, _text = OPS[name]
    places: dict[str, Any] = {word: 20 for word, _optional, _output in parse_places(slots)}
    places |= {word: 7 for word, _optional, _output in parse_places(numbers)}
    places |= {word: "s" for word, _optional, _output in parse_places(strings)}
    values = {"": None, "bytes": b"12345678", "u32": (1,), "u64": (1,), "list": ("a",), "list2": (("a",), ())}
    stage = next(stage for stage, stage_half, _text in STAGES if stage_half in half)
    image = encode_plan(plan_with(op(name, "x", blob=values[blob], **places), stage=stage))
    assert unpack_from("<H", image, HEADER_SIZE) == (OP_CODES[name],)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (op("SETSID", "x", nope=1), "SETSID has no nope"),
        (op("OPEN_PATH", "x", fd=1), "a place is missing"),
        (op("SETSID", "x", blob=b"1"), "takes no blob"),
    ],
)
def test_a_wrong_operation_is_a_programming_error(step: Op, message: str) -> None:
    """It never reaches the executor, which would refuse it too."""
    with pytest.raises(TypeError, match=message):
        encode_plan(plan_with(step))


def test_unknown_flags_are_programming_errors() -> None:
    """Of an operation and of the plan."""
    with pytest.raises(KeyError):
        op("SETSID", "x", "NO_SUCH_FLAG")
    with pytest.raises(TypeError, match="unknown plan flags"):
        encode_plan(plan_with(flags=1 << 30))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: plan_with(op("HOSTNAME", "x", name="a\0b"), stage="ROOT"), "NUL byte"),
        (lambda: plan_with(*[op("SETSID", "x")] * 4097, stage="SETUP"), "operations, at most 4096"),
        (
            lambda: plan_with(op("SAVE_FILE", "x", dir=0, mode=0, name="n", blob=bytes(MAX_IMAGE))),
            "bytes, at most",
        ),
    ],
)
def test_what_no_image_can_hold(make: Callable[[], LaunchPlan], message: str) -> None:
    """ValueError, which the caller turns into an error of the config."""
    with pytest.raises(ValueError, match=message):
        encode_plan(make())
