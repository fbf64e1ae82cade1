"""A cgroup's files to the data of an `events` line, with runc's names.  Pure: takes a reader of the cgroup's files.

Source: cgroup-v2.rst; the shape is runc's `types/events.go`, which cAdvisor and others decode.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Read = Callable[[str], str]

_U64_MAX = (1 << 64) - 1
_IO_KEYS = (
    ("rbytes", "ioServiceBytesRecursive", "Read"),
    ("wbytes", "ioServiceBytesRecursive", "Write"),
    ("rios", "ioServicedRecursive", "Read"),
    ("wios", "ioServicedRecursive", "Write"),
)


def flat_keyed(text: str) -> dict[str, int]:
    """`key value` lines."""
    found = {}
    for line in text.split("\n"):
        key, _, value = line.partition(" ")
        if value.isdigit():
            found[key] = int(value)
    return found


def number_of(text: str) -> int:
    """A number; `max` is the largest, nothing is 0."""
    word = text.strip()
    if word == "max":
        return _U64_MAX
    return int(word) if word.isdigit() else 0


def pressure(text: str) -> "dict[str, Any] | None":
    """A *.pressure file; None where the kernel has none."""
    found: dict[str, Any] = {}
    for line in text.split("\n"):
        kind, *pairs = line.split(" ")
        if kind in ("some", "full"):
            values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            found[kind] = {name: float(values.get(name, "0")) for name in ("avg10", "avg60", "avg300")}
            found[kind]["total"] = int(values.get("total", "0"))
    return found or None


def _with_pressure(section: "dict[str, Any]", text: str) -> "dict[str, Any]":
    psi = pressure(text)
    return {**section, "psi": psi} if psi else section


def cpu_stats(read: "Read") -> "dict[str, Any]":
    """Times in nanoseconds."""
    stat = flat_keyed(read("cpu.stat"))
    usage = {
        "total": stat.get("usage_usec", 0) * 1000,
        "kernel": stat.get("system_usec", 0) * 1000,
        "user": stat.get("user_usec", 0) * 1000,
    }
    throttling = {
        "periods": stat.get("nr_periods", 0),
        "throttledPeriods": stat.get("nr_throttled", 0),
        "throttledTime": stat.get("throttled_usec", 0) * 1000,
    }
    return _with_pressure({"usage": usage, "throttling": throttling}, read("cpu.pressure"))


def _memory_entry(read: "Read", name: str, failures: int) -> dict[str, int]:
    entry = {"limit": number_of(read(f"memory.{name}max")), "usage": number_of(read(f"memory.{name}current"))}
    peak = read(f"memory.{name}peak")
    return {**entry, **({"max": number_of(peak)} if peak else {}), "failcnt": failures}


def memory_stats(read: "Read") -> "dict[str, Any]":
    """Bytes; swap counts memory and swap together, as cgroup v1 did."""
    raw = flat_keyed(read("memory.stat"))
    usage = _memory_entry(read, "", flat_keyed(read("memory.events")).get("max", 0))
    swap = _memory_entry(read, "swap.", flat_keyed(read("memory.swap.events")).get("max", 0))
    swap["usage"] += usage["usage"]
    swap["limit"] = min(_U64_MAX, swap["limit"] + usage["limit"])
    if "max" in swap:
        swap["max"] += usage.get("max", 0)
    section = {
        "cache": raw.get("file", 0),
        "usage": usage,
        "swap": swap,
        "kernel": {"limit": 0, "failcnt": 0},
        "kernelTCP": {"limit": 0, "failcnt": 0},
        "raw": raw,
    }
    return _with_pressure(section, read("memory.pressure"))


def io_stats(read: "Read") -> "dict[str, Any]":
    """One entry for each device and direction."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in read("io.stat").split("\n"):
        device, *pairs = line.split(" ")
        major, colon, minor = device.partition(":")
        if not colon or not (major.isdigit() and minor.isdigit()):
            continue
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        for key, section, operation in _IO_KEYS:
            if values.get(key, "").isdigit():
                entry = {"major": int(major), "minor": int(minor), "op": operation, "value": int(values[key])}
                found.setdefault(section, []).append(entry)
    return _with_pressure(dict(found), read("io.pressure"))


def hugetlb_stats(read: "Read", sizes: tuple[str, ...]) -> "dict[str, Any]":
    """By page size; the reserved counters where the kernel has them."""
    found = {}
    for size in sizes:
        name = f"hugetlb.{size}.rsvd" if read(f"hugetlb.{size}.rsvd.current") else f"hugetlb.{size}"
        current = read(f"{name}.current")
        if current:
            failures = flat_keyed(read(f"hugetlb.{size}.events")).get("max", 0)
            found[size] = {"usage": number_of(current), "failcnt": failures}
    return found


def container_stats(read: "Read", page_sizes: tuple[str, ...]) -> "dict[str, Any]":
    """The `data` of a stats line; `read` gives a cgroup file's text, "" when there is none."""
    current = read("pids.current")
    limit = read("pids.max").strip()
    return {
        "cpu": cpu_stats(read),
        "cpuset": {},
        "memory": memory_stats(read),
        "pids": {"current": number_of(current), **({"limit": int(limit)} if limit.isdigit() else {})},
        "blkio": io_stats(read),
        "hugetlb": hugetlb_stats(read, page_sizes),
        "intel_rdt": {},
        "network_interfaces": None,
    }
