"""Images that were made to mislead a policy: the places that it names are links, are missing, or lie where others write."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from integration.framework import probe
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="policies are postern's")

CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT}


@pytest.fixture
def limited(container: Container) -> Container:
    """A container in whose image /outside is to be kept as it is, and whose program lies where programs may."""
    rootfs = container.bundle.rootfs
    (rootfs / "outside").mkdir()
    (rootfs / "outside/file").write_text("untouched")
    (rootfs / "usr/bin").mkdir(parents=True)
    shutil.copy(probe.built("probe"), rootfs / "usr/bin/probe")
    return container


def policy(container: Container, text: str) -> tuple[str, str]:
    """The flag for a policy of this text."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(f"name: image\nnetwork: unrestricted\n{text}")
    return ("--policy", str(path))


def answers(container: Container, text: str, *words: str) -> dict[str, int]:
    """What `probe paths` says under a policy."""
    container.bundle.args("/usr/bin/probe", "paths", *words)
    found: dict[str, int] = json.loads(container.run(*policy(container, text)).ok().out)
    return found


@pytest.mark.parametrize("target", ["/outside", "outside", "../../../outside", "/proc/self/root/outside"])
def test_writable_place_is_a_link(limited: Container, target: str) -> None:
    """A path of `write` that the image made a link opens nothing where it leads."""
    (limited.bundle.rootfs / "data").symlink_to(target)
    found = answers(
        limited, "filesystem: {write: [/data, /tmp]}\n", "c:/data/new", "w:/outside/file", "c:/outside/x", "c:/tmp/ok"
    )
    assert found.pop("c:/tmp/ok") == 0
    assert set(found.values()) <= CLOSED


@pytest.mark.parametrize("inner", ["log", "a/b/log"])
def test_link_on_the_way_to_a_writable_place(limited: Container, inner: str) -> None:
    """Nor does one below a link."""
    (limited.bundle.rootfs / "outside" / inner).mkdir(parents=True)
    (limited.bundle.rootfs / "srv").symlink_to("/outside")
    found = answers(
        limited, f"filesystem: {{write: [/srv/{inner}, /tmp]}}\n", f"c:/outside/{inner}/new", f"c:/srv/{inner}/new"
    )
    assert set(found.values()) <= CLOSED


def test_executable_place_is_a_link_to_a_writable_one(limited: Container) -> None:
    """A path of `execute` that leads to where one may write does not let written programs run."""
    (limited.bundle.rootfs / "opt").symlink_to("/tmp")
    shutil.copy(probe.built("probe"), limited.bundle.rootfs / "tmp/written")
    found = answers(limited, "filesystem: {write: [/tmp], execute: [/usr, /opt]}\n", "x:/opt/written", "x:/tmp/written")
    assert set(found.values()) <= CLOSED


def test_missing_place_is_not_made(limited: Container) -> None:
    """A path of `write` that is not there is not made, and cannot be made by the container."""
    found = answers(limited, "filesystem: {write: [/missing, /tmp]}\n", "d:/missing", "c:/missing/x")
    assert set(found.values()) <= CLOSED
    assert not (limited.bundle.rootfs / "missing").exists()


def test_place_is_a_file(limited: Container) -> None:
    """A path of `write` may be one file; its neighbours stay closed."""
    limited.bundle.file("data/one")
    limited.bundle.file("data/two")
    found = answers(limited, "filesystem: {write: [/data/one]}\n", "w:/data/one", "w:/data/two", "c:/data/three")
    assert found.pop("w:/data/one") == 0
    assert set(found.values()) <= CLOSED


def test_hidden_place(limited: Container) -> None:
    """What is hidden cannot be read, by none of its names, nor uncovered."""
    limited.bundle.file("secrets/key", "hidden")
    limited.bundle.file("token", "hidden")
    (limited.bundle.rootfs / "tmp/link").symlink_to("/secrets/key")
    (limited.bundle.rootfs / "tmp/token").symlink_to("/token")
    limited.bundle.caps("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_CHROOT")
    script = (
        "/bin/umount /token /secrets; /bin/umount -l /token; "
        "/bin/cat /token /secrets/key /tmp/link /tmp/token /proc/1/root/token /proc/self/root/secrets/key; "
        "/bin/mount --bind / /tmp && /bin/cat /tmp/token; echo done"
    )
    limited.bundle.shell(script)
    assert limited.run().ok().out == "hidden" * 6 + "hiddendone\n", "the script shows what is not hidden"
    result = limited.run(*policy(limited, "filesystem: {hide: [/secrets, /token]}\n")).ok()
    assert result.out == "done\n"


def test_volume_of_the_config_below_a_closed_place(limited: Container, work: Path) -> None:
    """A volume that the config mounts writable, in a place of an image that is a link, stays as closed as the place."""
    volume = limited.bundle.directory("volume")
    (volume / "file").write_text("untouched")
    limited.bundle.bind(volume, "/outside/volume", "rbind", "rw")
    found = answers(limited, "filesystem: {write: [/tmp]}\n", "w:/outside/volume/file", "c:/outside/volume/new")
    assert set(found.values()) <= {errno.EROFS}
    assert work.is_dir()
