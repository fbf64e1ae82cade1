"""Control groups as far as the unified tree alone goes: the path forms, membership, removal, hugetlb, the device program."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.hierarchy import CGROUP_MOUNT, controllers
from integration.framework.leftovers import remove_cgroup
from integration.framework.runtime import next_line


def group_of(pid: int) -> str:
    """A process's group in the unified hierarchy."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line.removeprefix("0::") for line in lines if line.startswith("0::"))


def test_created_container_is_in_its_group(container: Container) -> None:
    """When create returns init already sits in its final group: engines look at once."""
    container.create()
    assert group_of(container.pid) == container.bundle.linux["cgroupsPath"]
    assert (container.cgroup / "cgroup.procs").read_text().split() == [str(container.pid)]


@pytest.mark.parametrize("form", ["absolute", "relative", "deep", "dots"])
def test_path_forms(container: Container, form: str) -> None:
    """cgroupsPath absolute and relative, with missing parents; the same path each time."""
    path = container.bundle.linux["cgroupsPath"]
    parent, _, name = path.rpartition("/")
    wanted = {
        "absolute": path,
        "relative": path.lstrip("/"),
        "deep": f"{parent}/{name}/a/b",
        "dots": f"{parent}/x/../{name}",
    }[form]
    container.bundle.linux["cgroupsPath"] = wanted
    container.create()
    group = group_of(container.pid)
    assert group.endswith({"deep": "/a/b", "dots": f"/{name}"}.get(form, path))
    container.delete("--force").ok()
    assert not (CGROUP_MOUNT / group.lstrip("/")).exists()
    if form == "deep":
        remove_cgroup(CGROUP_MOUNT / path.lstrip("/"))
    container.bundle.linux["cgroupsPath"] = path


@differs("crun", reason="crun follows the dots out of the hierarchy", strict=False)
def test_path_stays_below_the_hierarchy(container: Container, work: Path) -> None:
    """Dots in cgroupsPath lead nowhere outside."""
    path = container.bundle.linux["cgroupsPath"]
    container.bundle.linux["cgroupsPath"] = f"/../../../..{work}/escaped"
    container.create(check=False)
    container.delete("--force")
    container.bundle.linux["cgroupsPath"] = path
    escaped = (work / "escaped").exists()
    if escaped:
        (work / "escaped").rmdir()
    for directory in (f"{work}/escaped".lstrip("/"), str(work).lstrip("/"), "tmp"):
        if (CGROUP_MOUNT / directory).exists():
            (CGROUP_MOUNT / directory).rmdir()
    assert not escaped


def test_no_path(container: Container) -> None:
    """Without cgroupsPath the group is named after the container."""
    del container.bundle.linux["cgroupsPath"]
    container.create()
    group = group_of(container.pid)
    assert container.id in group
    container.delete("--force").ok()
    assert not (CGROUP_MOUNT / group.lstrip("/")).exists()


def test_exec_joins_the_group(container: Container) -> None:
    """An exec sits in the group, too."""
    container.waiting()
    process = container.spawn_exec("/probe", "wait")
    assert next_line(process) == "ready\n"
    assert len((container.cgroup / "cgroup.procs").read_text().split()) == 2
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_exec_when_the_group_has_children(container: Container) -> None:
    """A container that made groups of its own and moved into one can still be entered (EBUSY otherwise)."""
    container.waiting()
    child = container.cgroup / "inner"
    child.mkdir()
    (child / "cgroup.procs").write_text(str(container.pid))
    assert container.exec("/bin/true").rc == 0
    container.kill("KILL").ok()
    container.exit_code()
    container.wait_for("stopped").delete().ok()
    assert not container.cgroup.exists()


@pytest.fixture
def occupied(container: Container) -> Iterator[Container]:
    """The container's group exists already and holds a process."""
    container.cgroup.mkdir(parents=True)
    process = subprocess.Popen(["sleep", "100"])
    (container.cgroup / "cgroup.procs").write_text(str(process.pid))
    yield container
    process.kill()
    process.wait()
    remove_cgroup(container.cgroup)


@differs("crun", reason="crun takes a group that is in use", strict=False)
@differs("runc<1.2", reason="this runc warns only", strict=False)
def test_non_empty_group_is_refused(occupied: Container) -> None:
    """A group that holds processes is not taken over, and they are left alone."""
    occupied.create(check=False).refused("(?i)not empty|cgroup")
    assert len((occupied.cgroup / "cgroup.procs").read_text().split()) == 1


