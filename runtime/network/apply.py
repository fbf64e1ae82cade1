"""The network rules of a running container exchanged: `policy apply`.  Cold.

Everything new is loaded and checked by the kernel before anything is touched; then each hook changes from the old program to the new
one in one step, so that none is ever without.  Sockets that are connected stay connected: only what comes later is judged anew.
"""

from runtime.abi.bpf import BPF_ATTACH_TYPES
from runtime.policy.lower_network import PROGRAM_NAME
from runtime.syscalls.bpf import attach_program, detach_program, find_program, load_program, make_map
from runtime.syscalls.cgroup import open_cgroup
from runtime.syscalls.fds import Fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.policy.lower_network import Network

# a rule that comes first holds for what a later hook judges: no new kinds of sockets, then no new peers
_HOOKS = tuple(number for name, number in BPF_ATTACH_TYPES.items() if name != "DEVICE")


def replace_network(cgroup_mount: str, cgroup_path: str, network: "Network | None") -> None:
    """Make these the network rules of a container's cgroup, None for none.

    Raises: CgroupError, SyscallError; what was changed before it stays changed, and no hook is left without a program.
    """
    with open_cgroup(cgroup_mount, cgroup_path) as cgroup:
        wanted = load_network(network)
        try:
            for hook in _HOOKS:
                _exchange(int(cgroup), hook, wanted.get(hook))
        finally:
            for program in wanted.values():
                program.close()


def load_network(network: "Network | None") -> dict[int, Fd]:
    """The programs in the kernel, by the hook that they are for; the caller owns them.  Raises: SyscallError."""
    if network is None:
        return {}
    maps: list[Fd] = []
    loaded: dict[int, Fd] = {}
    try:
        for *shape, pairs in network[0]:
            kind, key_size, value_size, flags = shape
            maps.append(make_map((kind, key_size, value_size, flags), pairs))
        for name, kind, hook, code, used in network[1]:
            loaded[hook] = load_program(kind, hook, name, code, tuple(int(maps[place]) for place in used))
    except BaseException:
        for program in loaded.values():
            program.close()
        raise
    finally:
        for made in maps:
            made.close()  # the programs hold them
    return loaded


def _exchange(cgroup_fd: int, hook: int, new: Fd | None) -> None:
    old = find_program(cgroup_fd, hook, PROGRAM_NAME)
    try:
        if new is not None:
            attach_program(cgroup_fd, int(new), hook, -1 if old is None else int(old))
        elif old is not None:
            detach_program(cgroup_fd, int(old), hook)
    finally:
        if old is not None:
            old.close()
