"""Profiles of engines, where they are installed on this machine: the whole of them, against libseccomp, on every call."""

import json
import os
from pathlib import Path

import pytest

from runtime.seccomp.arches import find_arch
from runtime.seccomp.compare import differences
from runtime.seccomp.compile import compile_profile
from runtime.seccomp.engine_profile import Circumstances, resolve_profile
from runtime.seccomp.interpret import decode
from tests.runtime.seccomp import libseccomp

PODMAN = Path("/usr/share/containers/seccomp.json")
LIBRARY = libseccomp.load()

pytestmark = [
    pytest.mark.skipif(
        not PODMAN.exists(), reason="no containers-common on this machine, which holds podman's profile"
    ),
    pytest.mark.skipif(LIBRARY is None, reason="libseccomp.so.2, the judge, is not installed"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="judged from x86_64"),
]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "ppc64le", "riscv64", "i686"])
@pytest.mark.parametrize("capabilities", [(), ("CAP_SYS_ADMIN", "CAP_AUDIT_WRITE", "CAP_SYS_CHROOT", "CAP_SYS_TIME")])
def test_podman_profile_is_what_libseccomp_makes_of_it(machine: str, capabilities: tuple[str, ...]) -> None:
    """Resolved for a machine with and without capabilities; its default is ENOSYS, so runc's stub changes nothing.

    Machines of this byte order only: in large programs for the other one libseccomp swaps some verdicts' bytes twice.
    """
    assert LIBRARY is not None
    native = find_arch(machine)
    assert native is not None
    section = resolve_profile(json.loads(PODMAN.read_text()), Circumstances(native, frozenset(capabilities), (6, 1)))
    ours = decode(compile_profile(section, native.token).program)
    theirs = decode(libseccomp.compile_section(LIBRARY, section, native.token))
    found = differences(ours, theirs)
    assert found == [], found[:3]
