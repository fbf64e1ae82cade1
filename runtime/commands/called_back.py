"""start, kill and delete when the front has handed over: several containers at once, or one whose state it cannot read."""

from runtime.commands.invocation import Invocation
from runtime.errors import LifecycleError, UsageError
from runtime.launch.front import become_front, front_arguments, run_front
from runtime.state.store import list_containers, load_container


def selected_ids(invocation: Invocation) -> list[str]:
    """The IDs that --regex's expression is found in, sorted.  Raises: UsageError."""
    import re

    pattern = invocation.arguments[0]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f'invalid regular expression "{pattern}": {error}') from None
    found = list_containers(invocation.root, invocation.report.warning)
    return [state.container_id for state, _status in found if expression.search(state.container_id)]


def run_each(invocation: Invocation, flags: list[str], tail: list[str]) -> int:
    """Run the verb for every selected container; 1 when one of them failed, each with its own error."""
    failed = False
    for container_id in selected_ids(invocation):
        words = [*flags, "--", container_id, *tail]
        arguments = front_arguments(invocation.root, invocation.report, invocation.verb, words)
        failed = run_front(invocation.exe_fd, arguments) != 0 or failed
    return 1 if failed else 0


def run_one(invocation: Invocation, flags: list[str], tail: list[str]) -> int:
    """Let the front do the verb for the one container that was named.

    Raises: OciError; LifecycleError when the front has already said that it cannot.
    """
    container_id = invocation.container_id()
    if invocation.switch("planned"):
        load_container(invocation.root, container_id)
        raise LifecycleError(f"state.json of {container_id} is not as create wrote it")
    words = [*flags, "--", container_id, *tail]
    become_front(invocation.exe_fd, front_arguments(invocation.root, invocation.report, invocation.verb, words))
    return 1
