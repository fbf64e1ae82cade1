"""resume: let all processes of a paused container go on."""

from runtime.commands.containers import find_for
from runtime.commands.freezing import set_frozen
from runtime.commands.invocation import Invocation


def execute(invocation: Invocation) -> int:
    """Thaw the container's cgroup.  Raises: OciError."""
    container = find_for(invocation)
    set_frozen(container, frozen=False)
    container.close()
    return 0
