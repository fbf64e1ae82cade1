"""Whatever reaches the compiler or the decoder: an answer or its own error, never another exception."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.commands.seccomp import run
from runtime.errors import FilterError, OciError
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.disassemble import disassemble
from runtime.seccomp.interpret import Call, Instruction, ProgramError, decode, interpret

NAMES = st.sampled_from(("read", "write", "", "socket", "nonsense"))
WORDS = st.sampled_from(
    ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP", "ALLOW", "")
)
NUMBERS = st.integers(-3, 6) | st.sampled_from((4096, 65536, 1 << 63, 1 << 64))
LOOSE_SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "defaultAction": WORDS,
        "defaultErrnoRet": NUMBERS | st.none(),
        "architectures": st.none()
        | st.lists(st.sampled_from(("SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_S390X", "X"))),
        "flags": st.none() | st.lists(st.sampled_from(("SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "LOG"))),
        "syscalls": st.none()
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "names": st.none() | st.lists(NAMES, max_size=3),
                    "action": WORDS,
                    "errnoRet": NUMBERS | st.none(),
                    "args": st.none()
                    | st.lists(
                        st.fixed_dictionaries(
                            {},
                            optional={
                                "index": NUMBERS,
                                "value": NUMBERS,
                                "valueTwo": NUMBERS,
                                "op": st.sampled_from(("SCMP_CMP_EQ", "SCMP_CMP_LT", "EQ")),
                            },
                        ),
                        max_size=3,
                    ),
                },
            ),
            max_size=4,
        ),
    },
)


@given(section=LOOSE_SECTIONS, machine=st.sampled_from(("x86_64", "s390x", "armv7l", "vax")))
def test_any_section_is_compiled_or_refused(section: dict[str, Any], machine: str) -> None:
    """A section that is wrong anywhere is refused with pointers; one that is not gives a program that the kernel would take."""
    program, violations = b"", None
    try:
        program = compile_profile(section, machine).program
    except FilterError as error:
        violations = error.violations
    if violations is None:
        assert decode(program, big_endian=machine == "s390x")
    else:
        assert violations
        assert all(pointer.startswith("/") and text and "\n" not in text for pointer, text in violations)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 70_000)
    | st.sampled_from(("", "SCMP_ACT_ALLOW", "SCMP_ARCH_X86", "amd64", "4.8", "x", "EPERM", "CAP_X")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("names", "caps", "op")), inner),
    max_leaves=3,
)


def loosely(**properties: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of the properties, each of which may be anything else instead; or anything else."""
    return st.fixed_dictionaries({}, optional={name: one | JUNK for name, one in properties.items()}) | JUNK


CONDITIONS = loosely(caps=st.just(["CAP_X"]), arches=st.just(["amd64"]), minKernel=st.just("4.8"))
ENGINE_RULES = loosely(
    names=st.just(["read"]),
    name=st.just("write"),
    action=st.just("SCMP_ACT_ALLOW"),
    errno=st.just("EPERM"),
    errnoRet=st.just(1),
    args=st.lists(loosely(index=st.just(0), value=st.just(1), op=st.just("SCMP_CMP_EQ")), max_size=2),
    includes=CONDITIONS,
    excludes=CONDITIONS,
)
ENGINE_MAP = loosely(architecture=st.just("SCMP_ARCH_X86_64"), subArchitectures=st.just(["SCMP_ARCH_X86"]))
DOCUMENTS = loosely(
    defaultAction=st.just("SCMP_ACT_ERRNO"),
    defaultErrno=st.just("EPERM"),
    archMap=st.lists(ENGINE_MAP, max_size=2),
    architectures=st.just(["SCMP_ARCH_X86"]),
    flags=st.just([]),
    syscalls=st.lists(ENGINE_RULES, max_size=3),
    linux=JUNK,
)


@given(document=DOCUMENTS)
def test_any_document_is_answered_or_refused(document: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a person gives the tool as a profile, in whatever form, is compiled or refused in one line."""
    path = tmp_path_factory.getbasetemp() / "profile.json"
    path.write_text(json.dumps(document))
    complaint = ""
    try:
        assert run(["stat", str(path), "--arch", "x86_64", "--json"]) == 0
    except OciError as error:
        complaint = str(error)
    assert "\n" not in complaint


INSTRUCTIONS = st.builds(
    Instruction,
    st.sampled_from((0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06, 0x06, 0x00, 0x35)),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from((0, 1, 2, 4, 16, 60, 62, 64, 0x7FFF0000, 0xFFFFFFFF)),
)


@given(
    instructions=st.lists(INSTRUCTIONS, max_size=12),
    noise=st.binary(max_size=7),
    big_endian=st.booleans(),
)
def test_any_bytes_are_run_or_refused(instructions: list[Instruction], noise: bytes, *, big_endian: bool) -> None:
    """What passes the checks ends in a return on every call; it and its text are of one length."""
    order: Literal["big", "little"] = "big" if big_endian else "little"
    data = b"".join(
        one.code.to_bytes(2, order) + bytes((one.jt, one.jf)) + one.k.to_bytes(4, order) for one in instructions
    )
    try:
        program = decode(data + noise, big_endian=big_endian)
    except ProgramError:
        return
    assert len(disassemble(program, big_endian=big_endian)) == len(program)
    outcome = interpret(program, Call(1, 2, (3, 4, 5, 6, 7, 8)), big_endian=big_endian)
    assert program[outcome.path[-1]].code == 0x06
    assert list(outcome.path) == sorted(set(outcome.path))
