"""kill, for what the front has handed over: --regex, or a state file that it cannot read."""

from runtime.commands.called_back import run_each, run_one
from runtime.commands.invocation import Invocation


def execute(invocation: Invocation) -> int:
    """Send the signal.  Raises: OciError."""
    flags = ["--all"] if invocation.switch("all") else []
    run = run_each if invocation.switch("regex") else run_one
    return run(invocation, flags, invocation.arguments[1:])
