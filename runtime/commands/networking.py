"""`--network none|host|bridge` of create and run: what it asks of config.json, and the network that is made for bridge.

The flag says what the caller expects and fills in what config.json leaves empty; it never undoes what config.json says.
"""

import posix

from runtime.commands.invocation import Invocation
from runtime.errors import ConfigError, NetworkError, NotBuilt, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FLAG = "network"
MODES = ("none", "host", "bridge")


def network_mode(invocation: Invocation, config: "Mapping[str, Any]") -> str | None:
    """The mode that was asked for, which the config agrees with; None without the flag.  Raises: UsageError, ConfigError, NotBuilt."""
    mode = invocation.text(FLAG)
    if mode is None:
        return None
    if mode not in MODES:
        raise UsageError(f'--network: "{mode}" is none of {", ".join(MODES)}')
    spaces = (config.get("linux") or {}).get("namespaces") or ()
    kinds = [space["type"] for space in spaces]
    paths = [space.get("path") for space in spaces if space["type"] == "network"]
    if mode == "host":
        if paths:
            _contradicts(mode, "the container has a network namespace")
    elif not paths:
        _contradicts(mode, "the container shares the network of its caller")
    elif any(paths):
        _contradicts(mode, f"the container joins the network namespace {paths[0]}")
    elif mode == "bridge" and "user" in kinds:
        raise NotBuilt("--network bridge with a user namespace")
    return mode


def _contradicts(mode: str, what: str) -> None:
    raise ConfigError("config.json", [("/linux/namespaces", f"{what}, which --network {mode} contradicts")])


def make_network(invocation: Invocation, config: "Mapping[str, Any]", rootless: bool, passed: int) -> int | None:
    """For `bridge` a network namespace, still empty: a descriptor that the executor is to inherit, else None.

    Its number is beyond those of the `passed` descriptors that the container gets.
    Raises: UsageError, ConfigError, NotBuilt, NetworkError, SyscallError.
    """
    if network_mode(invocation, config) != "bridge":
        return None
    if rootless:
        raise NetworkError("--network bridge needs root")
    from fcntl import F_DUPFD, fcntl

    from runtime.syscalls.netns import make_netns

    with make_netns() as made:
        return int(fcntl(int(made), F_DUPFD, 3 + passed))


def connect_network(invocation: Invocation, container_id: str, netns_fd: int) -> None:
    """The last thing before the executor: everything that could be wrong with the container has been looked at.

    A container of this ID that exists already keeps what it has: the executor will refuse the new one.  Raises: NetworkError.
    """
    from runtime.network.bridge import connect_container

    if not posix.access(f"{invocation.root}/{container_id}", posix.F_OK):
        connect_container(invocation.root, container_id, netns_fd, invocation.report.warning)
    posix.set_inheritable(netns_fd, True)
