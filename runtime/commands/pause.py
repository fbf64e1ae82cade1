"""pause: suspend all processes of a container."""

from runtime.commands.containers import open_container
from runtime.commands.freezing import set_frozen
from runtime.commands.invocation import Invocation
from runtime.errors import ContainerNotRunning


def execute(invocation: Invocation) -> int:
    """Freeze the container's cgroup.  Raises: ContainerNotRunning, CgroupError."""
    container = open_container(invocation.root, invocation.container_id())
    if container.status() not in ("running", "created"):
        raise ContainerNotRunning
    set_frozen(container, frozen=True)
    container.close()
    return 0
