"""What a seccomp profile costs: compiling, attaching, and each call under it; beside libseccomp, in one run.

    python -m benchmarks.seccomp [--json FILE] [PROFILE.json]

The profile is an OCI seccomp section; by default the tests' own one, which has the size of the engines' defaults.
Every figure is a median (compiling, attaching) or the median of batches (calls), in alternating turns, so that a busy
machine disturbs all candidates alike.  Compiling is measured hot, the second of two runs, and as the planner does it, with the garbage collector off;
attaching as the executor does it, with SPEC_ALLOW, and apart from the page faults of a process that has just been forked.
Every sample goes to the JSON file, which `python -m benchmarks.ab` compares with that of another build.
Needs no root: everything is attached in children with no_new_privs.
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from runtime.launch.filter_cache import compiled_filter
from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.compile import compile_profile, compile_profiles
from tests.runtime.seccomp import libseccomp
from tests.runtime.seccomp.samples import read_profile

MACHINE = os.uname().machine
TURNS = 60
BATCH = 20_000
SPEC_ALLOW = 4
OUTPUT = Path(__file__).parents[1] / "build" / "bench" / "seccomp.json"
# a second section, of the kind that a policy adds
POLICY: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {"names": ["mount", "ptrace", "io_uring_setup", "io_uring_enter"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 0, "op": "SCMP_CMP_GT", "value": 2}],
        },
    ],
}
Samples = dict[str, dict[str, list[float]]]


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def microseconds(action: Callable[[], object]) -> float:
    """One run of `action`."""
    start = time.perf_counter_ns()
    action()
    return (time.perf_counter_ns() - start) / 1000


def hot(action: Callable[[], object]) -> float:
    """The second of two runs: whoever had his turn before has emptied the caches of the processor."""
    action()
    return microseconds(action)


def in_child(measure: Callable[[], list[float]]) -> list[float]:
    """The figures that `measure` gives in a process of its own."""
    ours, out = os.pipe()
    pid = os.fork()  # the child holds the filter, not its parent
    if pid == 0:
        status = 1
        try:
            figures = measure()
            os.write(out, struct.pack(f"{len(figures)}d", *figures))
            status = 0
        finally:
            os._exit(status)
    os.close(out)
    data = os.read(ours, 4096)
    os.close(ours)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("the filter could not be attached, or it does not let the benchmark run")
    return list(struct.unpack(f"{len(data) // 8}d", data))


def measure_attached(program: bytes) -> list[float]:
    """In this process, for good: µs to attach, then ns of an allowed, a denied and an unknown call."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    numbers = syscall_numbers(_native())
    fprog = _Program(len(program) // 8, program)
    figures = []
    if program:
        assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
        for _ in range(3):
            libc.syscall(numbers["seccomp"], 1, SPEC_ALLOW, None)  # refused: only to have the pages of this way there
        start = time.perf_counter_ns()
        result = libc.syscall(numbers["seccomp"], 1, SPEC_ALLOW, ctypes.byref(fprog))
        figures.append((time.perf_counter_ns() - start) / 1000)
        assert result == 0
    else:
        figures.append(0.0)
    for nr in (numbers["getppid"], numbers["swapoff"], 5000):
        call, number = libc.syscall, ctypes.c_long(nr)
        batches = []
        for _ in range(7):
            start = time.perf_counter_ns()
            for _ in range(BATCH // 7):
                call(number, 0)
            batches.append((time.perf_counter_ns() - start) / (BATCH // 7))
        figures.append(statistics.median(batches))
    return figures


def _native() -> Any:
    arch = find_arch(MACHINE)
    assert arch is not None
    return arch


def measure(section: dict[str, Any]) -> Samples:
    """Candidate -> figure -> samples."""
    candidates: dict[str, Callable[[], bytes]] = {"postern": lambda: compile_profile(section, MACHINE).program}
    library = libseccomp.load()
    if library is not None:
        candidates["libseccomp"] = lambda: libseccomp.compile_section(library, section, _native().token)
    programs = {name: build() for name, build in candidates.items()}
    samples: Samples = {name: {column: [] for column in COLUMNS} for name in ("no filter", *programs)}
    both = [section, {**POLICY, "architectures": section.get("architectures")}]
    gc.disable()
    with tempfile.TemporaryDirectory(prefix="bench-seccomp-") as root:
        for several in (section, both):
            compiled_filter(several, MACHINE, root, "benchmark")
        for _ in range(TURNS):
            for name, build in candidates.items():
                samples[name]["compile µs"].append(hot(build))
            ours = samples["postern"]
            ours["two sections µs"].append(hot(lambda: compile_profiles(both, MACHINE)))
            ours["from cache µs"].append(hot(lambda: compiled_filter(section, MACHINE, root, "benchmark")))
    gc.enable()
    for _ in range(max(5, TURNS // 4)):
        for name, figures in samples.items():
            run = in_child(partial(measure_attached, programs.get(name, b"")))
            for column, value in zip(("attach µs", "allowed ns", "denied ns", "unknown ns"), run, strict=True):
                figures[column].append(value)
    for name, program in programs.items():
        samples[name]["instructions"].append(len(program) / 8)
    del samples["no filter"]["attach µs"]
    return samples


COLUMNS = (
    "instructions", "compile µs", "two sections µs", "from cache µs", "attach µs", "allowed ns", "denied ns", "unknown ns",
)  # fmt: skip


def main() -> int:
    """Measure one profile with all of its architectures and with the native one alone; print, and write the samples."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seccomp", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        default=OUTPUT,
        help="where the samples go (default build/bench/seccomp.json)",
    )
    parser.add_argument("profile", nargs="?", help="an OCI seccomp section")
    options = parser.parse_args()
    section = read_profile("wide_allow")
    if options.profile:
        section = json.loads(Path(options.profile).read_text(encoding="utf-8"))
    native = _native().token
    series = []
    for title, one in (
        (f"{len(section.get('architectures') or ()) or 1} architectures", section),
        (f"{native} alone", {**section, "architectures": [native]}),
    ):
        samples = measure(one)
        print(f"{title:24}" + "".join(f"{column:>16}" for column in COLUMNS))
        for name, figures in samples.items():
            medians = {column: statistics.median(values) for column, values in figures.items() if values}
            cells = [f"{medians[column]:>16.0f}" if column in medians else f"{'-':>16}" for column in COLUMNS]
            print(f"  {name:22}" + "".join(cells))
            dimensions = {"candidate": name, "profile": title}
            series += [{"measure": key, "dimensions": dimensions, "samples": figures[key]} for key in medians]
    print("Calls are made from Python; compare them with the row without a filter.")
    context = {"kernel": platform.release(), "python": platform.python_version(), "load": os.getloadavg()}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"benchmark": "seccomp", "context": context, "series": series}, indent=1) + "\n")
    print(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
