"""The default profiles of the engines on this machine, taken from the configs that they write, before four judges.

The reference evaluator, our interpreter, libseccomp (on every call there is) and the kernel: which is made to give every
denial that the profile has, and whose copy of a running container's program is compared on every call again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.framework import engines
from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.installed_filter import installed_program
from integration.framework.kernel import not_in_user_mode_linux
from integration.framework.recorder import Recorder
from runtime.seccomp.arches import find_arch, syscall_numbers
from runtime.seccomp.compare import differences
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.filter import RET_ALLOW
from runtime.seccomp.interpret import Call, decode, interpret
from runtime.seccomp.measure import constant_verdict
from tests.runtime.seccomp import libseccomp, sections
from tests.runtime.seccomp.bitmap import is_constantly_allowed
from tests.runtime.seccomp.reference import ENOSYS, evaluate

MACHINE = os.uname().machine
NATIVE = find_arch(MACHINE)
VICTIM = Path(__file__).parents[2] / "tests/runtime/seccomp/victim.py"
ERRNO = 0x50000
UNFILTERED = (
    335,
    336,
)  # uretprobe and uprobe on x86_64: the kernel asks no filter about them, and ends who calls them from elsewhere

pytestmark = [
    pytest.mark.skipif(MACHINE != "x86_64", reason="the judges are libseccomp.so.2 on x86_64 and the kernel there"),
    not_in_user_mode_linux("engines need a kernel of their own there, which integration/compat gives them"),
]
FEW = ("--cap-drop=ALL",)
MANY = ("--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE", "--cap-add=SYSLOG")
PROFILES = (
    ("docker", ()), ("docker", FEW), ("docker", MANY), ("podman", ()), ("podman", FEW), ("podman", MANY), ("containerd", ()),
    ("containerd", ("--cap-add=CAP_SYS_ADMIN",)),
)  # fmt: skip
Asker = Callable[..., object]


class Capture:
    """The engines, each started when its profile is first asked for, with the recorder as their runtime."""

    def __init__(self, directory: Path) -> None:
        """Starts nothing."""
        self.directory, self.group = directory, f"/{directory.name}"
        self.recorder = Recorder(directory)
        self.archive = engines.image_archive(directory)
        self.started: dict[str, Any] = {}
        self.kept: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}

    def section(self, engine: str, flags: tuple[str, ...]) -> dict[str, Any]:
        """The seccomp section that the engine writes for a container started with these flags."""
        if (engine, flags) not in self.kept:
            self.recorder.forget()
            self._ask(engine, flags)
            self.kept[engine, flags] = self.recorder.config()["linux"]["seccomp"]
        return self.kept[engine, flags]

    def _ask(self, engine: str, flags: tuple[str, ...]) -> None:
        if engine == "docker":
            self._engine(engine)("run", "--rm", "--network", "none", *flags, engines.IMAGE, "/probe")
        elif engine == "podman":
            podman = self._engine(engine)
            podman(*podman.run_words("--rm", *flags), f"localhost/{engines.IMAGE}", "/probe")
        else:
            containerd = self._engine(engine)
            image = containerd("images", "ls", "-q").ok().out.split()[0]
            words = containerd.run_words("--rm", "--seccomp", *flags)
            containerd(*words, image, f"record-{len(self.kept)}", "/probe")

    def _engine(self, name: str) -> Any:
        if name not in self.started:
            runtime = self.recorder.runtime
            if name == "containerd":
                made: Any = engines.Containerd(self.directory, runtime)
            elif name == "docker":
                made = engines.Docker(self.directory, runtime, self._engine("containerd"), self.group)
            else:
                made = engines.Podman(self.directory, runtime, self.group)
            self.started[name] = made
            made.import_image(self.archive)
        return self.started[name]

    def stop(self) -> None:
        """End the engines, the last one first."""
        for engine in reversed(self.started.values()):
            engine.stop()
        engines.clear(self.directory)
        engines.remove_group(self.group)


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    """Engines that record."""
    directory = Path(tempfile.mkdtemp(prefix="pic-", dir="/tmp"))
    directory.chmod(0o711)
    found = Capture(directory)
    try:
        yield found
    finally:
        found.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=PROFILES, ids=lambda profile: " ".join((profile[0], *profile[1])))
def section(request: pytest.FixtureRequest, capture: Capture) -> dict[str, Any]:
    """One engine's own default profile."""
    try:
        return capture.section(*request.param)
    except engines.MissingEngine as missing:
        pytest.skip(str(missing))


