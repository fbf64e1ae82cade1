"""ps: the processes of a container, by pid on the host."""

import posix

from oci_schemas.json_text import dumps
from runtime.commands.containers import Container, read_at
from runtime.commands.invocation import Invocation
from runtime.commands.launching import read_fd
from runtime.commands.list import list_format
from runtime.commands.process_table import filter_table
from runtime.errors import OciError, SyscallError
from runtime.launch.report import encode, reason, show

_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_DEEPEST = 64


def cgroup_pids(dir_fd: int, depth: int = _DEEPEST) -> list[int]:
    """Every process in a cgroup and below it; `dir_fd` stays the caller's.  Raises: OSError."""
    # a process whose pid our namespace cannot express reads as 0; a cgroup in threaded mode has no readable list
    pids = [int(word) for word in read_at(dir_fd, "cgroup.procs").split() if word != b"0"]
    if depth == 0:
        return pids
    with posix.scandir(dir_fd) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in names:
        try:
            below = posix.open(name, _DIRECTORY, dir_fd=dir_fd)
        except FileNotFoundError:
            continue  # removed meanwhile
        try:
            pids += cgroup_pids(below, depth - 1)
        finally:
            posix.close(below)
    return pids


def container_pids(container: Container) -> list[int]:
    """Every process of a container; none when it has stopped.  Raises: CgroupError, SyscallError."""
    if container.status == "stopped":
        return []
    fd = container.open_cgroup()
    try:
        return cgroup_pids(fd)
    except OSError as error:
        path = container.cgroup_path()
        raise SyscallError(f"read the processes of {path}", error.errno or 0, reason(error)) from error
    finally:
        posix.close(fd)


def run_ps(arguments: list[str]) -> str:
    """The output of the host's ps.  Raises: OciError with what it said."""
    program = _find_ps()
    reading, writing = posix.pipe2(posix.O_CLOEXEC)
    try:
        actions = [(posix.POSIX_SPAWN_DUP2, writing, 1), (posix.POSIX_SPAWN_DUP2, writing, 2)]
        pid = posix.posix_spawn(program, ["ps", *arguments], dict(posix.environ), file_actions=actions)
    except OSError as error:
        posix.close(reading)
        raise SyscallError(f"exec {program}", error.errno or 0, reason(error)) from error
    finally:
        posix.close(writing)
    output = read_fd(reading).decode("utf-8", "replace")
    posix.close(reading)
    status = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    if status:
        raise OciError(f"exit status {status}: {' '.join(output.split())}")
    return output


def _find_ps() -> str:
    for directory in (*posix.environ.get(b"PATH", b"").split(b":"), b"/usr/bin", b"/bin"):
        path = (directory + b"/ps").decode("utf-8", "surrogateescape")
        if directory[:1] == b"/" and posix.access(path, posix.X_OK):
            return path
    raise OciError('exec: "ps": executable file not found in $PATH')


def execute(invocation: Invocation) -> int:
    """Print pids as JSON, or the host's ps cut down to them.  Raises: OciError."""
    style = list_format(invocation)
    container = Container(invocation.root, invocation.container_id())
    pids = container_pids(container)
    container.close()
    if style == "json":
        show(dumps(pids or None) + b"\n")
    else:
        show(encode(filter_table(run_ps(invocation.arguments[1:] or ["-ef"]), pids)))
    return 0
