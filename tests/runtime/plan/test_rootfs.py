"""The root filesystem: propagation, entering it, and what is closed down in it."""

import pytest

from runtime.abi import mounts as abi
from runtime.plan.layout import OP_FLAGS
from tests.runtime.plan.drafting import config, names, one, ops, plan, with_userns


@pytest.mark.parametrize(
    ("word", "whole", "above", "after"),
    [
        ("", abi.MS_SLAVE | abi.MS_REC, abi.MS_PRIVATE, None),
        ("shared", abi.MS_SHARED, abi.MS_PRIVATE, abi.MS_SHARED),
        ("rslave", abi.MS_SLAVE | abi.MS_REC, abi.MS_SLAVE, abi.MS_SLAVE | abi.MS_REC),
        ("private", abi.MS_PRIVATE, abi.MS_PRIVATE, abi.MS_PRIVATE),
        ("unbindable", abi.MS_UNBINDABLE, abi.MS_PRIVATE, abi.MS_UNBINDABLE),
    ],
)
def test_propagation(word: str, whole: int, above: int, after: int | None) -> None:
    """rslave unless asked otherwise; a shared root stays a peer of the host's, which volumes rely on."""
    found = plan(config(linux={"rootfsPropagation": word}))
    assert one(found, "PROPAGATION", "SETUP").places == {"flags": whole, "path": "/"}
    assert one(found, "ROOTFS").places["propagation"] == above
    assert [op.places["flags"] for op in ops(found, "PROPAGATION", "ROOT")] == ([] if after is None else [after])


def test_the_root_is_entered() -> None:
    """The working directory is made below the root's descriptor, before the root changes."""
    found = plan(config(process={"cwd": "/a/../b"}, root={"path": "../r", "readonly": True}), asked={"no_pivot": True})
    assert one(found, "ROOTFS").places["path"] == "/r"
    assert names(found, "ROOT")[:2] == ["MAKE_DIR", "PIVOT_ROOT"]
    assert one(found, "MAKE_DIR", "ROOT").places["path"] == "/b"
    assert one(found, "PIVOT_ROOT").flags == OP_FLAGS["NO_PIVOT"]
    assert one(found, "SET_ATTR", "ROOT").places == {"set": abi.MOUNT_ATTR_RDONLY, "clear": 0, "path": "/"}


def test_restricted_paths() -> None:
    """readonlyPaths before maskedPaths; the covers are opened while the host's /dev can be seen."""
    masked = ["/proc/kcore", "/proc/../sys/firmware", "/proc/kcore"]  # named twice, covered once
    linux = {"maskedPaths": masked, "readonlyPaths": ["/proc/sys"]}
    found = plan(config(linux=linux))
    assert [op.places["path"] for op in ops(found, "MASK_PATH", "ROOT")] == ["/proc/kcore", "/sys/firmware"]
    assert names(found, "ROOT").index("READONLY_PATH") < names(found, "ROOT").index("MASK_PATH")
    assert names(found, "SETUP")[-2:] == ["OPEN_DEVICE", "MOUNT_FS"]
    assert one(found, "OPEN_DEVICE").places["path"] == "/dev/null"
    nulls = [op for op in ops(plan(with_userns(**linux)), "OPEN_DEVICE", "HOST") if op.places["tree"] == 9]
    assert len(nulls) == 1


def test_nothing_is_opened_for_no_masks() -> None:
    """A container without masked paths needs no covers."""
    assert not ops(plan(), "OPEN_DEVICE")
