"""linux.resources as cgroup v2 writes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups.resources import check_controllers, compile_limits, cpu_weight, io_weight, swap_limit
from runtime.errors import CgroupError

_SIZES = ("2MB", "1GB")


def writes(**resources: Any) -> list[tuple[str, str]]:
    """(file, value) of each write, alternatives one after the other."""
    limits = compile_limits(resources, _SIZES)
    assert not limits.violations
    return [choice for write in limits.writes for choice in write.choices]


def wrong(**resources: Any) -> dict[str, str]:
    """Pointer to message."""
    return dict(compile_limits(resources, _SIZES).violations)


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(1, 1), (2, 1), (3, 2), (512, 59), (1024, 100), (2048, 174), (262143, 10000), (262144, 10000), (10**9, 10000)],
)
def test_cpu_weight(shares: int, weight: int) -> None:
    """The curve that runc, crun and systemd agree on: the least, the default and the most stay what they were."""
    assert cpu_weight(shares) == weight


@given(st.integers(2, 300000), st.integers(2, 300000))
def test_more_shares_never_weigh_less(one: int, other: int) -> None:
    """And weights stay in the kernel's range."""
    low, high = sorted((one, other))
    assert 1 <= cpu_weight(low) <= cpu_weight(high) <= 10000


@pytest.mark.parametrize(("weight", "expected"), [(10, 1), (100, 910), (500, 4950), (1000, 10000)])
def test_io_weight(weight: int, expected: int) -> None:
    """Both ends fit."""
    assert io_weight(weight) == expected


@pytest.mark.parametrize(
    ("limit", "swap", "expected"), [(0, 0, 0), (-1, 0, -1), (5, -1, -1), (5, 5, 0), (5, 9, 4), (0, -1, -1)]
)
def test_swap_limit(limit: int, swap: int, expected: int) -> None:
    """Version 1 counted memory and swap together."""
    assert swap_limit(limit, swap) == expected


@pytest.mark.parametrize(
    ("limit", "swap", "message"),
    [(0, 5, "unable to set swap limit without memory limit"), (5, 4, r"memory\+swap limit should be >= memory limit")],
)
def test_swap_limits_that_make_no_sense(limit: int, swap: int, message: str) -> None:
    """In runc's words."""
    with pytest.raises(ValueError, match=message):
        swap_limit(limit, swap)


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ({}, []),
        ({"limit": 0, "swap": 0, "reservation": 0}, []),
        ({"limit": 7}, [("memory.max", "7")]),
        ({"limit": -1}, [("memory.swap.max", "max"), ("memory.max", "max")]),
        ({"limit": 7, "swap": 7}, [("memory.swap.max", "0"), ("memory.max", "7")]),
        (
            {"limit": 7, "swap": 9, "reservation": 3},
            [("memory.swap.max", "2"), ("memory.max", "7"), ("memory.low", "3")],
        ),
        ({"swappiness": 2**64 - 1, "kernel": -1, "useHierarchy": True, "checkBeforeUpdate": True}, []),
    ],
)
def test_memory(memory: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Swap before memory, 0 for unset, -1 for unlimited."""
    assert writes(memory=memory) == expected


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ({"shares": 0, "quota": 0, "period": 0}, []),
        ({"shares": 1024}, [("cpu.weight", "100")]),
        ({"quota": 50000}, [("cpu.max", "50000 100000")]),
        ({"quota": 50000, "period": 200000, "burst": 9}, [("cpu.max", "50000 200000"), ("cpu.max.burst", "9")]),
        ({"quota": -1}, [("cpu.max", "max")]),
        ({"quota": -1, "period": 5000}, [("cpu.max", "max 5000")]),
        ({"idle": 1, "cpus": "0-1", "mems": "0"}, [("cpu.idle", "1"), ("cpuset.cpus", "0-1"), ("cpuset.mems", "0")]),
    ],
)
def test_cpu(cpu: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Bandwidth before burst, which may not exceed it."""
    assert writes(cpu=cpu) == expected


@pytest.mark.parametrize(("limit", "value"), [(-1, "max"), (0, "1"), (5, "5")])
def test_pids(limit: int, value: str) -> None:
    """0 is a limit: as few as can be, which is init."""
    assert writes(pids={"limit": limit}) == [("pids.max", value)]


def test_block_io() -> None:
    """BFQ's scale and io.cost's; each throttle a line of its own."""
    found = writes(
        blockIO={
            "weight": 100,
            "weightDevice": [{"major": 8, "minor": 0, "weight": 1000}],
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 7}],
            "throttleWriteBpsDevice": [{"major": 8, "minor": 0}],
            "throttleReadIOPSDevice": [{"major": 8, "minor": 1, "rate": 8}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 2, "rate": 9}],
        }
    )
    assert found == [
        ("io.bfq.weight", "100"),
        ("io.weight", "910"),
        ("io.bfq.weight", "8:0 1000"),
        ("io.weight", "8:0 10000"),
        ("io.max", "8:0 rbps=7"),
        ("io.max", "8:0 wbps=max"),
        ("io.max", "8:1 riops=8"),
        ("io.max", "8:2 wiops=9"),
    ]
    assert wrong(blockIO={"weight": 5}) == {"/blockIO/weight": "weight 5 is not between 10 and 1000"}
    assert writes(blockIO={"weight": 0}) == []


