"""A container that somebody froze, and labels that this machine cannot give."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs


@pytest.fixture
def frozen(container: Container) -> Iterator[Container]:
    """A running container whose group is frozen."""
    container.waiting()
    (container.cgroup / "cgroup.freeze").write_text("1")
    yield container
    if container.cgroup.exists():
        (container.cgroup / "cgroup.freeze").write_text("0")


def test_status(frozen: Container) -> None:
    """The status says paused."""
    assert frozen.status() == "paused"


@differs("crun", reason="crun has its own words and exit code", strict=False)
def test_exec_is_refused(frozen: Container) -> None:
    """exec does not hang but is refused."""
    frozen.exec("/bin/true").refused(r"cannot exec in a paused container \(use --ignore-paused to override\)", 255)


def test_delete_force(frozen: Container) -> None:
    """delete --force ends a frozen container."""
    frozen.delete("--force").ok()
    frozen.assert_gone()


def test_delete_is_refused(frozen: Container) -> None:
    """Plain delete leaves it alone."""
    assert frozen.delete().rc == 1
    assert frozen.status() == "paused"


def test_kill(frozen: Container) -> None:
    """SIGKILL reaches a frozen container, at once or when it is thawed."""
    frozen.kill("KILL").ok()
    (frozen.cgroup / "cgroup.freeze").write_text("0")
    assert frozen.exit_code() == 137


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("process", "apparmorProfile", "some-profile"),
        ("process", "selinuxLabel", "system_u:system_r:container_t:s0"),
        ("linux", "mountLabel", "system_u:object_r:container_file_t:s0"),
    ],
)
@differs("runc", "crun", reason="each ignores a label where its security module is missing", strict=False)
def test_labels_without_a_module(container: Container, section: str, field: str, value: str) -> None:
    """A label that no security module can give is refused, never dropped."""
    container.bundle.config[section][field] = value
    container.refuses_creation("(?i)apparmor|selinux|label")
