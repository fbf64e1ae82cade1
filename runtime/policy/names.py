"""Names of kernel constants, as a policy writes them, to their numbers; and what somebody meant who misspelt one.

Cold: only the compiler of policies needs them.  Numbers are the generic ones of x86_64 and aarch64.
"""

import difflib
import errno
from collections.abc import Iterable, Mapping

from oci_schemas.wording import quoted
from runtime.abi.namespaces import NAMESPACES
from runtime.policy.tables.ioctls import IOCTLS
from runtime.policy.tables.prctls import PRCTLS

# linux/socket.h keeps these out of the uapi headers; numbers are ABI all the same
DOMAINS = {
    "AF_UNSPEC": 0,
    "AF_UNIX": 1,
    "AF_LOCAL": 1,
    "AF_INET": 2,
    "AF_AX25": 3,
    "AF_IPX": 4,
    "AF_APPLETALK": 5,
    "AF_X25": 9,
    "AF_INET6": 10,
    "AF_KEY": 15,
    "AF_NETLINK": 16,
    "AF_PACKET": 17,
    "AF_RDS": 21,
    "AF_LLC": 26,
    "AF_CAN": 29,
    "AF_TIPC": 30,
    "AF_BLUETOOTH": 31,
    "AF_RXRPC": 33,
    "AF_ALG": 38,
    "AF_NFC": 39,
    "AF_VSOCK": 40,
    "AF_KCM": 41,
    "AF_QIPCRTR": 42,
    "AF_SMC": 43,
    "AF_XDP": 44,
    "AF_MCTP": 45,
}
TYPES = {
    "SOCK_STREAM": 1,
    "SOCK_DGRAM": 2,
    "SOCK_RAW": 3,
    "SOCK_RDM": 4,
    "SOCK_SEQPACKET": 5,
    "SOCK_DCCP": 6,
    "SOCK_PACKET": 10,
}
PROTOCOLS = {
    "IPPROTO_IP": 0,
    "IPPROTO_ICMP": 1,
    "IPPROTO_TCP": 6,
    "IPPROTO_UDP": 17,
    "IPPROTO_DCCP": 33,
    "IPPROTO_ICMPV6": 58,
    "IPPROTO_SCTP": 132,
    "IPPROTO_UDPLITE": 136,
    "IPPROTO_RAW": 255,
    "IPPROTO_MPTCP": 262,
}
PROTOCOLS |= {name.removeprefix("IPPROTO_").lower(): number for name, number in PROTOCOLS.items()}
CLONE_FLAGS = {
    f"CLONE_NEW{name}": NAMESPACES[kind]
    for name, kind in {
        "CGROUP": "cgroup",
        "IPC": "ipc",
        "NET": "network",
        "NS": "mount",
        "PID": "pid",
        "TIME": "time",
        "USER": "user",
        "UTS": "uts",
    }.items()
}
ERRNOS = {name: number for number, name in errno.errorcode.items()}
# further words that conditions on arguments may use
_ARGUMENTS = {
    "PROT_NONE": 0,
    "PROT_READ": 1,
    "PROT_WRITE": 2,
    "PROT_EXEC": 4,
    "MAP_SHARED": 1,
    "MAP_PRIVATE": 2,
    "MAP_ANONYMOUS": 0x20,
    "O_ACCMODE": 3,
    "O_RDONLY": 0,
    "O_WRONLY": 1,
    "O_RDWR": 2,
    "O_CREAT": 0o100,
    "O_TRUNC": 0o1000,
    "PER_LINUX": 0,
    "SOCK_NONBLOCK": 0o4000,
    "SOCK_CLOEXEC": 0o2000000,
}
CONSTANTS = {**_ARGUMENTS, **DOMAINS, **TYPES, **PROTOCOLS, **CLONE_FLAGS, **IOCTLS, **PRCTLS}


_NEAR = 0.75  # names of constants have prefixes in common, which alone make nothing near


class Unknown(ValueError):
    """A word that stands for nothing; the text says what may have been meant."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """`, did you mean "X"?` when one of the choices is near; else nothing."""
    known = sorted(choices)
    near = difflib.get_close_matches(word, known, 1, _NEAR) or difflib.get_close_matches(word.upper(), known, 1, _NEAR)
    return f', did you mean "{near[0]}"?' if near else ""


def number_of(word: object, names: Mapping[str, int], what: str) -> int:
    """The number of a name, of a name without its usual prefix's case, or of digits.  Raises: Unknown."""
    if isinstance(word, int) and not isinstance(word, bool):
        if not 0 <= word < 1 << 64:
            raise Unknown(f"{what} {word} is out of range")
        return word
    text = str(word)
    if text in names:
        return names[text]
    try:
        number = int(text if text.isascii() and "_" not in text else "", 0)
    except ValueError:
        raise Unknown(f"unknown {what} {quoted(text)}{nearest(text, names)}") from None
    return number_of(number, names, what)


def group_or_name(word: object, groups: Mapping[str, tuple[str, ...]], what: str) -> tuple[object, ...]:
    """What an @group stands for; the word itself when it is none.  Raises: Unknown."""
    if not isinstance(word, str) or word[:1] != "@":
        return (word,)
    if word not in groups:
        raise Unknown(f"unknown category {quoted(word)} of {what}{nearest(word, groups)}")
    return groups[word]
