"""The compiler's entry: machines, bounds, tables."""

import sys
from typing import Any

import pytest

from runtime.errors import FilterError
from runtime.seccomp.arches import ARCHES, IPC, MACHINES, SOCKETCALL, Arch, find_arch, syscall_numbers
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.interpret import Call, decode, interpret


def arch_of(name: str) -> Arch:
    """The architecture, which must be known."""
    arch = find_arch(name)
    assert arch is not None
    return arch


def test_a_machine_without_a_table_is_refused() -> None:
    """By name."""
    with pytest.raises(FilterError, match="no system call table for the machine 'vax'"):
        compile_profile({"defaultAction": "SCMP_ACT_ALLOW"}, "vax")


def test_a_program_that_the_kernel_would_not_take_is_refused() -> None:
    """More than 4096 instructions: the number needed is named."""
    rules = [
        {
            "names": [name],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": at, "op": "SCMP_CMP_EQ", "value": position * 977 + at} for at in range(6)],
        }
        for position, name in enumerate(syscall_numbers(arch_of("x86_64")))
    ]
    with pytest.raises(FilterError, match="instructions are needed, the kernel takes 4096"):
        compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, "x86_64")


def test_many_rules_for_one_call() -> None:
    """As many rules as the kernel's limit leaves room for, without recursion as deep as there are rules."""
    rules = [
        {
            "names": ["ioctl"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": rule % 100 + 2,
            "args": [
                {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 1 << rule % 60 | rule, "valueTwo": rule},
                {"index": 1, "op": "SCMP_CMP_NE", "value": rule},
            ],
        }
        for rule in range(300)
    ]
    program = decode(compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, "x86_64").program)
    ioctl = syscall_numbers(arch_of("x86_64"))["ioctl"]
    wanted = next(rule for rule in range(300) if 0x1234 & (1 << rule % 60 | rule) == rule & (1 << rule % 60 | rule))
    verdict = interpret(program, Call(ioctl, 0xC000003E, (0x1234, 999, 0, 0, 0, 0))).verdict
    assert verdict == 0x50000 | wanted % 100 + 2


@pytest.mark.parametrize("token", ARCHES)
def test_every_architecture_compiles(token: str) -> None:
    """Its calls, its audit number, its byte order; its table has what every Linux has."""
    arch = arch_of(token)
    numbers = syscall_numbers(arch)
    assert {"read", "write", "openat", "exit_group", "openat2", "futex_waitv", "mseal"} <= numbers.keys()
    assert list(numbers.values()) == sorted(numbers.values())
    section = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "op": "SCMP_CMP_GT", "value": 5}]}
        ],
    }
    program = decode(compile_profile(section, token).program, big_endian=arch.big_endian)
    for value, verdict in ((5, 0x50001), (6, 0x7FFF0000)):
        call = Call(numbers["read"], arch.audit, (value, 0, 0, 0, 0, 0))
        assert interpret(program, call, big_endian=arch.big_endian).verdict == verdict
    assert interpret(program, Call(numbers["read"], 0x99), big_endian=arch.big_endian).verdict == 0


def test_tables_agree_where_numbers_are_common() -> None:
    """Since Linux 5.1 new calls have one number on all architectures (but an ABI's offset): checked on those after 424."""
    offsets = {"mips": 4000, "mips64": 5000, "mips64n32": 6000, "x32": 0x40000000}
    reference = syscall_numbers(arch_of("aarch64"))
    for token, facts in ARCHES.items():
        numbers = syscall_numbers(arch_of(token))
        for name, number in reference.items():
            if 424 <= number <= 462 and name in numbers:
                assert numbers[name] - offsets.get(facts[3], 0) == number, (token, name)


def test_multiplexers_exist_where_arches_says_so() -> None:
    """socketcall and ipc are in the table of each multiplexed architecture and in no other's."""
    for token in ARCHES:
        arch = arch_of(token)
        assert ({"socketcall", "ipc"} <= syscall_numbers(arch).keys()) == arch.multiplexed, token
    assert not SOCKETCALL.keys() & IPC.keys()
    assert set(MACHINES.values()) <= set(ARCHES)


