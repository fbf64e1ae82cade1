"""policy check: every violation of policy files, each with its line; exit code 1 if there are any."""

from runtime.commands.invocation import absolute
from runtime.commands.policy_call import PolicyCall
from runtime.errors import PolicyError
from runtime.policy.compiling import compile_artefact
from runtime.policy.site_file import parse_site
from runtime.policy.trusted import DIRECTORY, read_trusted


def execute(call: PolicyCall) -> int:
    """Check each file; what is wrong goes to standard output, one line each.  Raises: UsageError."""
    directory = call.invocation.policy_dir or DIRECTORY
    found: list[str] = []
    for word in call.positional(1, None):
        path = absolute(word)
        try:
            _check(path, directory)
        except PolicyError as error:
            found += [line.replace(path, word, 1) if line.startswith(path) else line for line in error.violations]
    call.say(found, {"violations": found})
    return 1 if found else 0


def _check(path: str, directory: str) -> None:
    """Raises: PolicyError."""
    if not path.endswith(".toml"):
        compile_artefact(path, directory)
        return
    data = read_trusted(path, directory)
    if data is None:
        raise PolicyError([f"{path}: no such file"])
    parse_site(data, path)
