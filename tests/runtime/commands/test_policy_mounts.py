"""What is mounted for a container that runs, as somebody outside reads it."""

import pytest

from runtime.commands.policy_mounts import check_mounts, reaches_out
from runtime.errors import PolicyError
from runtime.policy.hierarchy import EVERY, OUTSIDE, REMOUNTABLE

ROOTFS = b"67 42 0:30 /rootfs / rw,relatime master:1 - ext4 /dev/vda rw\n"
OWN = b"74 73 0:38 /pods/c1 /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw\n"


def line(root: str, options: str) -> bytes:
    """One more mount of the hierarchy."""
    return f"75 67 0:38 {root} /host {options},relatime shared:3 master:1 - cgroup2 none rw,nsdelegate\n".encode()


@pytest.mark.parametrize(
    ("more", "hierarchy", "out"),
    [
        (b"", OUTSIDE, False),
        (b"", EVERY, True),
        (line("/pods/c1/part", "rw"), OUTSIDE, False),
        (line("/", "rw"), OUTSIDE, True),
        (line("/pods", "rw"), OUTSIDE, True),
        (line("/pods/c10", "rw"), OUTSIDE, True),
        (line("/../pods/c1", "rw"), OUTSIDE, True),
        (line("/", "ro"), OUTSIDE, False),
        (line("/", "ro"), REMOUNTABLE, True),
        (line("/pods/c1", "ro"), REMOUNTABLE, False),
        (b"76 67 0:39 / /host/v1 rw,relatime - cgroup cpu rw\n", OUTSIDE, False),
    ],
)
def test_what_leads_out(more: bytes, hierarchy: str, out: bool) -> None:
    """Writable, or to be made so; of cgroup2 alone, and not below the container's own cgroup."""
    assert reaches_out(ROOTFS + OWN + more, "/pods/c1", hierarchy) is out


def test_what_cannot_be_judged() -> None:
    """A process that is gone, and a container whose cgroup is not known."""
    assert reaches_out(b"", "/pods/c1", OUTSIDE)
    assert reaches_out(ROOTFS + OWN, "", OUTSIDE)
    with pytest.raises(PolicyError, match="cannot be held to its cgroup"):
        check_mounts(-1, "/pods/c1", OUTSIDE)