def test_the_compiler_drags_in_nothing() -> None:
    """It runs in every create: of the standard library it may load only what is built in."""
    import subprocess

    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); import runtime.seccomp.compile as c;"
        "c.compile_profile({'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['read'], 'action': 'SCMP_ACT_LOG'}]}, 'x86_64');"
        "print(*sorted(m for m in set(sys.modules) - before if not m.startswith('runtime')))"
    )
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code, "."], capture_output=True, text=True, check=True)
    assert found.stdout.split() in ([], ["_struct"])


ALLOW, DENIED, NO_SUCH_CALL = 0x7FFF0000, 0x00050016, 0x00050026


def verdict(section: dict[str, Any], name: str, *arguments: int) -> int:
    """What a section's program says on x86_64."""
    arch = arch_of("x86_64")
    call = Call(syscall_numbers(arch)[name], arch.audit, (*arguments, 0, 0, 0, 0, 0, 0)[:6])
    return interpret(decode(compile_profile(section, "x86_64").program), call).verdict


def test_a_default_for_named_calls_alone() -> None:
    """With `otherwise` the default holds for calls that a rule names, whatever the rule says; newer calls are not ENOSYS then."""
    section = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 22,
        "otherwise": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "op": "SCMP_CMP_EQ", "value": 7}]},
            {"names": ["prctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22},
            {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
    }
    assert verdict(section, "ioctl", 3, 7) == ALLOW
    assert verdict(section, "ioctl", 3, 8) == DENIED
    assert verdict(section, "prctl") == DENIED
    assert verdict(section, "mount") == NO_SUCH_CALL
    assert verdict(section, "read") == verdict(section, "landlock_create_ruleset") == ALLOW


def test_a_default_for_named_calls_behind_a_door() -> None:
    """socketcall asks for what is named there by its own rule or the default, and leaves the rest of its calls alone."""
    condition = {"index": 1, "op": "SCMP_CMP_EQ", "value": 7}
    rule = {"names": ["socket", "bind"], "action": "SCMP_ACT_ALLOW", "args": [condition]}
    section = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 22,
        "otherwise": "SCMP_ACT_ALLOW",
        "syscalls": [rule],
    }
    program = decode(compile_profile(section, "i686").program)
    arch = arch_of("i686")
    door = syscall_numbers(arch)["socketcall"]
    asked = ((1, 7), (1, 8), (2, 7), (2, 8), (3, 8), (0, 0))
    found = [interpret(program, Call(door, arch.audit, (*two, 0, 0, 0, 0))).verdict for two in asked]
    assert found == [ALLOW, DENIED, ALLOW, DENIED, ALLOW, ALLOW]
    named = {**section, "syscalls": [rule, {"names": ["socketcall"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
    program = decode(compile_profile(named, "i686").program)
    assert interpret(program, Call(door, arch.audit, (3, 8, 0, 0, 0, 0))).verdict == NO_SUCH_CALL


def test_otherwise_is_checked() -> None:
    """It is an action like the default."""
    with pytest.raises(FilterError, match="/otherwise: unknown action 'no'"):
        compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "otherwise": "no"}, "x86_64")


def test_joint_conditions_on_one_argument() -> None:
    """Where a rule says so they are a conjunction, which for an OCI runtime they never are."""
    args = [
        {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 4, "valueTwo": 4},
        {"index": 0, "op": "SCMP_CMP_NE", "value": 0xFFFFFFFF},
    ]
    denied = {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args": args}
    for joint, verdicts in ((True, [ALLOW, DENIED, ALLOW]), (False, [DENIED, DENIED, DENIED])):
        section = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**denied, "joint": joint}]}
        assert [verdict(section, "personality", value) for value in (0, 4, 0xFFFFFFFF)] == verdicts


NOTIFY = 0x7FC00000


def test_notification_for_whatever_is_not_named() -> None:
    """With `otherwise` the default may be notification, newer calls included; write(2) must be let through."""
    section: dict[str, Any] = {
        "defaultAction": "SCMP_ACT_NOTIFY",
        "otherwise": "SCMP_ACT_NOTIFY",
        "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}],
    }
    with pytest.raises(FilterError, match="/otherwise: SCMP_ACT_NOTIFY cannot be used for the write syscall"):
        compile_profile(section, "x86_64")
    section["syscalls"][0]["names"].append("write")
    assert compile_profile(section, "x86_64").notify
    assert verdict(section, "read") == verdict(section, "write") == ALLOW
    assert verdict(section, "mount") == verdict(section, "landlock_create_ruleset") == NOTIFY
