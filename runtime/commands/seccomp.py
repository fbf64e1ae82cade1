"""seccomp: compile profiles, show programs, try calls on them, compare two.  Needs no root; only `compile -o` writes anything.

A profile is an OCI seccomp section, a config.json that has one, or a profile in Docker's or podman's form.  Where an action takes a
program as well, that is a file of struct sock_filter in the machine's byte order, as `compile` writes it.
"""

import posix

from oci_schemas.json_text import dumps
from runtime.commands.invocation import Invocation
from runtime.commands.seccomp_input import Request, parse_request
from runtime.errors import UsageError
from runtime.launch.report import encode, reason, show
from runtime.seccomp.arches import ARCHES, X32, Arch, find_arch, syscall_numbers
from runtime.seccomp.disassemble import disassemble, verdict_text
from runtime.seccomp.interpret import Call, ProgramError, interpret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.seccomp.compare import Difference

USAGE = """\
NAME:
   postern seccomp - compile, show and try seccomp filters

USAGE:
   postern seccomp ACTION [ARGUMENT...]

ACTIONS:
   compile PROFILE -o FILE            write the program
   disassemble PROFILE|PROGRAM        print the program
   simulate PROFILE SYSCALL [ARG...]  the verdict on one call, and what gave it
   stat PROFILE                       size, depth, bitmap, unknown names
   diff A B                           on which calls two profiles or programs differ; exit code 1 if on any

OPTIONS:
   --arch A                           a machine (x86_64, aarch64 ...) or SCMP_ARCH token; the first is compiled for, further
                                      ones are decided on besides, in place of those that the profile lists; for simulate:
                                      whose call it is
   --cap CAP                          a capability that rules in Docker's form may ask for; repeatable
   --kernel X.Y                       the kernel that such rules may ask for (default: this one)
   --json                             print JSON
   --help, -h                         show this text
"""


def execute(invocation: Invocation) -> int:
    """The verb of the command line.  Raises: OciError."""
    return run(["--help"] if invocation.switch("help") else invocation.arguments)


def run(argv: list[str]) -> int:
    """Do one action; the exit code is 1 where `diff` finds a difference.  Raises: UsageError, FilterError."""
    if not argv or argv[0] == "help" or "-h" in argv or "--help" in argv:
        show(encode(USAGE))
        return 0 if argv else 1
    action = ACTIONS.get(argv[0])
    if action is None:
        raise UsageError(f"seccomp: unknown action {argv[0]!r}")
    return action(parse_request(argv[0], argv[1:]))


def _say(request: Request, lines: list[str], value: object) -> None:
    show(dumps(value, "  ") + b"\n" if request.json else encode("".join(f"{line}\n" for line in lines)))


def _compile(request: Request) -> int:
    (source,) = request.positional(1)
    loaded = request.load(source)
    if loaded.compiled is None:
        raise UsageError(f"seccomp compile: {source} is a program already")
    if not request.output:
        raise UsageError("seccomp compile: -o FILE is required")
    data = loaded.compiled.program
    try:
        fd = posix.open(request.output, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o666)
        try:
            while data:
                data = data[posix.write(fd, data) :]
        finally:
            posix.close(fd)
    except OSError as error:
        raise UsageError(f"open {request.output}: {reason(error)}") from None
    compiled = loaded.compiled
    lines = [f"{len(loaded.program)} instructions", *[f"warning: {line}" for line in compiled.warnings]]
    value = {
        "instructions": len(loaded.program),
        "flags": compiled.flags,
        "notify": compiled.notify,
        "warnings": list(compiled.warnings),
    }
    _say(request, lines, value)
    return 0


def _disassemble(request: Request) -> int:
    (source,) = request.positional(1)
    lines = disassemble(request.load(source).program, big_endian=request.native.big_endian)
    _say(request, lines, lines)
    return 0


def _simulate(request: Request) -> int:
    from runtime.seccomp.blame import blame

    source, name, *rest = request.positional(2, 8)
    loaded = request.load(source, call_arch=True)
    arch = request.call_arch
    call = Call(_number(name, arch), arch.audit, tuple([_value(text) for text in rest] + [0] * (6 - len(rest))))
    outcome = interpret(loaded.program, call, big_endian=request.native.big_endian)
    cause = blame(loaded.profile, call) if loaded.profile is not None else None
    rule, text = (cause.rule, cause.text) if cause is not None else (None, None)
    if rule is not None and loaded.places is not None:
        rule = loaded.places[rule]
        text = f"rule {rule}"
    lines = [f"verdict       {verdict_text(outcome.verdict)}"]
    if text is not None:
        lines.append(f"given by      {text}")
    lines.append(f"instructions  {len(outcome.path)}")
    value = {
        "arch": arch.token,
        "nr": call.nr,
        "verdict": verdict_text(outcome.verdict),
        "value": outcome.verdict,
        "rule": rule,
        "cause": text,
        "instructions": len(outcome.path),
    }
    _say(request, lines, value)
    return 0


