"""create: everything but the user's process; returns when init waits for start."""

from runtime.commands.invocation import Invocation
from runtime.commands.launching import launch


def execute(invocation: Invocation) -> int:
    """Become the executor of the container's plan.  Raises: OciError."""
    invocation.report.prefix = "runc create failed: "
    return launch(invocation, "CREATE")
