"""linux.resources as writes into a cgroup v2 directory, version 1 settings converted.  Pure.

One function for each controller, in the order in which the kernel wants the files (cpu.max before cpu.max.burst, swap
before memory).  What version 2 cannot express is an error, not a silence.
Source: config-linux.md#control-groups, kernel: Documentation/admin-guide/cgroup-v2.rst.
"""

from runtime.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_DEFAULT_PERIOD_US = 100000
_CORE = "cgroup"
_UNSET_SWAPPINESS = 2**64 - 1  # what engines that keep -1 for "unset" send
_THROTTLES = (
    ("throttleReadBpsDevice", "rbps"),
    ("throttleWriteBpsDevice", "wbps"),
    ("throttleReadIOPSDevice", "riops"),
    ("throttleWriteIOPSDevice", "wiops"),
)


class Write:
    """One file to write: `names` and `values` in turn when several files would do and the first that exists counts."""

    __slots__ = ("choices", "controller", "optional", "pointer")

    def __init__(self, pointer: str, choices: "Sequence[tuple[str, str]]", optional: bool = False) -> None:
        """`choices` is (name, value) pairs; `pointer` is the setting below resources, for errors."""
        self.pointer = pointer
        self.choices = tuple(choices)
        self.controller = choices[0][0].partition(".")[0]
        self.optional = optional

    @property
    def is_limit(self) -> bool:
        """False when this only says that nothing is limited, which is so anyway without the controller."""
        return self.choices[0][1] not in ("max", "")


class Limits:
    """The outcome: writes in order, violations (pointer below resources, message)."""

    __slots__ = ("violations", "writes")

    def __init__(self) -> None:
        """Empty."""
        self.writes: list[Write] = []
        self.violations: list[tuple[str, str]] = []

    def write(self, pointer: str, name: str, value: str, optional: bool = False) -> None:
        """Note one write."""
        self.writes.append(Write(pointer, ((name, value),), optional))

    def impossible(self, pointer: str, what: str) -> None:
        """Note a setting that only cgroup v1 had."""
        self.violations.append((pointer, f"{what} cannot be expressed in cgroup v2"))


def compile_limits(resources: "Mapping[str, Any]", page_sizes: "Sequence[str]") -> Limits:
    """All writes of a resources section, devices apart (`devices_bpf`); `page_sizes` are the host's ("2MB")."""
    limits = Limits()
    _cpu(resources.get("cpu") or {}, limits)
    _memory(resources.get("memory") or {}, limits)
    _pids(resources.get("pids") or {}, limits)
    _block_io(resources.get("blockIO") or {}, limits)
    _huge_pages(resources.get("hugepageLimits") or (), page_sizes, limits)
    _rdma(resources.get("rdma") or {}, limits)
    network = resources.get("network") or {}
    if network.get("classID"):
        limits.impossible("/network/classID", "a network class")
    if network.get("priorities"):
        limits.impossible("/network/priorities", "a network priority")
    for name, value in (resources.get("unified") or {}).items():
        if "/" in name or name in ("", ".", ".."):
            limits.violations.append(
                (f"/unified/{name}", f'unified resource "{name}" must be a file name (no slashes)')
            )
        elif "." not in name:
            limits.violations.append(
                (f"/unified/{name}", f'unified resource "{name}" is not the name of a controller file')
            )
        else:
            limits.write(f"/unified/{name}", name, value)
    return limits


def check_controllers(limits: Limits, controllers: "Sequence[str]", place: str, hybrid: bool) -> list[Write]:
    """The writes that are left when unlimited settings of absent controllers are dropped.

    Raises: CgroupError naming the first limit whose controller the hierarchy at `place` does not have.
    """
    kept = []
    for write in limits.writes:
        if write.controller == _CORE or write.controller in controllers:
            kept.append(write)
        elif write.is_limit:
            why = "; cgroup v1 holds it on this host" if hybrid else ""
            raise CgroupError(
                f"unable to apply resources{write.pointer}: the {write.controller} controller is not available "
                f"in the cgroup v2 hierarchy at {place}{why}"
            )
    return kept


def cpu_weight(shares: int) -> int:
    """cpu.weight for cpu.shares: 2 is 1, 1024 is 100, 262144 is 10000, and a parabola (in logarithms) through them."""
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    from math import log2

    logarithm = log2(shares)
    weight = 10 ** ((logarithm * logarithm + 125 * logarithm) / 612 - 7 / 34)
    whole = int(weight)
    return whole if whole == weight else whole + 1


def io_weight(weight: int) -> int:
    """io.weight (1 to 10000) for a blkio weight (10 to 1000)."""
    return 1 + (weight - 10) * 9999 // 990


def swap_limit(limit: int, swap: int) -> int:
    """memory.swap.max (swap alone) for a limit of memory and swap together; -1 unlimited, 0 unset.

    Raises: ValueError with runc's line.
    """
    if limit == -1 and swap == 0:
        return -1  # as version 1 did: unlimited memory means unlimited swap unless told otherwise
    if swap in (-1, 0):
        return swap
    if limit in (0, -1):
        raise ValueError("unable to set swap limit without memory limit")
    if swap < limit:
        raise ValueError("memory+swap limit should be >= memory limit")
    return swap - limit


