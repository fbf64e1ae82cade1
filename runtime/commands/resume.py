"""resume: let all processes of a paused container go on."""

from runtime.commands.containers import open_container
from runtime.commands.freezing import set_frozen
from runtime.commands.invocation import Invocation
from runtime.errors import LifecycleError


def execute(invocation: Invocation) -> int:
    """Thaw the container's cgroup.  Raises: LifecycleError in runc's words, CgroupError."""
    container = open_container(invocation.root, invocation.container_id())
    if container.status() != "paused":
        raise LifecycleError("container not paused")
    set_frozen(container, frozen=False)
    container.close()
    return 0