def test_huge_pages_rdma_and_unified() -> None:
    """The reservation where the kernel has it; unknown files as they are."""
    found = compile_limits(
        {
            "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
            "rdma": {"mlx": {"hcaHandles": 2, "hcaObjects": 3}},
            "unified": {"memory.high": "5", "cgroup.type": "threaded"},
        },
        _SIZES,
    )
    assert [(write.choices, write.optional, write.controller) for write in found.writes] == [
        ((("hugetlb.2MB.rsvd.max", "9"),), True, "hugetlb"),
        ((("hugetlb.2MB.max", "9"),), False, "hugetlb"),
        ((("rdma.max", "mlx hca_handle=2 hca_object=3"),), False, "rdma"),
        ((("memory.high", "5"),), False, "memory"),
        ((("cgroup.type", "threaded"),), False, "cgroup"),
    ]
    assert (
        "no huge pages of 4KB" in wrong(hugepageLimits=[{"pageSize": "4KB", "limit": 1}])["/hugepageLimits/0/pageSize"]
    )


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("memory", "kernel", 5),
        ("memory", "kernelTCP", 5),
        ("memory", "swappiness", 60),
        ("memory", "disableOOMKiller", True),
        ("cpu", "realtimeRuntime", 5),
        ("cpu", "realtimePeriod", 5),
        ("blockIO", "leafWeight", 50),
        ("network", "classID", 5),
        ("network", "priorities", [{"name": "eth0", "priority": 1}]),
    ],
)
def test_what_version_2_cannot_express(section: str, name: str, value: object) -> None:
    """config-linux.md wants an error rather than a limit that is not there."""
    found = wrong(**{section: {name: value}})
    assert list(found) == [f"/{section}/{name}"]
    assert found[f"/{section}/{name}"].endswith("cannot be expressed in cgroup v2")


def test_controllers() -> None:
    """An absent one is an error for a limit, and nothing for the absence of one."""
    limits = compile_limits(
        {"pids": {"limit": -1}, "cpu": {"shares": 1024}, "unified": {"cgroup.max.depth": "3"}}, _SIZES
    )
    kept = check_controllers(limits, ("cpu",), "/cg", hybrid=False)
    assert [write.choices[0][0] for write in kept] == ["cpu.weight", "cgroup.max.depth"]
    with pytest.raises(CgroupError, match=r"resources/cpu/shares: the cpu controller is not available .* at /cg$"):
        check_controllers(limits, (), "/cg", hybrid=False)


def test_limits_below_unlimited() -> None:
    """-1 is the least number that means something."""
    assert wrong(memory={"limit": -2, "reservation": -3}) == {
        "/memory/limit": "invalid memory value: -2",
        "/memory/reservation": "invalid memory value: -3",
    }


def test_a_leaf_weight_of_one_device() -> None:
    """Version 2 has no leaves to weigh."""
    found = compile_limits({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 9}]}}, _SIZES)
    assert [pointer for pointer, _message in found.violations] == ["/blockIO/weightDevice/0/leafWeight"]
    assert found.writes == []
