"""What the broker decides, from inside: names that are changed to come under another rule, and ordinary programs that notice nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.programs import ProgramRoot, tree_or_skip
from integration.security.test_builtin_policies import MAKEFILE, MANY_FILES, PROGRAMS

pytestmark = only("postern", reason="policies are postern's")

EVERY_OPEN = """\
name: every-open
syscalls: {default: allow, broker: [open, openat, openat2, creat, connect, bind, sendto, sendmsg, sendmmsg, execve, execveat, mknod, mknodat]}
network: unrestricted
"""
READABLE = """\
name: readable
network: unrestricted
filesystem: {read: ["/data/*/public", /bin, /proc, /dev]}
"""
CARRIES = {
    "rename": "/bin/busybox mv /data/secret /data/a/public",
    "hard link": "/bin/busybox rm /data/a/public; /bin/busybox ln /data/secret /data/a/public",
    "directory": "/bin/busybox mkdir /data/b; /bin/busybox mv /data/secret /data/b/public",
    "symlink": "/bin/busybox ln -sf /data/secret /data/a/public",
}


def lay_out(container: Container) -> None:
    """One file that may be read and one that may not, anew."""
    shutil.rmtree(container.bundle.rootfs / "data", ignore_errors=True)
    container.bundle.file("data/secret", "secret\n")
    container.bundle.file("data/a/public", "public\n")


def flag(container: Container, text: str) -> tuple[str, str]:
    """The words that choose a policy of this text."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(text)
    return ("--policy", str(path))


@pytest.mark.parametrize("how", CARRIES)
def test_unreadable_file_does_not_become_readable(container: Container, how: str) -> None:
    """With patterns in `read` a name decides: a file cannot be given one that may be read."""
    show = "/bin/cat /data/secret /data/a/public /data/b/public"
    container.bundle.shell(f"{CARRIES[how]}; {show}; echo end")
    lay_out(container)
    assert "secret" in container.run().out
    lay_out(container)
    result = container.run(*flag(container, READABLE)).ok()
    assert "secret" not in result.out
    assert result.out.endswith("end\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_lives(container: Container, program: str) -> None:
    """Small programs of each kind do their work while the broker does every open, connect, send and exec for them."""
    args, said = PROGRAMS[program]
    with ProgramRoot(container, tree_or_skip()):
        container.bundle.args(*args)
        result = container.run(*flag(container, EVERY_OPEN)).ok()
    assert said in result.out, result


def test_c_build(container: Container, tmp_path: Path) -> None:
    """A parallel build, every open of which is mediated."""
    with ProgramRoot(container, tree_or_skip()) as root:
        root.write("workspace/Makefile", MAKEFILE)
        root.write("workspace/main.c", "int part_7(void);\nint main(void) { return part_7() != 7; }\n")
        container.bundle.args(
            "/bin/bash", "-ec", f"cd /workspace; {MANY_FILES}; make -j2 check && git init -q . && git add ."
        )
        container.run(*flag(container, EVERY_OPEN), timeout=120).ok()
        assert (root.path / "workspace/program").stat().st_mode & 0o111
    assert tmp_path.is_dir()
