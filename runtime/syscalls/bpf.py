"""BPF maps and programs of a cgroup through the C functions that the executor uses too (bpf_program.h).  Cold."""

from runtime.errors import SyscallError
from runtime.syscalls._native import ffi, lib
from runtime.syscalls.fds import Fd

_ENOENT = 2
_EPERM = 1


def _fd(what: str, number: int) -> Fd:
    if number < 0:
        raise _fail(what, number)
    return Fd(number)


def _fail(what: str, error: int) -> SyscallError:
    text = ffi.string(lib.errno_text(error)).decode()
    if error == -_EPERM:
        text += " (CAP_BPF and CAP_NET_ADMIN of the initial user namespace are needed)"
    return SyscallError(what, -error, text)


def make_map(shape: tuple[int, int, int, int], pairs: bytes) -> Fd:
    """A frozen map of these (key, value) pairs; `shape` is type, key size, value size, flags.  Raises: SyscallError."""
    return _fd("make a BPF map", lib.bpf_map_make(ffi.new("struct bpf_map_shape *", shape), pairs, len(pairs)))


def load_program(kind: int, attach_type: int, name: str, code: bytes, map_fds: tuple[int, ...]) -> Fd:
    """A program that names the maps by their place in `map_fds` (borrowed).  Raises: SyscallError."""
    wanted = ffi.new("struct bpf_program *")
    words, held = ffi.new("char[]", code), ffi.new("char[]", name.encode())
    wanted.type, wanted.attach_type, wanted.name = kind, attach_type, held
    wanted.insns, wanted.size = ffi.cast("struct bpf_insn *", words), len(code)
    for place in range(len(wanted.maps)):
        wanted.maps[place] = map_fds[place] if place < len(map_fds) else -1
    return _fd(f'load the BPF program "{name}"', lib.bpf_program_load(wanted))


def find_program(cgroup_fd: int, attach_type: int, name: str) -> Fd | None:
    """The program of this name that is attached to the cgroup (borrowed) itself.  Raises: SyscallError."""
    number = lib.bpf_program_find(cgroup_fd, attach_type, name.encode())
    return None if number == -_ENOENT else _fd("list the BPF programs of a cgroup", number)


def attach_program(cgroup_fd: int, program_fd: int, attach_type: int, old_fd: int = -1) -> None:
    """Attach beside what is there, or in the place of `old_fd` in one step; all borrowed.  Raises: SyscallError."""
    error = lib.bpf_program_attach(cgroup_fd, program_fd, attach_type, old_fd)
    if error < 0:
        raise _fail("attach a BPF program to a cgroup", error)


def detach_program(cgroup_fd: int, program_fd: int, attach_type: int) -> None:
    """Take it off the cgroup; both borrowed.  Raises: SyscallError."""
    error = lib.bpf_program_detach(cgroup_fd, program_fd, attach_type)
    if error < 0:
        raise _fail("detach a BPF program from a cgroup", error)
