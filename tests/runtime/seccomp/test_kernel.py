"""The real kernel is a judge: programs are attached in throw-away processes and their verdicts felt."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from runtime.errors import FilterError
from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.compile import compile_profile, compile_profiles
from runtime.seccomp.interpret import Call, decode, interpret
from tests.runtime.seccomp import sections
from tests.runtime.seccomp.samples import read_profile

MACHINE = os.uname().machine
NATIVE = find_arch(MACHINE)
EPERM, ENOSYS = 1, 38
SIGSYS = 31
# calls that ignore their arguments and cannot fail, so any arguments may be tried on them
IDLE = ("getppid", "getuid", "geteuid", "getgid", "getegid", "gettid", "sched_yield")

pytestmark = pytest.mark.skipif(MACHINE not in ("x86_64", "aarch64"), reason="the victim knows x86_64 and aarch64")

Victim = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    """Run calls under a program in a fresh process; what each returned, and the signal that ended it if any."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("victim.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    ours, theirs = process.stdout, process.stdin

    def run(program: bytes, calls: list[tuple[int, ...]], **more: Any) -> list[Any]:
        order = {"program": program.hex(), "calls": calls, **more}
        theirs.write(json.dumps(order) + "\n")
        theirs.flush()
        answer: list[Any] = json.loads(ours.readline())
        return answer

    yield run
    theirs.close()
    ours.close()
    process.wait()


def number(name: str, machine: str = MACHINE) -> int:
    """A system call's number."""
    arch = find_arch(machine)
    assert arch is not None
    return syscall_numbers(arch)[name]


def felt(verdict: int) -> int:
    """What a process feels of a verdict on an idle call: 0 or an errno."""
    action = verdict & 0xFFFF0000
    if action == 0x50000:
        return verdict & 0xFFFF
    return ENOSYS if action == 0x7FF00000 else 0  # TRACE without a tracer


