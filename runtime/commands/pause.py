"""pause: suspend all processes of a container."""

from runtime.commands.containers import find_for
from runtime.commands.freezing import set_frozen
from runtime.commands.invocation import Invocation


def execute(invocation: Invocation) -> int:
    """Freeze the container's cgroup.  Raises: OciError."""
    container = find_for(invocation)
    set_frozen(container, frozen=True)
    container.close()
    return 0
