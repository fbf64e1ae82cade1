"""The addresses of a state root's containers: `<root>/@network/subnet`, and a file for each under `leases/`.

A lease names the address and the process that took it.  It ends with its container: delete and a failed create remove the file
(runtime/native/lease.c), and whoever comes next removes those of which neither container nor process is left.  Cold.
"""

import fcntl
import ipaddress
import os

from runtime.errors import NetworkError
from runtime.network.subnets import Subnet, free_addresses
from runtime.state.reserved import open_reserved
from runtime.state.store import process_start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

NETWORK = "@network"
_LEASES = "leases"
_SUBNET = "subnet"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_BYTES = 256


class Leases:
    """`with Leases(root)`: the records of a state root, locked against everybody else."""

    __slots__ = ("_fd", "_leases", "root")

    def __init__(self, root: str) -> None:
        """`root` is the state root; it is made when missing."""
        self.root = root
        self._fd = self._leases = -1

    def __enter__(self) -> "Self":
        self._fd = open_reserved(self.root, NETWORK)
        if self._fd < 0:
            raise NetworkError(f"{self.root}/{NETWORK} cannot be made, or others can write to it")
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            os.mkdir(_LEASES, 0o700, dir_fd=self._fd)
        except FileExistsError:
            pass
        self._leases = os.open(_LEASES, _DIRECTORY, dir_fd=self._fd)
        return self

    def __exit__(self, *_error: object) -> None:
        for fd in (self._leases, self._fd):
            if fd >= 0:
                os.close(fd)  # the lock goes with it
        self._fd = self._leases = -1

    def subnet(self) -> Subnet | None:
        """The network that this root was given; None before the first container."""
        text = _read(self._fd, _SUBNET)
        try:
            return ipaddress.IPv4Network(text) if text else None
        except ValueError:
            raise NetworkError(f"{self.root}/{NETWORK}/{_SUBNET} holds no network: {text!r}") from None

    def save_subnet(self, subnet: Subnet) -> None:
        """Remember it."""
        _write(self._fd, _SUBNET, f"{subnet}\n")

    def holders(self) -> dict[str, str]:
        """Container ID -> address of every lease whose container or creator is still there; the others are removed."""
        held = {}
        for name in os.listdir(self._leases):
            words = _read(self._leases, name).split()
            if self._is_alive(name, words):
                held[name] = words[0]
            else:
                os.unlink(name, dir_fd=self._leases)
        return held

    def _is_alive(self, container_id: str, words: list[str]) -> bool:
        if len(words) != 3 or not words[1].isdigit() or not words[2].isdigit():
            return False  # cut short by a crash: nobody has used it yet
        try:
            ipaddress.IPv4Address(words[0])
        except ValueError:
            return False
        # the creator becomes the executor, which makes the state directory
        creating = process_start_time(int(words[1])) == int(words[2]) != 0
        return creating or os.path.lexists(f"{self.root}/{container_id}")

    def take(self, container_id: str, subnet: Subnet) -> ipaddress.IPv4Address:
        """An address for a container that this process is about to create; a lease that its ID had before is replaced.

        Raises: NetworkError when none is left.
        """
        held = self.holders()
        held.pop(container_id, None)
        address = next(free_addresses(subnet, held.values()), None)
        if address is None:
            raise NetworkError(f"--network bridge: every address of {subnet} is taken")
        pid = os.getpid()
        _write(self._leases, container_id, f"{address} {pid} {process_start_time(pid)}\n")
        return address

    def give_back(self, container_id: str) -> None:
        """Remove a lease; a missing one is no error."""
        try:
            os.unlink(container_id, dir_fd=self._leases)
        except FileNotFoundError:
            pass


def _read(dir_fd: int, name: str) -> str:
    try:
        fd = os.open(name, _READ, dir_fd=dir_fd)
    except FileNotFoundError:
        return ""
    try:
        return os.read(fd, _MAX_BYTES).decode("utf-8", "replace").strip()
    finally:
        os.close(fd)


def _write(dir_fd: int, name: str, text: str) -> None:
    temporary = "@new"  # no container can have that ID, and we hold the lock
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
    os.rename(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