def _stat(request: Request) -> int:
    from runtime.seccomp.measure import figures_of, unknown_names

    (source,) = request.positional(1)
    loaded = request.load(source)
    arches = loaded.profile.arches if loaded.profile is not None else (request.native,)
    figures = [figures_of(loaded.program, arch) for arch in arches]
    elsewhere, nowhere = unknown_names(loaded.profile) if loaded.profile is not None else ([], [])
    lines = [f"instructions  {len(loaded.program)}"]
    for one in figures:
        kept = f"{one.allowed} in the kernel's bitmap" if one.in_bitmap else "no bitmap"
        lines.append(
            f"{one.arch}: {one.calls} calls, {one.constant} decided by number alone, {kept}; "
            f"comparisons: {one.deepest} at most, {one.average:.1f} on average"
        )
    if elsewhere:
        lines.append(f"of other architectures, skipped: {' '.join(elsewhere)}")
    if nowhere:
        lines.append(f"unknown, skipped: {' '.join(nowhere)}")
    value = {
        "instructions": len(loaded.program),
        "architectures": [
            {
                "arch": one.arch,
                "calls": one.calls,
                "constant": one.constant,
                "allowed": one.allowed,
                "bitmap": one.allowed if one.in_bitmap else 0,
                "deepest": one.deepest,
                "average": round(one.average, 2),
            }
            for one in figures
        ],
        "ofOtherArchitectures": elsewhere,
        "unknown": nowhere,
    }
    _say(request, lines, value)
    return 0


def _diff(request: Request) -> int:
    from runtime.seccomp.compare import differences

    a, b = request.positional(2)
    programs = request.load(a).program, request.load(b).program
    try:
        found = differences(*programs)
    except ProgramError as error:
        raise UsageError(f"seccomp diff: {error}") from None
    shown = [_difference(one, request.native) for one in found]
    lines = [
        f"{one['arch']} {one['calls']}{one['arguments'] and ' if ' + one['arguments']}: {one['a']} -> {one['b']}"
        for one in shown
    ]
    _say(request, list(dict.fromkeys(lines)) or ["no difference on any call"], shown)
    return 1 if found else 0


def _difference(one: "Difference", native: Arch) -> "dict[str, Any]":
    from runtime.seccomp.symbolic import witness

    words = [
        f"{_word(word, big_endian=native.big_endian)}"
        f"{'' if mask == 0xFFFFFFFF else f' & {mask:#x}'} in {_intervals(intervals)}"
        for (word, mask), intervals in sorted(one.region.items())
    ]
    return {
        "arch": _arch_text(one.arch, one.first),
        "calls": _calls_text(one),
        "arguments": " and ".join(words),
        "a": verdict_text(one.verdict_a),
        "b": verdict_text(one.verdict_b),
        "example": {"nr": one.first, "args": list(witness(one.region, big_endian=native.big_endian))},
    }


def _word(word: int, *, big_endian: bool) -> str:
    if word < 4:
        return f"instruction_pointer[{4 * (word - 2)}]"
    high = bool(word & 1) != big_endian
    return f"args[{word // 2 - 2}].{'high' if high else 'low'}"


def _intervals(intervals: "tuple[tuple[int, int], ...]") -> str:
    return ", ".join(f"{low:#x}" if low == high else f"{low:#x}-{high:#x}" for low, high in intervals)


def _arches_of(audit: int) -> list[Arch]:
    return [arch for arch in map(find_arch, ARCHES) if arch is not None and arch.audit == audit]


def _arch_text(audit: int, nr: int) -> str:
    arches = _arches_of(audit)
    if len(arches) > 1:  # x86_64 and x32
        arches = [arch for arch in arches if (arch.token == X32) == bool(nr & 0x40000000)]
    return arches[0].token if arches else "other architectures"


def _calls_text(one: "Difference") -> str:
    names = [
        name
        for arch in _arches_of(one.arch)
        for name, number in syscall_numbers(arch).items()
        if one.first <= number <= one.last
    ]
    if names and len(names) >= one.last - one.first + 1:
        return " ".join(names)
    numbers = f"{one.first}" if one.first == one.last else f"{one.first}-{one.last}"
    return f"{numbers} ({' '.join(names)})" if names else numbers


def _number(text: str, arch: Arch) -> int:
    number = syscall_numbers(arch).get(text)
    return _value(text, f"{arch.token} has no system call {text!r}") if number is None else number


def _value(text: str, complaint: str = "") -> int:
    try:
        return int(text, 0) & 0xFFFFFFFFFFFFFFFF
    except ValueError:
        raise UsageError(f"seccomp simulate: {complaint or f'{text!r} is not a number'}") from None


ACTIONS: "dict[str, Callable[[Request], int]]" = {
    "compile": _compile,
    "disassemble": _disassemble,
    "simulate": _simulate,
    "stat": _stat,
    "diff": _diff,
}
