"""Programs as text."""

from runtime.seccomp.compile import compile_profile
from runtime.seccomp.disassemble import disassemble, verdict_text
from runtime.seccomp.interpret import decode

SECTION = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_ARM"],
    "syscalls": [
        {
            "names": ["read"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 0xF0, "valueTwo": 0x10}],
        }
    ],
}


def test_listing() -> None:
    """Loads by field, jumps by line, architectures and actions by name."""
    lines = disassemble(decode(compile_profile(SECTION, "aarch64").program))
    text = "\n".join(lines)
    assert lines[0] == "   0  load arch"
    assert lines[1].startswith("   1  if == AARCH64 goto 2 else ")
    assert "load args[1].low" in text
    assert "and 0xf0" in text
    assert "return ERRNO(38)" in text
    assert "return KILL_THREAD" in text


def test_listing_of_a_big_endian_program() -> None:
    """The low word lies at the higher offset there."""
    lines = disassemble(
        decode(compile_profile(SECTION | {"architectures": []}, "s390x").program, big_endian=True), big_endian=True
    )
    assert any("load args[1].low" in line for line in lines)
    assert any("if == S390X" in line for line in lines)


def test_verdicts() -> None:
    """Every action with and without data, and what no action is."""
    assert verdict_text(0x7FFF0000) == "ALLOW"
    assert verdict_text(0x50000) == "ERRNO(0)"
    assert verdict_text(0x7FF00007) == "TRACE(7)"
    assert verdict_text(0x80000000) == "KILL_PROCESS"
    assert verdict_text(0x12340001) == "0x12340001"
