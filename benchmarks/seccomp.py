"""What a seccomp profile costs: compiling, attaching, and each call under it; beside libseccomp, in one run.

    python -m benchmarks.seccomp [--json FILE] [PROFILE.json]

The profile is an OCI seccomp section; by default the tests' own one, which has the size of the engines' defaults.
Every figure is a median (compiling, attaching) or the median of batches (calls), in alternating turns, so that a busy
machine disturbs all candidates alike.  Needs no root: everything is attached in children with no_new_privs.
"""

import argparse
import ctypes
import json
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from runtime.launch.filter_cache import compiled_filter
from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.compile import compile_profile
from tests.runtime.seccomp import libseccomp
from tests.runtime.seccomp.samples import read_profile

MACHINE = os.uname().machine
TURNS = 40
BATCH = 20_000


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def microseconds(action: Callable[[], object]) -> float:
    """One run of `action`."""
    start = time.perf_counter_ns()
    action()
    return (time.perf_counter_ns() - start) / 1000


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
        start = time.perf_counter_ns()
        result = libc.syscall(numbers["seccomp"], 1, 0, ctypes.byref(fprog))
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


def measure(section: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Candidate -> figure -> value."""
    candidates: dict[str, Callable[[], bytes]] = {"postern": lambda: compile_profile(section, MACHINE).program}
    library = libseccomp.load()
    if library is not None:
        candidates["libseccomp"] = lambda: libseccomp.compile_section(library, section, _native().token)
    programs = {name: build() for name, build in candidates.items()}
    compiling: dict[str, list[float]] = {name: [] for name in candidates}
    cache_hits: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-seccomp-") as cache:
        compiled_filter(section, MACHINE, cache, "benchmark")
        for _ in range(TURNS):
            for name, build in candidates.items():
                compiling[name].append(microseconds(build))
            cache_hits.append(microseconds(lambda: compiled_filter(section, MACHINE, cache, "benchmark")))
    attached: dict[str, list[list[float]]] = {name: [] for name in ("no filter", *programs)}
    for _ in range(max(5, TURNS // 4)):
        for name, runs in attached.items():
            runs.append(in_child(partial(measure_attached, programs.get(name, b""))))
    table = {}
    for name, runs in attached.items():
        attach, allowed, denied, unknown = (statistics.median(column) for column in zip(*runs, strict=True))
        table[name] = {"attach µs": attach, "allowed ns": allowed, "denied ns": denied, "unknown ns": unknown}
        if name in programs:
            table[name]["instructions"] = len(programs[name]) // 8
            table[name]["compile µs"] = statistics.median(compiling[name])
    table["postern"]["from cache µs"] = statistics.median(cache_hits)
    return table


COLUMNS = ("instructions", "compile µs", "from cache µs", "attach µs", "allowed ns", "denied ns", "unknown ns")


def main() -> int:
    """Measure one profile with all of its architectures and with the native one alone; print, and write JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seccomp", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("profile", nargs="?", help="an OCI seccomp section")
    options = parser.parse_args()
    section = read_profile("wide_allow")
    if options.profile:
        with open(options.profile, encoding="utf-8") as file:
            section = json.load(file)
    native = _native().token
    figures = {}
    for title, one in (
        (f"{len(section.get('architectures') or ()) or 1} architectures", section),
        (f"{native} alone", {**section, "architectures": [native]}),
    ):
        figures[title] = measure(one)
        print(f"{title:18}" + "".join(f"{column:>14}" for column in COLUMNS))
        for name, values in figures[title].items():
            cells = [f"{values[column]:>14.0f}" if column in values else f"{'-':>14}" for column in COLUMNS]
            print(f"  {name:16}" + "".join(cells))
    print("Calls are made from Python; compare them with the row without a filter.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
