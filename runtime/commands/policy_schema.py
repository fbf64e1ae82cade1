"""policy schema: the JSON Schema of policy files, for editors and for programs that write policies."""

from runtime.commands.policy_call import PolicyCall
from runtime.launch.report import encode, show
from runtime.policy.published import schema_text


def execute(call: PolicyCall) -> int:
    """Print it.  Raises: UsageError."""
    call.positional(0)
    show(encode(schema_text()))
    return 0
