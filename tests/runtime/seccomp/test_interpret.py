"""The interpreter refuses what the kernel refuses, and runs the rest."""

import pytest

from runtime.seccomp.disassemble import disassemble
from runtime.seccomp.interpret import Call, ProgramError, decode, interpret


def program(*fields: tuple[int, int, int, int]) -> bytes:
    """Little-endian instructions."""
    return b"".join(
        code.to_bytes(2, "little") + bytes((jt, jf)) + k.to_bytes(4, "little") for code, jt, jf, k in fields
    )


RETURN = (0x06, 0, 0, 7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes are no array"),
        (b"1234567", "7 bytes are no array"),
        (program(RETURN) * 4097, "32776 bytes are no array"),
        (program((0x20, 0, 0, 2), RETURN), "instruction 0 loads from offset 2"),
        (program((0x20, 0, 0, 64), RETURN), "instruction 0 loads from offset 64"),
        (program((0x05, 0, 0, 1), RETURN), "instruction 0 jumps out of the program"),
        (program(RETURN, (0x15, 0, 1, 0), RETURN), "instruction 1 jumps out of the program"),
        (program((0x28, 0, 0, 0), RETURN), "instruction 0 has code 0x28"),
        (program((0x20, 0, 0, 0)), "the last instruction is no return"),
    ],
)
def test_refused(data: bytes, message: str) -> None:
    """By the number of the instruction."""
    with pytest.raises(ProgramError, match=message):
        decode(data)


@pytest.mark.parametrize(
    ("code", "taken"),
    [(0x15, [5]), (0x25, [6, 7]), (0x35, [5, 6, 7]), (0x45, [4, 5, 6, 7, 1, 3])],
)
def test_jumps(code: int, taken: list[int]) -> None:
    """==, >, >= and & against 5, on the number; the path is told."""
    decoded = decode(program((0x20, 0, 0, 0), (code, 1, 0, 5), RETURN, (0x05, 0, 0, 0), (0x06, 0, 0, 8)))
    for nr in range(8):
        outcome = interpret(decoded, Call(nr, 0))
        assert outcome.verdict == (8 if nr in taken else 7)
        assert outcome.path == ((0, 1, 3, 4) if nr in taken else (0, 1, 2))
    assert disassemble(decoded)[3] == "   3  goto 4"


def test_words() -> None:
    """Every word of struct seccomp_data is where the kernel has it, in both byte orders."""
    call = Call(1, 2, (1 << 32 | 3, 4, 5, 6, 7, 8), instruction_pointer=9 << 32 | 10)
    for big_endian, wanted in ((False, [1, 2, 10, 9, 3, 1, 4, 0]), (True, [1, 2, 9, 10, 1, 3, 0, 4])):
        for word, value in enumerate(wanted):
            equal = decode(program((0x20, 0, 0, 4 * word), (0x15, 0, 1, value), RETURN, (0x06, 0, 0, 8)))
            assert interpret(equal, call, big_endian=big_endian).verdict == 7