def rules_on_idle_calls() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rules whose verdicts are errnos, with any conditions."""
    return st.lists(
        st.fixed_dictionaries(
            {
                "names": st.lists(st.sampled_from(IDLE), min_size=1, max_size=2, unique=True),
                "action": st.sampled_from(("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")),
                "errnoRet": st.integers(0, 4095),
                "args": st.lists(sections.conditions(), max_size=3),
            }
        ),
        min_size=1,
        max_size=6,
    )


@settings(
    max_examples=max(12, settings().max_examples // 4),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rules=rules_on_idle_calls())
def test_kernel_runs_programs_as_the_interpreter_does(victim: Victim, rules: list[dict[str, Any]]) -> None:
    """Argument comparisons of 64 bits, on the values at which they change their answer."""
    section = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    try:
        program = compile_profile(section, MACHINE).program
    except FilterError:
        reject()
    idle = {number(name) for name in IDLE}
    calls = [
        call
        for call in sections.boundary_calls(section, MACHINE)
        if NATIVE and call.arch == NATIVE.audit and call.nr in idle
    ]
    decoded = decode(program)
    wanted = [felt(interpret(decoded, call).verdict) for call in calls]
    assert victim(program, [(call.nr, *call.args) for call in calls]) == wanted


@settings(
    max_examples=max(12, settings().max_examples // 4),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(several=st.lists(rules_on_idle_calls(), min_size=2, max_size=3))
def test_one_program_of_several_sections_does_what_several_filters_do(
    victim: Victim, several: list[list[dict[str, Any]]]
) -> None:
    """The kernel decides between filters itself, the one attached last first."""
    together = [{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules} for rules in several]
    try:
        alone = [compile_profile(section, MACHINE).program.hex() for section in together]
    except FilterError:
        reject()
    idle = {number(name) for name in IDLE}
    everything = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule for rules in several for rule in rules]}
    calls = [
        (call.nr, *call.args)
        for call in sections.boundary_calls(everything, MACHINE)
        if NATIVE and call.arch == NATIVE.audit and call.nr in idle
    ]
    wanted = victim(bytes.fromhex(alone[0]), calls, earlier=alone[:0:-1])
    assert victim(compile_profiles(together, MACHINE).program, calls) == wanted


@pytest.mark.skipif(MACHINE != "x86_64", reason="32-bit calls are made through int 0x80")
def test_kernel_gives_32_bit_calls_to_their_own_section(victim: Victim) -> None:
    """A 32-bit call of a 64-bit process: the x86 section with its own numbers, and 32 bits of each argument."""
    entry = {
        "names": ["getppid"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": 77,
        "args": [{"index": 1, "op": "SCMP_CMP_GT", "value": 0xFFFF0000}],
    }
    section = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": [entry]}
    program = compile_profile(section, MACHINE).program
    nr = number("getppid", "i686")
    calls = [(nr, 0, value, 0, 0, 0, 0) for value in (0, 0xFFFF0000, 0xFFFF0001, 0xFFFFFFFF)]
    found = victim(program, calls, gate="int80")
    if found and found[0] == ENOSYS:
        pytest.skip("this kernel runs no 32-bit calls")
    assert found == [0, 0, 77, 77]


@pytest.mark.skipif(MACHINE != "x86_64", reason="32-bit calls are made through int 0x80")
def test_kernel_kills_calls_of_other_architectures(victim: Victim) -> None:
    """A call whose architecture the profile does not name ends the thread, even under an allowing default."""
    program = compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}, MACHINE).program
    assert victim(program, [(number("getppid", "i686"), 0, 0, 0, 0, 0, 0)], gate="int80") == [f"signal {SIGSYS}"]
    x32 = (number("getppid") | 0x40000000, 0, 0, 0, 0, 0, 0)
    assert victim(program, [x32]) == [f"signal {SIGSYS}"]


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])
def test_kernel_ends_the_process(victim: Victim, action: str) -> None:
    """Calls before the fatal one still answer; none after it does."""
    section = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["geteuid"], "action": action}]}
    calls = [(number(name), 0, 0, 0, 0, 0, 0) for name in ("getuid", "geteuid", "getuid")]
    assert victim(compile_profile(section, MACHINE).program, calls) == [0, f"signal {SIGSYS}"]


def test_kernel_answers_newer_calls_with_enosys(victim: Victim) -> None:
    """Above the newest call of the profile ENOSYS, below it the default errno."""
    section = read_profile("wide_allow")
    section["architectures"] = [NATIVE.token if NATIVE else ""]
    found = victim(compile_profile(section, MACHINE).program, [(100_000, 0, 0, 0, 0, 0, 0)])
    assert found == [ENOSYS]


# bad pointers and descriptors: were one of these let through, it would fail with another errno and change nothing
DENIED = ("add_key", "bpf", "mount", "init_module", "kexec_load", "open_by_handle_at", "pivot_root", "setns", "swapon")


def test_kernel_under_a_profile_of_the_engines_size(victim: Victim) -> None:
    """The whole profile attaches; denied calls get EPERM, clone3 ENOSYS, allowed ones run, with and without the LOG flag."""
    section = read_profile("wide_allow")
    section["architectures"] = [NATIVE.token if NATIVE else ""]
    program = compile_profile(section, MACHINE).program
    bad = (0xFFFFFFFFFFFFFFFF,) * 6
    calls = [(number(name), *bad) for name in (*DENIED, "clone3")]
    calls += [(number("socket"), 40, 1, 0, 0, 0, 0), (number("personality"), 0xFFFFFFFF, 0, 0, 0, 0, 0)]
    calls += [(number("getppid"), *bad), (number("openat"), *bad)]
    wanted = [EPERM] * len(DENIED) + [ENOSYS, EPERM, 0, 0, 14]
    assert victim(program, calls) == wanted
    assert victim(program, calls, flags=2) == wanted


@pytest.mark.skipif(MACHINE != "x86_64", reason="an x86_64 program")
def test_interpreter_and_kernel_refuse_the_same(victim: Victim) -> None:
    """A program that jumps out of itself is refused by both, so the interpreter is no lenient judge."""
    program = bytes.fromhex("200000000400000015000900 3e0000c00600000000000000".replace(" ", ""))
    with pytest.raises(Exception, match="jumps out of the program"):
        decode(program)
    assert victim(program, []) == [-22]
    assert interpret(decode(bytes.fromhex("060000000000ff7f")), Call(0, 0)).verdict == 0x7FFF0000


@pytest.mark.parametrize(
    ("first", "second", "argument", "errno"),
    [
        (("GT", 5 << 32), ("LT", 1), 5, 0),
        (("LE", 2), ("LE", (1 << 32) + 3), 3, 2),
        (("GE", 0x7FFFFFFF), ("LT", 5 << 32), 5 << 32, 1),
    ],
)
def test_two_bounds_on_one_wide_argument(
    victim: Victim, first: tuple[str, int], second: tuple[str, int], argument: int, errno: int
) -> None:
    """Cases in which libseccomp 2.5.4 compares the low word with the high word's bound, and misses or strikes falsely."""
    entries = [
        {
            "names": ["getppid"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": position,
            "args": [{"index": 0, "op": f"SCMP_CMP_{op}", "value": value}],
        }
        for position, (op, value) in enumerate((first, second), start=1)
    ]
    program = compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries}, MACHINE).program
    assert victim(program, [(number("getppid"), argument, 0, 0, 0, 0, 0)]) == [errno]
