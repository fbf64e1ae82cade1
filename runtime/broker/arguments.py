"""Arguments of system calls in words: for people who read the log, and as the classes that a learned policy is made of.

Only register values are looked at; what lies in memory the core has copied and decoded itself.
"""

from runtime.policy.tables.ioctls import IOCTLS
from runtime.policy.tables.prctls import PRCTLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OPEN_FLAGS = {
    "O_CREAT": 0o100,
    "O_EXCL": 0o200,
    "O_NOCTTY": 0o400,
    "O_TRUNC": 0o1000,
    "O_APPEND": 0o2000,
    "O_NONBLOCK": 0o4000,
    "O_DSYNC": 0o10000,
    "O_CLOEXEC": 0o2000000,
    "O_PATH": 0o10000000,
}
# these differ between machines
_OPEN_FLAGS_OF = {
    "x86_64": {"O_DIRECT": 0o40000, "O_DIRECTORY": 0o200000, "O_NOFOLLOW": 0o400000},
    "aarch64": {"O_DIRECTORY": 0o40000, "O_NOFOLLOW": 0o100000, "O_DIRECT": 0o200000},
}
_ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
DOMAINS = {1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK", 17: "AF_PACKET", 38: "AF_ALG", 40: "AF_VSOCK"}
TYPES = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 4: "SOCK_RDM", 5: "SOCK_SEQPACKET"}
NAMESPACES = {
    "CLONE_NEWTIME": 0x80,
    "CLONE_NEWNS": 0x20000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
_REQUESTS = {number: name for name, number in reversed(IOCTLS.items())}
_OPTIONS = {number: name for name, number in reversed(PRCTLS.items())}
# call: the argument that holds open flags
_FLAGS_AT = {"open": 1, "openat": 2}


def _bits(value: int, names: "Mapping[str, int]") -> list[str]:
    found = [name for name, bit in names.items() if value & bit]
    rest = value & ~sum(names.values())
    return [*found, hex(rest)] if rest else found


def open_flags(flags: int, machine: str) -> str:
    """Open flags by their names, joined by a bar."""
    names = _OPEN_FLAGS | _OPEN_FLAGS_OF.get(machine, {})
    return "|".join([_ACCESS_MODES[flags & 3], *_bits(flags & ~3 & ~0o100000000, names)])


def request_name(number: int) -> str:
    """An ioctl request's name, or its number."""
    return _REQUESTS.get(number & 0xFFFFFFFF, hex(number & 0xFFFFFFFF))


def option_name(number: int) -> str:
    """A prctl option's name, or its number."""
    return _OPTIONS.get(number & 0xFFFFFFFF, str(number & 0xFFFFFFFF))


def domain_name(number: int) -> str:
    """A socket domain's name, or its number."""
    return DOMAINS.get(number & 0xFFFFFFFF, str(number & 0xFFFFFFFF))


def type_name(number: int) -> str:
    """A socket type's name, or its number."""
    return TYPES.get(number & 0xF, str(number & 0xF))


def namespace_names(flags: int) -> list[str]:
    """The CLONE_NEW* flags in clone's, unshare's or setns's flags."""
    return [name for name, bit in NAMESPACES.items() if flags & bit]


def decode(call: str, args: "Sequence[int]", machine: str) -> dict[str, str]:
    """The register arguments that have names, by what they are; empty for calls that have none."""
    if call in _FLAGS_AT:
        return {"flags": open_flags(args[_FLAGS_AT[call]], machine)}
    if call in ("socket", "socketpair"):
        return {"domain": domain_name(args[0]), "type": type_name(args[1]), "protocol": str(args[2] & 0xFFFFFFFF)}
    if call == "ioctl":
        return {"request": request_name(args[1])}
    if call == "prctl":
        return {"option": option_name(args[0])}
    if call in ("clone", "unshare"):
        return {"flags": "|".join(namespace_names(args[0])) or "no namespace"}
    if call == "setns":
        return {"flags": "|".join(namespace_names(args[1])) or "any"}
    if call in ("kill", "tkill"):
        return {"signal": str(args[1] & 0xFFFFFFFF)}
    return {}
