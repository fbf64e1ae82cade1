"""`--network none|host|bridge` of create and run, and linux.netDevices: what is asked of config.json, and what is made before the plan.

The flag says what the caller expects and fills in what config.json leaves empty; it never undoes what config.json says.
"""

import posix

from runtime.commands.invocation import Invocation
from runtime.errors import ConfigError, NetworkError, NotBuilt, OciError, SyscallError, UsageError
from runtime.launch.report import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FLAG = "network"
MODES = ("none", "host", "bridge")


def network_mode(invocation: Invocation, config: "Mapping[str, Any]") -> str | None:
    """The mode that was asked for, which the config agrees with; None without the flag.  Raises: UsageError, ConfigError."""
    mode = invocation.text(FLAG)
    if mode is None:
        return None
    if mode not in MODES:
        raise UsageError(f'--network: "{mode}" is none of {", ".join(MODES)}')
    paths, _mapped = _namespaces(config)
    if mode == "host":
        if paths:
            _contradicts(mode, "the container has a network namespace")
    elif not paths:
        _contradicts(mode, "the container shares the network of its caller")
    elif any(paths):
        _contradicts(mode, f"the container joins the network namespace {paths[0]}")
    return mode


def _contradicts(mode: str, what: str) -> None:
    raise ConfigError("config.json", [("/linux/namespaces", f"{what}, which --network {mode} contradicts")])


def make_network(invocation: Invocation, config: "Mapping[str, Any]", rootless: bool, passed: int) -> int | None:
    """A network namespace for `bridge` or linux.netDevices, still empty: a descriptor that the executor is to inherit.

    None where none is needed, also for devices that go into one that is joined by path.  The number is beyond those of the
    `passed` descriptors that the container gets.
    Raises: UsageError, ConfigError, NotBuilt, NetworkError, SyscallError.
    """
    bridge, devices = network_mode(invocation, config) == "bridge", _devices(config)
    if not (bridge or devices):
        return None
    what = "--network bridge" if bridge else "linux.netDevices"
    if rootless:
        raise NetworkError(f"{what} needs root")
    paths, mapped = _namespaces(config)
    if not paths:
        text = "network devices cannot be moved: the container shares the network of its caller"
        raise ConfigError("config.json", [("/linux/netDevices", text)])
    if any(paths):
        return None
    if mapped:
        raise NotBuilt(f"{what} with a new user namespace")
    from fcntl import F_DUPFD, fcntl

    from runtime.syscalls.netns import make_netns

    with make_netns() as made:
        return int(fcntl(int(made), F_DUPFD, 3 + passed))


def connect_network(
    invocation: Invocation, config: "Mapping[str, Any]", container_id: str, netns_fd: int | None
) -> None:
    """The last thing before the executor: everything that could be wrong with the container has been looked at.

    A container of this ID that exists already keeps what it has: the executor will refuse the new one.
    Raises: NetworkError, SyscallError.
    """
    if not posix.access(f"{invocation.root}/{container_id}", posix.F_OK):
        _connect(invocation, config, container_id, netns_fd)
    if netns_fd is not None:
        posix.set_inheritable(netns_fd, True)


def _connect(invocation: Invocation, config: "Mapping[str, Any]", container_id: str, netns_fd: int | None) -> None:
    devices, bridge = _devices(config), invocation.text(FLAG) == "bridge"
    if bridge and netns_fd is not None:
        from runtime.network.bridge import connect_container

        connect_container(invocation.root, container_id, netns_fd, invocation.report.warning)
    if not devices:
        return
    from runtime.network.devices import move_devices

    try:
        move_devices(devices, _open_joined(config) if netns_fd is None else netns_fd)
    except OciError:
        if bridge:
            from runtime.network.bridge import release

            release(invocation.root, container_id)
        raise


def _devices(config: "Mapping[str, Any]") -> "Mapping[str, Any]":
    return (config.get("linux") or {}).get("netDevices") or {}


def _namespaces(config: "Mapping[str, Any]") -> tuple[list[str | None], bool]:
    """The paths of the network namespaces that the config names (None: new), and whether there is a new user namespace."""
    spaces = (config.get("linux") or {}).get("namespaces") or ()
    paths = [space.get("path") for space in spaces if space["type"] == "network"]
    return paths, any(space["type"] == "user" and not space.get("path") for space in spaces)


def _open_joined(config: "Mapping[str, Any]") -> int:
    path = _namespaces(config)[0][0] or ""
    try:
        return posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY)
    except OSError as error:
        raise SyscallError(f"open {path}", error.errno or 0, reason(error)) from error
