"""Whose name a path is: roots, mounts, hidden files and procfs, as the broker sees them for its callers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.framework import gate
from integration.framework.gate import OPENS, Gated, memory_file, paths, serving, table
from runtime.broker.native import Core
from runtime.broker.table import encode_table

OPENED = dict.fromkeys(OPENS, "open")
NOTED = {**OPENED, **dict.fromkeys(gate.NOTED, "continue")}
EACCES, ENOENT = 13, 2
SYSTEM = ("/usr", "/lib", "/lib64", "/etc", "/bin", "/proc", "/dev")


def python(policy: dict[str, Any], script: str, *arguments: str, **options: Any) -> str:
    """Output of a Python script behind a policy."""
    with serving() as broker:
        code, out = broker.run(policy, "exec", sys.executable, "-I", "-S", "-c", script, *arguments, **options)
    assert code == 0, out
    return out


ATTEMPT = """
import os, sys
def attempt(path, flags=os.O_RDONLY, **where):
    try:
        fd = os.open(path, flags, **where)
    except OSError as error:
        return error.errno
    return os.read(fd, 9).decode()
"""


def test_hidden_files_are_not_there(tmp_path: Path) -> None:
    """Neither they nor what lies below them, by any name."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/file").write_text("hidden")
    (tmp_path / "link").symlink_to("hidden/file")
    script = ATTEMPT + "print(*[attempt(sys.argv[1] + name) for name in ('/hidden', '/hidden/file', '/link')])"
    out = python(table(OPENED, hide=paths(str(tmp_path / "hidden"))), script, str(tmp_path))
    assert out.split() == [str(ENOENT)] * 3


@pytest.mark.parametrize("calls", [OPENED, NOTED], ids=["looked up", "noted"])
def test_a_caller_in_a_root_of_its_own_is_judged_by_the_container(tmp_path: Path, calls: dict[str, str]) -> None:
    """What it calls /etc/hostname lies elsewhere, and that is what counts."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("jail")
    script = ATTEMPT + "os.chroot(sys.argv[1]); os.chdir('/'); print(attempt('/etc/hostname'), attempt('etc/hostname'))"
    system = (*SYSTEM, sys.prefix, sys.base_prefix)
    assert python(table(calls, read=paths(*system)), script, str(tmp_path)).split() == [str(EACCES)] * 2
    assert python(table(calls, read=paths(*system, str(tmp_path))), script, str(tmp_path)).split() == ["jail"] * 2


@pytest.mark.parametrize("calls", [OPENED, NOTED], ids=["looked up", "noted"])
def test_a_root_changes_under_a_thread_that_was_known(tmp_path: Path, calls: dict[str, str]) -> None:
    """A thread that has opened before opens in the root that another one gave to all of them; a child keeps its own."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("jail")
    script = ATTEMPT + (
        "import _thread, time; first = attempt('/etc/hostname'); done = []\n"
        "stay, go = os.pipe(); read, write = os.pipe(); child = os.fork()\n"
        "if not child:\n    attempt('/etc/hostname'); os.read(stay, 1)\n"
        "    os.write(write, str(attempt('/etc/hostname')).encode()); os._exit(0)\n"
        "_thread.start_new_thread(lambda: (os.chroot(sys.argv[1]), done.append(1)), ())\n"
        "while not done: time.sleep(0.001)\n"
        "own = attempt('/etc/hostname'); os.write(go, b'x'); other = os.read(read, 9).decode()\n"
        "os.waitpid(child, 0); print(first == other, own)"
    )
    assert python(table(calls, read=paths("/")), script, str(tmp_path)).split() == ["True", "jail"]


def test_a_file_outside_the_container_has_no_name_inside(tmp_path: Path) -> None:
    """A directory on a mount that the container does not have: its name there means nothing here."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("foreign")
    script = ATTEMPT + (
        "fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY); os.unshare(0x20000) if hasattr(os, 'unshare') else "
        "__import__('ctypes').CDLL(None).unshare(0x20000); print(attempt('/etc/hostname'))"
    )
    out = python(table(OPENED, read=paths("/")), script, str(tmp_path))
    assert out.split() == [str(EACCES)]  # another mount namespace: the same files on other mounts


def test_procfs_shows_the_caller_and_nobody_else() -> None:
    """Its own files by self and by number, some of everybody's, nothing private of others."""
    script = ATTEMPT + (
        "own = [attempt('/proc/self/comm'), attempt(f'/proc/{os.getpid()}/comm'), attempt('/proc/thread-self/comm')]\n"
        "other = [attempt(f'/proc/{os.getppid()}/{name}') for name in ('environ', 'maps', 'mem', 'fd/0')]\n"
        "links = [attempt(f'/proc/self/{name}') for name in ('root/etc/hostname', 'cwd/etc/hostname', 'exe', 'mem')]\n"
        "system = [attempt('/proc/meminfo')[:3], attempt('/proc/kcore'), attempt('/proc/sys/net/core/somaxconn')]\n"
        "print(*[word.strip() if isinstance(word, str) else word for word in own + other + links + system])"
    )
    words = python(table(OPENED, audit="none"), script, cwd="/").split()
    name = Path(sys.executable).name[:9]
    assert words[:3] == [name] * 3
    assert set(words[3:11]) == {str(EACCES)}
    assert words[11:] == ["Mem", str(EACCES), str(EACCES)]


