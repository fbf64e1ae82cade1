"""policy show: a policy as it was written, or with --json as it is enforced: its layers."""

from runtime.commands.policy_call import PolicyCall
from runtime.launch.report import show
from runtime.policy.artefact import find_source, load_policy
from runtime.policy.built_in import builtin_names, builtin_text
from runtime.policy.trusted import DIRECTORY


def execute(call: PolicyCall) -> int:
    """Print one policy.  Raises: UsageError, PolicyError."""
    (word,) = call.positional(1)
    directory = call.invocation.policy_dir or DIRECTORY
    if call.switch("json"):
        found = load_policy(word, call.invocation.root, directory)
        call.say([], {"name": found.name, "hash": found.hash, "layers": found.layers})
    elif word in builtin_names():
        show(builtin_text(word))
    else:
        show(find_source(word, directory)[1])
    return 0
