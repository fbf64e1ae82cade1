"""The program that a container really runs under, read back from the kernel and compared on every call there is.

With `--runtime runc` the same test proves that runc's own program, its ENOSYS stub included, means what our compiler means.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.installed_filter import installed_program
from integration.framework.kernel import not_in_user_mode_linux
from runtime.seccomp.arches import find_arch
from runtime.seccomp.compare import differences
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.engine_profile import Circumstances, resolve_profile
from runtime.seccomp.interpret import decode

SAMPLES = Path(__file__).parents[2] / "tests/runtime/seccomp/profiles"
PODMAN = Path("/usr/share/containers/seccomp.json")
MACHINE = os.uname().machine

pytestmark = [
    differs("crun", reason="crun gives calls newer than the profile the default's errno", strict=False),
    not_in_user_mode_linux("Debian's has no checkpoint/restore, hence no PTRACE_SECCOMP_GET_FILTER"),
]


def sections() -> dict[str, dict[str, Any]]:
    """Profiles of the engines' size: the tests' own, and podman's where it is installed."""
    found = {"wide_allow": json.loads((SAMPLES / "wide_allow.json").read_text())}
    native = find_arch(MACHINE)
    if PODMAN.exists() and native is not None:
        for name, caps in (
            ("podman", ()),
            ("podman privileged", ("CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_AUDIT_WRITE")),
        ):
            found[name] = resolve_profile(
                json.loads(PODMAN.read_text()), Circumstances(native, frozenset(caps), (6, 1))
            )
    return found


@pytest.mark.skipif(MACHINE != "x86_64", reason="the profiles list x86_64 and its companions")
@pytest.mark.parametrize(("name", "section"), sections().items())
def test_installed_program_means_what_the_profile_says(
    container: Container, name: str, section: dict[str, Any]
) -> None:
    """No call, whatever its number, architecture and arguments, gets another verdict than the compiler's program gives."""
    container.bundle.linux["seccomp"] = section
    container.waiting()
    program = installed_program(container.pid)
    found = differences(decode(compile_profile(section, MACHINE).program), decode(program))
    assert found == [], f"{name}: {len(found)} differences, first: {found[0]}"
