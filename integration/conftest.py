"""Options, the private namespace, and the fixtures every integration test uses."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from integration.framework import flavours, hierarchy, kernel, leftovers, probe
from integration.framework.broker import Broker
from integration.framework.bundle import Bundle
from integration.framework.container import Container
from integration.framework.runtime import Runtime

ROOT = Path(__file__).parents[1]
NUMBERS = itertools.count(1)
BODY_FAILED = pytest.StashKey[bool]()
VM_CONTROLLERS = {"memory", "cpu", "pids", "io"}
MARKERS = (
    "only(*runtimes, reason): the test applies to these runtimes alone",
    "differs(*runtimes, reason): these runtimes fail the test, for this reason",
    "vm: needs the memory, cpu, pids and io controllers, which the virtual machine has",
    "landlock: needs a kernel with Landlock; make integration-landlock boots one",
    "slow: takes more than five seconds",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--runtime PATH`, the executable under test, and `--thorough`."""
    parser.addoption(
        "--runtime", default=str(ROOT / "build/postern"), help="the runtime under test (default build/postern)"
    )
    parser.addoption("--thorough", action="store_true", help="fault injection at every step instead of a sample")


def pytest_configure(config: pytest.Config) -> None:
    """Enter a private namespace before any container is started."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if os.geteuid() == 0 and not config.option.collectonly:
        hierarchy.enter_private_namespace()  # a worker leaves the session's for one of its own: mounts are nobody else's
    hierarchy.become_subreaper()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Apply the runtime marks; skip what the machine cannot do, saying why."""
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="containers are made as root: run the suite with sudo"))
        return
    if config.option.collectonly:
        return
    path = Path(config.option.runtime)
    if not path.exists():
        message = f"there is no runtime at {path}: run make build, or give --runtime PATH"
        raise pytest.UsageError(message)
    under_test = Runtime(path.absolute(), Path("/nonexistent"))
    missing = VM_CONTROLLERS - hierarchy.controllers()
    no_landlock = pytest.mark.skip(reason="this kernel has no Landlock: make integration-landlock runs this")
    abi = kernel.landlock_abi()
    for item in items:
        flavours.apply_marks(item, under_test)
        if not abi and item.get_closest_marker("landlock"):
            item.add_marker(no_landlock)
        if missing and item.get_closest_marker("vm"):
            reason = (
                f"the unified hierarchy has no {', '.join(sorted(missing))} controller: make integration-vm runs this"
            )
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """A short directory of this worker's own: socket paths must stay below 108 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="pit-", dir="/tmp"))
    directory.chmod(0o755)
    probe.built("probe")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def cgroup_parent(work: Path) -> Iterator[str]:
    """The cgroup below which this worker's containers live; it must be removable, hence empty, at the end."""
    name = f"/{work.name}"
    yield name
    leftovers.remove_cgroup(hierarchy.CGROUP_MOUNT / name.lstrip("/"))


@pytest.fixture(scope="session")
def runtime(request: pytest.FixtureRequest, work: Path) -> Iterator[Runtime]:
    """The runtime under test with a state root of this worker's own; its broker, if policies started one, is ended."""
    root = work / "state"
    root.mkdir(mode=0o711)
    yield Runtime(Path(request.config.option.runtime).absolute(), root)
    Broker(root).end()


@pytest.fixture
def broker(runtime: Runtime) -> Broker:
    """The broker of this worker's state root."""
    return Broker(runtime.root)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the body failed: the final inspection then only cleans, as the failure is reported already."""
    report = yield
    if call.when == "call":
        item.stash[BODY_FAILED] = call.excinfo is not None
    return report


@pytest.fixture
def make(
    request: pytest.FixtureRequest, runtime: Runtime, work: Path, cgroup_parent: str
) -> Iterator[Callable[[], Container]]:
    """Makes any number of containers with bundles of their own."""
    made: list[Container] = []

    def fresh() -> Container:
        number = next(NUMBERS)
        name = f"{work.name}-{number}"
        bundle = Bundle(work / f"b{number}", f"{cgroup_parent}/{name}")
        made.append(Container(runtime, bundle, name))
        return made[-1]

    yield fresh
    try:
        for container in reversed(made):
            container.close(inspect=not request.node.stash.get(BODY_FAILED, False))
    finally:
        for container in made:
            leftovers.scrub(container.id, runtime.root, container.bundle.path, container.cgroup)
            shutil.rmtree(container.bundle.path, ignore_errors=True)


@pytest.fixture
def container(make: Callable[[], Container]) -> Container:
    """The one container of the test."""
    return make()


@pytest.fixture
def bundle(container: Container) -> Bundle:
    """The bundle of `container`."""
    return container.bundle