def of_a_group(place: Path) -> Path:
    """A file that only members of group 12345 can read."""
    file = place / "file"
    file.write_text("group")
    os.chown(file, 65534, 12345)
    file.chmod(0o040)
    for directory in (place, *place.parents[:2]):
        directory.chmod(0o755)
    return file


def test_a_remembered_group_is_forgotten_when_it_is_given_up(tmp_path: Path) -> None:
    """A file of a group cannot be opened any more once the caller has left it."""
    file = of_a_group(tmp_path)
    script = ATTEMPT + (
        "import ctypes; os.setgroups([12345]); before = attempt(sys.argv[1]); again = attempt(sys.argv[1])\n"
        "os.setgroups([]); print(before, again, attempt(sys.argv[1]))"
    )
    for calls in (OPENED, NOTED):
        assert python(table(calls), script, str(file)).split() == ["group", "group", str(EACCES)]


def test_a_thread_that_executes_has_its_own_groups(tmp_path: Path) -> None:
    """It takes over the number of its process's first thread, and what was remembered of that one is not its own."""
    file = of_a_group(tmp_path)
    script = ATTEMPT + (
        "import _thread, ctypes, time; os.setgroups([12345]); print(attempt(sys.argv[1]), flush=True)\n"
        f"def leave():\n    ctypes.CDLL(None).syscall({gate.NUMBERS['setgroups']}, 0, None)\n"
        "    os.execv('/bin/cat', ['cat', sys.argv[1]])\n"
        "_thread.start_new_thread(leave, ()); time.sleep(10)"
    )
    with serving() as broker:
        code, out = broker.run(table(NOTED), "exec", sys.executable, "-I", "-S", "-c", script, str(file))
    assert (code, out.split()[0]) == (1, "group")
    assert "Permission denied" in out


@pytest.mark.parametrize("calls", [OPENED, NOTED], ids=["looked up", "noted"])
def test_a_new_broker_knows_that_roots_have_moved(tmp_path: Path, calls: dict[str, str]) -> None:
    """A child changes its root, the broker restarts: the child's names are still those of its own root."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("jail")
    script = ATTEMPT + (
        "child = os.fork()\nif child:\n    os.waitpid(child, 0); os._exit(0)\n"
        "print('up', flush=True); os.read(0, 1); os.chroot(sys.argv[1]); print('in', flush=True); os.read(0, 1)\n"
        "print(attempt('/etc/hostname'))"
    )
    assert _restarted(calls, ("/",), script, tmp_path) == (0, "jail\n")


def test_a_new_broker_does_not_take_a_root_that_init_chose(tmp_path: Path) -> None:
    """Init changes its root, the broker restarts: names are still the container's, or nothing is opened."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("jail")
    script = ATTEMPT + (
        "print('up', flush=True); os.read(0, 1); os.chroot(sys.argv[1]); print('in', flush=True); os.read(0, 1)\n"
        "print(attempt('/etc/hostname'))"
    )
    assert _restarted(OPENED, (*SYSTEM, sys.prefix, sys.base_prefix), script, tmp_path) == (0, f"{EACCES}\n")


def _restarted(calls: dict[str, str], readable: tuple[str, ...], script: str, place: Path) -> tuple[int, str]:
    """(exit code, last output) of a script that says two lines before the broker restarts."""
    journal, policy = os.memfd_create("journal"), memory_file(encode_table(table(calls, read=paths(*readable))))
    gated = Gated(list(calls), "exec", sys.executable, "-I", "-S", "-c", script, str(place))
    assert gated.process.stdin
    assert gated.process.stdout
    kept = os.dup(gated.listener)
    with Core(journal, 2) as core:
        core.add(7, gated.listener, policy, (gated.process.pid, 0, 0))
        gated.release()
        assert gated.process.stdout.readline() == b"up\n"
        gated.release()
        assert gated.process.stdout.readline() == b"in\n"
    with Core(journal, 2) as core:
        core.add(7, kept, policy, (gated.process.pid, 0, 0))
        gated.release()
        found = gated.finish()
    os.close(journal)
    os.close(policy)
    return found


def test_a_later_table_does_not_say_what_the_filter_notifies(tmp_path: Path) -> None:
    """The filter stays what it was: a table whose own filter would have chroot noted does not make it so."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("jail")
    script = (
        ATTEMPT + "os.read(0, 1); attempt('/etc/hostname'); os.chroot(sys.argv[1]); print(attempt('/etc/hostname'))"
    )
    first, later = (memory_file(encode_table(table(calls, read=paths("/")))) for calls in (OPENED, NOTED))
    gated = Gated(list(OPENED), "exec", sys.executable, "-I", "-S", "-c", script, str(tmp_path))
    with serving() as broker:
        index = broker.core.add(7, gated.listener, first, (gated.process.pid, 0, 0))
        broker.core.swap(index, later)
        gated.release()
        gated.release()
        assert gated.finish() == (0, "jail\n")
    os.close(first)
    os.close(later)


@pytest.mark.parametrize("allowed", [False, True])
def test_an_abstract_name_that_the_kernel_chooses(*, allowed: bool) -> None:
    """bind(2) without a name gives one, which is abstract as any other: only where those are allowed."""
    script = (
        "import _socket\ns = _socket.socket(_socket.AF_UNIX)\n"
        "try:\n    s.bind('')\nexcept OSError as error:\n    print(error.errno)\nelse:\n    print(s.getsockname()[0])"
    )
    out = python(table({"bind": "bind"}, unix_bind=paths("/tmp"), unix_abstract=allowed), script)
    assert out.split() == (["0"] if allowed else [str(EACCES)])