def test_existing_empty_group_is_used(container: Container) -> None:
    """An empty group that the engine made is used."""
    container.cgroup.mkdir(parents=True)
    container.create()
    assert group_of(container.pid) == container.bundle.linux["cgroupsPath"]


@differs("crun", reason="crun does not look", strict=False, run=False)
@differs("runc<1.2", reason="this runc hangs or does not look", strict=False, run=False)
def test_frozen_group_is_refused(container: Container) -> None:
    """A frozen group would hang the container: it is refused."""
    container.cgroup.mkdir(parents=True)
    (container.cgroup / "cgroup.freeze").write_text("1")
    result = container.create(check=False)
    (container.cgroup / "cgroup.freeze").write_text("0")
    remove_cgroup(container.cgroup)
    result.refused("(?i)frozen")


def test_delete_removes_what_the_container_made(container: Container) -> None:
    """Groups below the container's own go with it."""
    container.waiting()
    (container.cgroup / "a/b").mkdir(parents=True)
    container.delete("--force").ok()
    assert not container.cgroup.exists()


@pytest.mark.skipif("hugetlb" not in controllers(), reason="no hugetlb controller in the unified hierarchy")
@pytest.mark.parametrize("limit", [0, 2 << 20, 64 << 20])
@differs("crun", "runc<1.2", reason="these do not limit reservations", strict=False)
def test_huge_pages(container: Container, limit: int) -> None:
    """hugepageLimits land in the plain file and in the reservation's."""
    container.bundle.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": limit}]
    container.create()
    assert (container.cgroup / "hugetlb.2MB.max").read_text().strip() == str(limit)
    reservation = container.cgroup / "hugetlb.2MB.rsvd.max"
    assert not reservation.exists() or reservation.read_text().strip() == str(limit)


@pytest.mark.skipif("hugetlb" not in controllers(), reason="no hugetlb controller in the unified hierarchy")
@pytest.mark.parametrize("page", ["3MB", "2mb", "x", "../2MB"])
@differs("crun", reason="crun leaves its group behind", strict=False)
def test_unknown_huge_page(container: Container, page: str) -> None:
    """A page size this machine does not have is an error."""
    container.bundle.linux["resources"]["hugepageLimits"] = [{"pageSize": page, "limit": 1}]
    container.refuses_creation(".")


@pytest.mark.skipif("hugetlb" not in controllers(), reason="no hugetlb controller in the unified hierarchy")
def test_unified_key(container: Container) -> None:
    """unified writes files by name."""
    container.bundle.linux["resources"]["unified"] = {"hugetlb.2MB.max": "4194304"}
    container.create()
    assert (container.cgroup / "hugetlb.2MB.max").read_text().strip() == "4194304"


@pytest.mark.parametrize("key", ["nonsense.max", "memory.max/../../x", "../cgroup.procs", "cgroup/procs", ""])
@differs("crun", reason="crun leaves its group behind", strict=False)
def test_bad_unified_key(container: Container, key: str) -> None:
    """A key of no controller, or with a slash, is an error."""
    container.bundle.linux["resources"]["unified"] = {key: "1"}
    container.refuses_creation(".")


MISSING = [
    ("memory", {"memory": {"limit": 1 << 26}}), ("cpu", {"cpu": {"shares": 512}}), ("pids", {"pids": {"limit": 10}}),
    ("io", {"blockIO": {"weight": 500}}), ("cpuset", {"cpu": {"cpus": "0"}}),
]  # fmt: skip


@pytest.mark.parametrize(("controller", "resources"), MISSING, ids=[name for name, _ in MISSING])
@differs("crun", reason="crun leaves its group behind", strict=False)
@differs("runc", reason="runc ignores a cpuset it cannot set, and some weights", strict=False)
def test_missing_controller(container: Container, controller: str, resources: dict[str, object]) -> None:
    """A limit whose controller is not in the unified hierarchy is an error that says so, never ignored."""
    if controller in controllers():
        pytest.skip(f"the {controller} controller is here")
    container.bundle.linux["resources"].update(resources)
    container.refuses_creation(controller if container.runtime.flavour == "postern" else ".")
