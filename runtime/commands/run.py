"""run: create and start in one; in the foreground its exit code is the process's."""

from runtime.commands.invocation import Invocation
from runtime.commands.launching import launch


def execute(invocation: Invocation) -> int:
    """Become the executor of the container's plan.  Raises: OciError."""
    invocation.report.prefix = "runc run failed: "
    if invocation.switch("explain-denials"):
        from runtime.commands.explaining import run_explained

        return run_explained(invocation)
    return launch(invocation, "RUN")
