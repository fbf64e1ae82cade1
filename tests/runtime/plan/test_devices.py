"""Devices: nodes where we may make them, binds of the host's elsewhere, and /dev's symlinks."""

import pytest

from runtime.abi.files import S_IFBLK, S_IFCHR, S_IFIFO, make_device, split_device
from runtime.errors import ConfigError
from runtime.plan.devices import DEFAULT_DEVICES, SYMLINKS
from tests.runtime.plan.drafting import EVERY_CAPABILITY, config, names, one, ops, plan, violations, with_userns

_DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}


def test_default_devices_and_links() -> None:
    """config-linux.md#default-devices, each with mode 0666, and the links that programs expect."""
    found = plan(config(mounts=[_DEV]))
    made = {op.places["path"]: op.places for op in ops(found, "MAKE_DEV")}
    assert sorted(str(path) for path in made) == sorted(path for path, _major, _minor in DEFAULT_DEVICES)
    assert made["/dev/null"]["mode"] == S_IFCHR | 0o666
    assert made["/dev/null"]["rdev"] == make_device(1, 3)
    assert {op.places["path"]: op.places["target"] for op in ops(found, "SYMLINK")} == dict(SYMLINKS)
    assert not ops(found, "MAKE_DIR", "SETUP")


def test_configured_devices() -> None:
    """Type, numbers, mode and owner; directories on the way; a default device is replaced by path."""
    devices = [
        {"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "fileMode": 0o100600, "uid": 5, "gid": 6},
        {"type": "b", "path": "/dev/disk/x", "major": 8, "minor": 300},
        {"type": "p", "path": "/run/pipe"},
        {"type": "u", "path": "/dev/u", "major": 1, "minor": 1},
        {"type": "c", "path": "/dev/ptmx", "major": 5, "minor": 2},
    ]
    found = plan(config(mounts=[_DEV], linux={"devices": devices}))
    made = {op.places["path"]: op.places for op in ops(found, "MAKE_DEV")}
    assert len(made) == len(DEFAULT_DEVICES) + 3
    null = made["/dev/null"]
    assert (null["mode"], null["owner"]) == (S_IFCHR | 0o600, 5 << 32 | 6)
    assert (made["/dev/disk/x"]["mode"], made["/dev/disk/x"]["rdev"]) == (S_IFBLK | 0o666, make_device(8, 300))
    assert made["/run/pipe"]["mode"] == S_IFIFO | 0o666
    assert [op.places["path"] for op in ops(found, "MAKE_DIR", "SETUP")] == ["/dev/disk", "/run"]


def test_device_numbers_go_both_ways() -> None:
    """As the kernel packs them: 12 bits of major, 20 of minor, no more."""
    for pair in ((1, 3), (136, 255), (4095, 256), (8, 1048575), (4095, 1048575)):
        assert split_device(make_device(*pair)) == pair
    assert make_device(8, 256) == 0x100800


def test_nodes_are_bound_where_they_cannot_be_made() -> None:
    """In a user namespace, inside one, and without CAP_MKNOD; a fifo can always be made."""
    fifo = {"devices": [{"type": "p", "path": "/dev/pipe"}]}
    found = plan(with_userns(**fifo))
    assert len(ops(found, "OPEN_DEVICE", "HOST")) == len(DEFAULT_DEVICES)
    assert one(found, "MAKE_DEV").places["path"] == "/dev/pipe"
    for host in ({"initial_userns": False}, {"capabilities": EVERY_CAPABILITY & ~(1 << 27)}):
        bound = plan(config(), host)
        assert len(ops(bound, "OPEN_DEVICE", "SETUP")) == len(DEFAULT_DEVICES)
        assert not ops(bound, "MAKE_DEV")


def test_a_bound_dev_is_left_alone() -> None:
    """Making nodes and links in it would change the host's."""
    found = plan(config(mounts=[{"destination": "/dev/", "source": "/dev", "options": ["rbind"]}]))
    assert not {"MAKE_DEV", "SYMLINK", "OPEN_DEVICE"} & set(names(found, "SETUP"))


@pytest.mark.parametrize(
    ("device", "pointer"),
    [
        ({"type": "c", "path": "/dev/x", "major": 1}, "/linux/devices/0"),
        ({"type": "p", "path": "/"}, "/linux/devices/0/path"),
    ],
)
def test_refused_devices(device: dict[str, object], pointer: str) -> None:
    """A node needs numbers, and a place."""
    with pytest.raises(ConfigError) as caught:
        plan(config(linux={"devices": [device]}))
    assert list(violations(caught.value)) == [pointer]
