"""update: change the resource limits of a container.  Devices are never touched."""

import posix

from oci_schemas.validate import Invalid, load_resources
from runtime.cgroups.resources import Write, check_controllers, compile_limits
from runtime.commands.containers import Container, find_for, read_at, write_at
from runtime.commands.invocation import Invocation
from runtime.commands.launching import read_fd, read_file
from runtime.commands.update_flags import resources_of_flags
from runtime.errors import CgroupError, ConfigError, SyscallError
from runtime.host.probe import probe_facts
from runtime.launch.report import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_DEFAULT_PERIOD = "100000"


def read_resources(path: str) -> "Mapping[str, Any]":
    """The resources of a file, or of standard input for `-`.  Raises: ConfigError, SyscallError."""
    try:
        return load_resources(read_fd(0) if path == "-" else read_file(path))
    except Invalid as invalid:
        raise ConfigError("resources", invalid.violations) from None
    except OSError as error:
        raise SyscallError(f"open {path}", error.errno or 0, reason(error)) from error


def fill_in(resources: "Mapping[str, Any]", cpu_max: str) -> "dict[str, Any]":
    """What one limit says about another, as in runc: `cpu_max` is the cgroup's present cpu.max.

    A quota alone keeps the period and a period alone the quota; unlimited memory without a word on swap is unlimited swap.
    """
    filled = {key: value for key, value in resources.items() if key != "devices" and value is not None}
    cpu = dict(filled.get("cpu") or {})
    quota, _, period = cpu_max.strip().partition(" ")
    if cpu.get("quota") and not cpu.get("period"):
        cpu["period"] = int(period or _DEFAULT_PERIOD)
    elif cpu.get("period") and not cpu.get("quota") and quota.isdigit():
        cpu["quota"] = int(quota)
    memory = dict(filled.get("memory") or {})
    if memory.get("limit") == -1 and not memory.get("swap"):
        memory["swap"] = -1
    return {**filled, **({"cpu": cpu} if cpu else {}), **({"memory": memory} if memory else {})}


def apply_write(fd: int, write: Write) -> None:
    """Make one change in a cgroup (borrowed): the first of the files that exists.  Raises: CgroupError."""
    for index, (name, value) in enumerate(write.choices):
        try:
            write_at(fd, name, value)
        except FileNotFoundError as error:
            if write.optional or index + 1 < len(write.choices):
                continue
            raise CgroupError(f'failed to write "{value}" to {name}: {reason(error)}') from error
        except OSError as error:
            raise CgroupError(f'failed to write "{value}" to {name}: {reason(error)}') from error
        return


def change_limits(container: Container, resources: "Mapping[str, Any]") -> None:
    """Write resources into a container's cgroup.  Raises: ConfigError, CgroupError."""
    fd = container.open_cgroup()
    facts = probe_facts(None)
    limits = compile_limits(fill_in(resources, _read(fd, "cpu.max")), facts.hugepage_sizes)
    if limits.violations:
        raise ConfigError("resources", limits.violations)
    controllers = _read(fd, "cgroup.controllers").split()
    writes = check_controllers(limits, controllers, container.cgroup_path(), facts.cgroup_hybrid)
    for write in writes:
        apply_write(fd, write)
    posix.close(fd)


def _read(fd: int, name: str) -> str:
    try:
        return read_at(fd, name).decode()
    except OSError:
        return ""


def execute(invocation: Invocation) -> int:
    """Change the limits.  Raises: OciError."""
    path = invocation.text("resources")
    container = find_for(invocation)
    resources = read_resources(path) if path else resources_of_flags(invocation)
    change_limits(container, resources)
    container.close()
    return 0