def _number(value: int) -> str:
    return "max" if value == -1 else str(value)


def _cpu(cpu: "Mapping[str, Any]", limits: Limits) -> None:
    for name in ("realtimeRuntime", "realtimePeriod"):
        if cpu.get(name):
            limits.impossible(f"/cpu/{name}", "a realtime limit")
    if cpu.get("shares"):
        limits.write("/cpu/shares", "cpu.weight", str(cpu_weight(cpu["shares"])))
    if cpu.get("idle") is not None:
        limits.write("/cpu/idle", "cpu.idle", str(cpu["idle"]))
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    if quota or period:
        value = f"{quota if quota > 0 else 'max'} {period or _DEFAULT_PERIOD_US}"
        if quota > 0 or period:
            limits.write("/cpu/quota" if quota else "/cpu/period", "cpu.max", value)
        else:
            limits.write("/cpu/quota", "cpu.max", "max")
    if cpu.get("burst") is not None:
        # 0 is what the kernel starts with, and older ones have no such file
        limits.write("/cpu/burst", "cpu.max.burst", str(cpu["burst"]), optional=not cpu["burst"])
    for name, file in (("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")):
        if cpu.get(name):
            limits.write(f"/cpu/{name}", file, cpu[name])


def _memory(memory: "Mapping[str, Any]", limits: Limits) -> None:
    for name, what in (("kernel", "a kernel memory limit"), ("kernelTCP", "a kernel TCP memory limit")):
        if memory.get(name) not in (None, 0, -1):
            limits.impossible(f"/memory/{name}", what)
    if memory.get("swappiness") not in (None, _UNSET_SWAPPINESS):
        limits.impossible("/memory/swappiness", "swappiness")
    if memory.get("disableOOMKiller"):
        limits.impossible("/memory/disableOOMKiller", "disabling the OOM killer")
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    try:
        swap_only = swap_limit(limit, swap)
    except ValueError as error:
        limits.violations.append(("/memory/swap", str(error)))
        return
    if swap_only or swap > 0:
        # a kernel without swap accounting has no such file, and needs none for "no swap" or "any swap"
        limits.write("/memory/swap", "memory.swap.max", _number(swap_only), optional=swap_only <= 0)
    for name, value, file in (
        ("limit", limit, "memory.max"),
        ("reservation", memory.get("reservation") or 0, "memory.low"),
    ):
        if value < -1:
            limits.violations.append((f"/memory/{name}", f"invalid memory value: {value}"))
        elif value:
            limits.write(f"/memory/{name}", file, _number(value))


def _pids(pids: "Mapping[str, Any]", limits: Limits) -> None:
    limit = pids.get("limit")
    if limit is not None:
        # 0 would keep init itself out; the least limit that can hold is one task
        limits.write("/pids/limit", "pids.max", "max" if limit < 0 else str(limit or 1))


def _block_io(block: "Mapping[str, Any]", limits: Limits) -> None:
    if block.get("leafWeight"):
        limits.impossible("/blockIO/leafWeight", "a leaf weight")
    weight = block.get("weight")
    if weight:
        _io_weight("/blockIO/weight", "", weight, limits)
    for index, device in enumerate(block.get("weightDevice") or ()):
        pointer = f"/blockIO/weightDevice/{index}"
        if device.get("leafWeight"):
            limits.impossible(f"{pointer}/leafWeight", "a leaf weight")
        if device.get("weight"):
            _io_weight(f"{pointer}/weight", f"{device['major']}:{device['minor']} ", device["weight"], limits)
    for name, key in _THROTTLES:
        for index, device in enumerate(block.get(name) or ()):
            value = f"{device['major']}:{device['minor']} {key}={device.get('rate') or 'max'}"
            limits.write(f"/blockIO/{name}/{index}", "io.max", value)


def _io_weight(pointer: str, device: str, weight: int, limits: Limits) -> None:
    """BFQ's file takes the weight as it is; io.cost's has another scale.  A kernel has one of them, both, or none."""
    if not 10 <= weight <= 1000:
        limits.violations.append((pointer, f"weight {weight} is not between 10 and 1000"))
        return
    choices = (("io.bfq.weight", f"{device}{weight}"), ("io.weight", f"{device}{io_weight(weight)}"))
    limits.writes.append(Write(pointer, choices))


def _huge_pages(entries: "Sequence[Mapping[str, Any]]", page_sizes: "Sequence[str]", limits: Limits) -> None:
    for index, entry in enumerate(entries):
        size, value = entry["pageSize"], str(entry["limit"])
        if size not in page_sizes:
            limits.violations.append((f"/hugepageLimits/{index}/pageSize", f"this host has no huge pages of {size}"))
            continue
        limits.write(f"/hugepageLimits/{index}", f"hugetlb.{size}.rsvd.max", value, optional=True)
        limits.write(f"/hugepageLimits/{index}", f"hugetlb.{size}.max", value)


def _rdma(devices: "Mapping[str, Mapping[str, Any]]", limits: Limits) -> None:
    for name, entry in devices.items():
        value = name
        for key, word in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object")):
            if entry.get(key) is not None:
                value += f" {word}={entry[key]}"
        limits.write(f"/rdma/{name}", "rdma.max", value)
