"""policy check: every violation of policy files, each with its line; exit code 1 if there are any."""

from runtime.commands.invocation import absolute
from runtime.commands.policy_call import PolicyCall
from runtime.commands.policy_list import name_notes
from runtime.commands.policy_trial import refused_everywhere
from runtime.errors import PolicyError
from runtime.policy.artefact import find_source
from runtime.policy.built_in import load_builtin
from runtime.policy.choose import NONE
from runtime.policy.compiling import compile_artefact
from runtime.policy.resolved import is_file
from runtime.policy.site_file import broker_violations, examine_site, named_policies
from runtime.policy.trusted import DIRECTORY, read_trusted


def execute(call: PolicyCall) -> int:
    """Check each file; what is wrong goes to standard output, one line each.  Raises: UsageError."""
    directory = call.invocation.policy_dir or DIRECTORY
    found: list[str] = []
    notes: list[str] = []
    for word in call.positional(1, None):
        if word == "-":
            raise call.usage("- is no file: standard input is not read")
        if not word:
            raise call.usage("an empty word names no file")
        path = absolute(word)
        try:
            _check(path, directory)
        except PolicyError as error:
            found += [line.replace(path, word, 1) if line.startswith(path) else line for line in error.violations]
            continue
        notes += [f"{word}: note: {line}" for line in _notes(path, directory)]
    call.say([*found, *notes], {"violations": found, "notes": notes})
    return 1 if found else 0


def _notes(path: str, directory: str) -> list[str]:
    """What is no mistake, and yet perhaps not what was meant.  Raises: PolicyError."""
    return [] if path.endswith(".toml") else name_notes(path, read_trusted(path, directory) or b"", directory)


def _check(path: str, directory: str) -> None:
    """Raises: PolicyError."""
    if not path.endswith(".toml"):
        compile_artefact(path, directory, refused_everywhere)
        return
    data = read_trusted(path, directory)
    if data is None:
        raise PolicyError([f"{path}: no such file"])
    site, found = examine_site(data, path)
    found = sorted([*found, *broker_violations(data, path)])
    for word, where in named_policies(data, site, path):
        found += _named(word, where, path.rpartition("/")[0])
    if found:
        raise PolicyError(found)


def _named(word: str, where: str, directory: str) -> list[str]:
    """What is wrong with a policy that a config.toml names; what cannot be found is wrong in the config."""
    if word == NONE or (not is_file(word) and load_builtin(word) is not None):
        return []
    try:
        path, _ = find_source(word, directory, directory, where)
        compile_artefact(path, directory, refused_everywhere)
    except PolicyError as error:
        return error.violations
    return []
