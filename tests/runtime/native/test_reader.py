"""The plan reader refuses, with a reason, whatever the encoder could not have written."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.plan.encode import encode_plan
from runtime.plan.launch_plan import op
from runtime.plan.layout import HEADER_SIZE, MAX_IMAGE, NO_SLOT, NO_STRING, OP_CODES, OP_SIZE, OPS
from tests.runtime.native.plans import every_operation, images, make_plan, sample_op

Check = Callable[[bytes], str]
WRONG_SIZE = "size does not match the file"

# where header fields lie
VERSION, DIGEST, SIZE, MODE, FLAGS, COUNT, POOL_OFFSET, POOL_SIZE = range(8, 40, 4)
ID = 48
STAGE_ENDS = 80
# where an op's fields lie
CODE, OP_FLAGS, SLOT, WHAT, STAGE, NUMBER, STRING, BLOB, BLOB_LENGTH, ZERO = 0, 2, 4, 8, 12, 16, 48, 64, 68, 72


def poke(image: bytes, at: int, code: str, value: int) -> bytes:
    """The image with one value replaced."""
    copy = bytearray(image)
    struct.pack_into(f"<{code}", copy, at, value)
    return bytes(copy)


def op_at(image: bytes, name: str) -> int:
    """Offset of the first operation of this name."""
    code, (count,) = OP_CODES[name], struct.unpack_from("<I", image, COUNT)
    places = (HEADER_SIZE + index * OP_SIZE for index in range(count))
    return next(place for place in places if struct.unpack_from("<H", image, place + CODE)[0] == code)


@pytest.mark.parametrize("name", ["every", "smallest", "hooks"])
def test_what_the_encoder_writes_is_accepted(check: Check, name: str) -> None:
    """Every operation with every place in use, no operation, and saved hooks."""
    assert check(images()[name]) == ""


def test_an_empty_and_a_huge_file_are_refused(check: Check, tmp_path: Path, program: list[str]) -> None:
    """The size alone decides, before anything is read."""
    assert check(b"") == "not a launch plan"
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(MAX_IMAGE + 1)
    result = subprocess.run(
        [*program, "plan-check", str(path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert "not a launch plan" in result.stderr


@pytest.mark.parametrize(
    ("at", "code", "value", "why"),
    [
        (0, "B", 0x51, "not a launch plan"),
        (VERSION, "I", 99, "written by another version of postern"),
        (DIGEST, "I", 1, "written by another version of postern"),
        (SIZE, "I", 12, WRONG_SIZE),
        (MODE, "I", 0, "unknown mode or flag"),
        (MODE, "I", 5, "unknown mode or flag"),
        (FLAGS, "I", 1 << 31, "unknown mode or flag"),
        (COUNT, "I", 4097, "too many operations"),
        (COUNT, "I", 1, "pool out of place"),
        (POOL_OFFSET, "I", HEADER_SIZE, "pool out of place"),
        (POOL_SIZE, "I", 8, "pool out of place"),
        (ID, "I", NO_STRING, "header string outside the pool"),
        (ID, "I", 1 << 24, "header string outside the pool"),
        (STAGE_ENDS, "I", 4000, "stages out of order"),
        (STAGE_ENDS, "I", 0, "operation in a wrong stage"),
        (HEADER_SIZE - 1, "B", 1, "header not zero where it must be"),
    ],
)
def test_a_wrong_header_is_refused(check: Check, at: int, code: str, value: int, why: str) -> None:
    """Each header field is bounded on its own."""
    assert check(poke(images()["every"], at, code, value)) == why


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("OPEN_PATH", (CODE, "H", 0), "unknown operation or flag"),
        ("OPEN_PATH", (CODE, "H", len(OPS) + 1), "unknown operation or flag"),
        ("OPEN_PATH", (ZERO, "Q", 1), "unknown operation or flag"),
        ("OPEN_PATH", (CODE, "H", OP_CODES["PIVOT_ROOT"]), "operation in the wrong half"),
        ("OPEN_PATH", (STAGE, "I", 3), "operation in a wrong stage"),
        ("OPEN_PATH", (SLOT, "B", NO_SLOT), "operation without a slot that it needs"),
        ("OPEN_PATH", (SLOT, "B", 251), "slot out of range"),
        ("OPEN_PATH", (SLOT + 1, "B", 0), "slot out of range"),
        ("SETNS", (SLOT, "B", 200), "slot used before it is filled"),
        ("OPEN_PATH", (NUMBER, "Q", 1), "number where none belongs"),
        ("OPEN_PATH", (STRING, "I", NO_STRING), "operation without a string that it needs"),
        ("OPEN_PATH", (STRING, "I", 1 << 24), "string outside the pool"),
        ("OPEN_PATH", (STRING + 4, "I", 8), "string outside the pool"),
        ("OPEN_PATH", (WHAT, "I", NO_STRING), "string outside the pool"),
        ("OPEN_PATH", (BLOB_LENGTH, "I", 8), "blob out of shape"),
        ("SAVE_FILE", (BLOB, "I", 12), "blob out of shape"),
        ("SAVE_FILE", (BLOB, "I", 1 << 24), "blob outside the pool"),
        ("SAVE_FILE", (BLOB_LENGTH, "I", 1 << 24), "blob outside the pool"),
        ("SET_IDS", (BLOB_LENGTH, "I", 7), "blob out of shape"),
        ("EXECVE", (BLOB_LENGTH, "I", 0), "blob out of shape"),
        ("BPF_PROGRAMS", (BLOB_LENGTH, "I", 0), "blob out of shape"),
        ("BPF_PROGRAMS", (BLOB_LENGTH, "I", 4), "table of programs out of shape"),
        ("EXECVE", (BLOB_LENGTH, "I", 24), "list without an end"),
        (
            "EXECVE",
            (BLOB, "I", 8),
            "blob outside the pool",
        ),  # before the blobs of earlier operations: they would overlap
    ],
)
def test_a_wrong_operation_is_refused(check: Check, name: str, change: tuple[int, str, int], why: str) -> None:
    """Each place of an operation is checked against its row in the layout."""
    image = images()["every"]
    at, code, value = change
    assert check(poke(image, op_at(image, name) + at, code, value)) == why


def test_an_unknown_operation_flag_is_refused(check: Check) -> None:
    """Sixteen bits, all of them named or refused: removing one name from the layout would change the digest."""
    known = sum({bit for bit in (1 << n for n in range(16)) if bit <= 0x8000})
    assert known == 0xFFFF
    image = images()["every"]
    assert check(poke(image, op_at(image, "OPEN_PATH") + OP_FLAGS, "H", 0xFFFF)) == ""


def test_a_string_in_a_spare_place_is_refused(check: Check) -> None:
    """After the last list only LIST_END may follow: a third list would be executed as nothing, or as something else."""
    image = images()["every"]
    at, pool = op_at(image, "EXECVE"), struct.unpack_from("<I", image, POOL_OFFSET)[0]
    blob, length = struct.unpack_from("<II", image, at + BLOB)
    assert check(poke(image, pool + blob + length - 8, "Q", 8)) == "list out of shape"


def test_an_image_that_does_not_end_in_nul_is_refused(check: Check) -> None:
    """The last byte ends the last string, whatever else is wrong."""
    image = images()["every"]
    assert check(poke(image, len(image) - 1, "B", 65)) == "pool without an end"


@pytest.mark.parametrize("missing", [1, 8, 100, 4096])
def test_a_cut_image_is_refused(check: Check, missing: int) -> None:
    """A file that became shorter is no plan."""
    assert check(images()["every"][:-missing]) == WRONG_SIZE


def test_a_slot_of_the_other_half_is_not_filled(check: Check) -> None:
    """What init opens, the parent half does not have."""
    stages = {"SETUP": [op("PRIVATE_PROC", "proc", proc=3)], "COMMIT": [op("SEND_PIDFD", "pidfd", socket=3, name="x")]}
    assert check(encode_plan(make_plan("CREATE", stages))) == "slot used before it is filled"


def test_what_the_host_stage_opened_both_halves_have(check: Check) -> None:
    """Descriptors opened before the clone are init's too."""
    stages = {"HOST": [op("OPEN_PATH", "path", fd=20, path="/")], "ROOT": [op("PIVOT_ROOT", "pivot", root=20)]}
    assert check(encode_plan(make_plan("CREATE", stages))) == ""


def test_saved_hooks_hold_nothing_but_hooks_stages(check: Check) -> None:
    """hooks.plan is run by start and delete, which must not be made to do anything else."""
    image = encode_plan(every_operation())
    assert check(poke(image, MODE, "I", 4)) == "saved hooks with other stages"
    stages = {"POST": [sample_op("SETNS", 16)]}
    assert check(encode_plan(make_plan("HOOKS", stages))) == "slot used before it is filled"
