"""Whether one build is slower than another: two files of samples of the same benchmark, compared measure by measure.

    python -m benchmarks.ab BEFORE.json AFTER.json

Takes what `benchmarks.seccomp`, `benchmarks.start` and their like write.  Nothing is assumed of how times are distributed: the
samples are ranked together (Mann and Whitney's U, two-sided, with ties, by the normal approximation).  A measure counts as
changed if chance would give ranks that far apart less than once in a hundred times and the medians differ by more than the
tolerance.  The exit code is 1 if any measure is slower, or was in the first file only.
"""

import argparse
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

CHANCE = 0.01
Series = dict[tuple[str, ...], list[float]]


def read_series(document: dict[str, Any]) -> Series:
    """(measure, dimension=value ...) -> samples."""
    if "series" in document:
        return {
            (one["measure"], *[f"{name}={value}" for name, value in sorted(one["dimensions"].items())]): one["samples"]
            for one in document["series"]
        }
    return {
        (measure, f"candidate={candidate}"): samples
        for candidate, measures in document["samples_ms"].items()
        for measure, samples in measures.items()
    }


def chance(before: list[float], after: list[float]) -> float:
    """How likely ranks at least this far apart are if both come from one distribution."""
    ranked = sorted([(value, 0) for value in before] + [(value, 1) for value in after])
    n, m, total = len(before), len(after), len(ranked)
    rank_sum, ties, at = 0.0, 0, 0
    while at < total:
        end = at
        while end < total and ranked[end][0] == ranked[at][0]:
            end += 1
        rank_sum += (at + 1 + end) / 2 * sum(1 - which for _, which in ranked[at:end])
        ties += (end - at) ** 3 - (end - at)
        at = end
    distance = abs(rank_sum - n * (total + 1) / 2)
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1))) if total > 1 else 0.0
    if variance <= 0:
        return 1.0
    return math.erfc(max(0.0, distance - 0.5) / math.sqrt(2 * variance))


def verdict(before: list[float], after: list[float], tolerance: float) -> str:
    """Slower, faster or nothing for two sets of samples; figures without spread are compared as they are."""
    low, high = statistics.median(before), statistics.median(after)
    ratio = high / low if low else math.inf if high else 1.0
    constant = len({*before}) == len({*after}) == 1
    if abs(ratio - 1) <= (0 if constant else tolerance) or (not constant and chance(before, after) >= CHANCE):
        return ""
    return "slower" if ratio > 1 else "faster"


def compare(before: Series, after: Series, tolerance: float) -> tuple[list[str], bool]:
    """A line for each measure, and whether any is worse."""
    lines, worse = [], False
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, []), after.get(key, [])
        name = " ".join(key)
        if not old or not new:
            lines.append(f"{name:60} {'only after' if new else 'only before'}")
            worse = worse or not new
            continue
        said = verdict(old, new, tolerance)
        worse = worse or said == "slower"
        medians = statistics.median(old), statistics.median(new)
        ratio = f"{medians[1] / medians[0]:8.3f}" if medians[0] else f"{'-':>8}"
        lines.append(f"{name:60} {medians[0]:12.2f} {medians[1]:12.2f} {ratio} {said}".rstrip())
    return lines, worse


def main(argv: list[str] | None = None) -> int:
    """Compare two files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ab", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument(
        "--tolerance", type=float, default=0.05, help="a ratio of medians that is never told (default 0.05)"
    )
    options = parser.parse_args(argv)
    before, after = (
        read_series(json.loads(path.read_text(encoding="utf-8"))) for path in (options.before, options.after)
    )
    lines, worse = compare(before, after, options.tolerance)
    print(f"{'':60} {'before':>12} {'after':>12} {'ratio':>8}", *lines, sep="\n")
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
