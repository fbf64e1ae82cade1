"""Constants that Python's own modules know too are the same there."""

import os
import resource
import signal
import stat

from runtime.abi import files, limits, mounts, namespaces, scheduling, signals


def test_rlimits() -> None:
    """By resource's names."""
    assert all(getattr(resource, name) == number for name, number in limits.RLIMITS.items() if hasattr(resource, name))


def test_signals() -> None:
    """Every name, aliases and the realtime range."""
    assert {name: int(getattr(signal, name)) for name in signals.SIGNALS} == signals.SIGNALS
    assert all(int(getattr(signal, name)) == number for name, number in signals.SIGNAL_ALIASES.items())
    assert (int(signal.SIGRTMIN), int(signal.SIGRTMAX)) == (signals.SIGRTMIN, signals.SIGRTMAX)


def test_file_types() -> None:
    """And device numbers as libc packs them."""
    for name in ("S_IFIFO", "S_IFCHR", "S_IFDIR", "S_IFBLK", "S_IFREG"):
        assert getattr(files, name) == getattr(stat, name)
    for pair in ((0, 0), (1, 3), (8, 300), (4095, 2**20 - 1)):
        assert files.make_device(*pair) == os.makedev(*pair)


def test_scheduling_policies() -> None:
    """As far as os has them."""
    known = {name: number for name, number in scheduling.SCHED_POLICIES.items() if hasattr(os, name)}
    assert known == {name: getattr(os, name) for name in known}
    assert len(known) >= 4


def test_bits_do_not_overlap() -> None:
    """Flags are combined by or."""
    for table in (namespaces.NAMESPACES, scheduling.SCHED_FLAGS, scheduling.MPOL_FLAGS):
        assert sum(table.values()) == sum(
            1 << bit for bit in range(64) if any(value >> bit & 1 for value in table.values())
        )
    assert mounts.PROPAGATION["rshared"] == mounts.MS_SHARED | mounts.MS_REC
