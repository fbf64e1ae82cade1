"""update's flags mean what runc's mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.commands.invocation import Invocation, Value
from runtime.commands.update_flags import parse_bytes, parse_integer, resources_of_flags
from runtime.errors import NotBuilt, UsageError


def resources(flags: dict[str, Value]) -> dict[str, object]:
    """The document for some flags."""
    return resources_of_flags(Invocation("update", flags, ["web"]))


def test_every_flag() -> None:
    """Each lands in its section; nothing else appears."""
    assert resources({}) == {}
    assert resources(
        {
            "cpu-period": "1000",
            "cpu-quota": "-1",
            "cpu-share": "512",
            "cpu-burst": "5",
            "cpu-idle": "1",
            "cpuset-cpus": "0-3",
            "cpuset-mems": "0",
            "memory": "1g",
            "memory-reservation": "512m",
            "memory-swap": "-1",
            "pids-limit": 7,
            "blkio-weight": "100",
        }
    ) == {
        "cpu": {"period": 1000, "quota": -1, "shares": 512, "burst": 5, "idle": 1, "cpus": "0-3", "mems": "0"},
        "memory": {"limit": 1 << 30, "reservation": 512 << 20, "swap": -1},
        "pids": {"limit": 7},
        "blockIO": {"weight": 100},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("10", 10),
        ("2k", 2048),
        ("2KB", 2048),
        ("1.5m", 1572864),
        ("3GiB", 3 << 30),
        ("1 t", 1 << 40),
        ("-1", -1),
    ],
)
def test_sizes(text: str, value: int) -> None:
    """Binary suffixes in every spelling."""
    assert parse_bytes("memory", text) == value


@pytest.mark.parametrize("text", ["", "x", "-2", "1q", "1..2", ".5", "1e3", "k", "99999999t", "1 2", "٣"])
def test_wrong_sizes(text: str) -> None:
    """Named, never guessed."""
    with pytest.raises(UsageError, match="invalid value for memory"):
        parse_bytes("memory", text)


@given(st.text(max_size=12))
def test_property_sizes_are_read_or_refused(text: str) -> None:
    """No text raises anything but a usage error."""
    try:
        value = parse_bytes("memory", text)
    except UsageError:
        return
    assert -1 <= value < 1 << 63


@pytest.mark.parametrize(
    ("text", "negative"), [("-1", False), ("x", True), ("1.5", True), ("--1", True), ("9" * 30, False)]
)
def test_wrong_integers(text: str, negative: bool) -> None:
    """Only quotas and the like may be negative."""
    with pytest.raises(UsageError):
        parse_integer("cpu-period", text, negative)


def test_resctrl_is_refused() -> None:
    """Not built: said, not ignored."""
    with pytest.raises(NotBuilt, match="--l3-cache-schema"):
        resources({"l3-cache-schema": "L3:0=f"})


def test_kernel_memory_warns(capfd: pytest.CaptureFixture[str]) -> None:
    """As in runc."""
    assert resources({"kernel-memory": "1m"}) == {}
    assert "Kernel memory settings are ignored" in capfd.readouterr().err