def test_reference_and_interpreter(section: dict[str, Any]) -> None:
    """On every number that the profile names, beside it, and at the edges of every argument that it asks for."""
    program = decode(compile_profile(section, MACHINE).program)
    calls = sections.boundary_calls(section, MACHINE)
    assert len(calls) > 1000
    for call in calls:
        assert interpret(program, call).verdict == evaluate(section, MACHINE, call), call


def test_libseccomp(section: dict[str, Any]) -> None:
    """libseccomp's program for the section differs on no call but those newer than the profile, which get ENOSYS, as from runc."""
    library = libseccomp.load()
    if library is None:
        pytest.skip("libseccomp.so.2 is not installed")
    assert NATIVE is not None
    ours = decode(compile_profile(section, MACHINE).program)
    theirs = decode(libseccomp.compile_section(library, section, NATIVE.token))
    for found in differences(ours, theirs):
        assert found.verdict_a == ENOSYS, found
        for nr in (found.first, found.last):
            assert evaluate(section, MACHINE, Call(nr, found.arch)) == ENOSYS, found


def test_kernel(section: dict[str, Any]) -> None:
    """Every call that the profile answers with an errno, made in a throw-away process, whatever its number is."""
    assert NATIVE is not None
    program = compile_profile(section, MACHINE).program
    decoded = decode(program)
    numbers = range(max(syscall_numbers(NATIVE).values()) + 50)
    calls = [Call(nr, NATIVE.audit, ((1 << 64) - 1,) * 6) for nr in numbers]
    calls += [call for call in sections.boundary_calls(section, MACHINE) if call.arch == NATIVE.audit]
    verdicts = [(call, interpret(decoded, call).verdict) for call in calls if call.nr not in UNFILTERED]
    denied = [(call, verdict) for call, verdict in verdicts if verdict & 0xFFFF0000 == ERRNO]
    assert len(denied) > 100
    order = {"program": program.hex(), "calls": [(call.nr, *call.args) for call, _ in denied]}
    argv = [sys.executable, "-I", "-S", str(VICTIM)]
    done = subprocess.run(argv, input=json.dumps(order) + "\n", capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    wrong = [one for one, answer in zip(denied, found, strict=True) if one[1] & 0xFFFF != answer]
    assert wrong == []


@differs("crun", reason="crun gives calls newer than the profile the default's errno", strict=False)
def test_program_of_a_container(section: dict[str, Any], container: Container) -> None:
    """What a container that was started with the profile runs under means the same on every call there is."""
    container.bundle.linux["seccomp"] = section
    container.waiting()
    found = differences(decode(compile_profile(section, MACHINE).program), decode(installed_program(container.pid)))
    assert found == [], f"{len(found)} differences, first: {found[0]}"


def test_shape(section: dict[str, Any]) -> None:
    """Small, shallow, and all that is allowed by number alone is in the kernel's bitmap."""
    program = decode(compile_profile(section, MACHINE).program)
    alone = decode(compile_profile({**section, "architectures": ["SCMP_ARCH_X86_64"]}, MACHINE).program)
    assert len(alone) <= 170
    assert len(program) <= 720
    allowed = 0
    for token in ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"):
        arch = find_arch(token)
        assert arch is not None
        for nr in syscall_numbers(arch).values():
            verdict, comparisons = constant_verdict(program, nr, arch.audit)
            assert comparisons <= 16
            wanted = {
                evaluate(section, MACHINE, Call(nr, arch.audit, args)) for args in ((0,) * 6, ((1 << 64) - 1,) * 6)
            }
            if verdict is not None:
                assert wanted == {verdict}
            assert is_constantly_allowed(program, nr, arch.audit) == (verdict == RET_ALLOW)
            allowed += verdict == RET_ALLOW
    assert allowed > 500
