"""run: create and start in one; in the foreground its exit code is the process's."""

from runtime.commands.invocation import Invocation
from runtime.commands.launching import launch


def execute(invocation: Invocation) -> int:
    """Become the executor of the container's plan.  Raises: OciError."""
    invocation.report.prefix = "runc run failed: "
    return launch(invocation, "RUN")
