"""What lets containers of a bridge speak to other hosts: forwarding, and their addresses replaced by the host's.

With nft alone: without it nothing is changed, and containers reach the host and each other.  Cold.
"""

import os
import shutil
import subprocess

from runtime.errors import NetworkError
from runtime.network.subnets import Subnet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# callers may have an empty environment
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FORWARD = "/proc/sys/net/ipv4/ip_forward"


def rules(bridge: str, subnet: Subnet) -> str:
    """The bridge's own table, made anew in one transaction: it holds what we need and nothing of anybody else's."""
    return (
        f"table ip {bridge}\n"
        f"delete table ip {bridge}\n"
        f"table ip {bridge} {{\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat;\n"
        f'    ip saddr {subnet} oifname != "{bridge}" masquerade\n'
        "  }\n"
        "}\n"
    )


def enable_masquerade(bridge: str, subnet: Subnet, warn: "Callable[[str], None]") -> None:
    """Make the rules, then forward; without nft warn and do neither.  Raises: NetworkError."""
    nft = shutil.which("nft", path=_PATH)
    if nft is None:
        warn("--network bridge: nft was not found, the container reaches this host and other containers alone")
        return
    environment = {"PATH": _PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [nft, "-f", "-"], input=rules(bridge, subnet), env=environment, capture_output=True, text=True, timeout=30
        )
    except subprocess.TimeoutExpired:
        raise NetworkError(f"--network bridge: {nft} does not end") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NetworkError(f"--network bridge: nft refuses the rules of {bridge}: {lines[0]}")
    _forward()


def _forward() -> None:
    with open(_FORWARD, "r+") as file:
        if file.read().strip() != "1":
            os.pwrite(file.fileno(), b"1\n", 0)
