"""policy check: every violation of policy files, each with its line; exit code 1 if there are any."""

from runtime.commands.invocation import absolute
from runtime.commands.policy_call import PolicyCall
from runtime.errors import PolicyError
from runtime.policy.artefact import find_source
from runtime.policy.built_in import load_builtin
from runtime.policy.choose import NONE
from runtime.policy.compiling import compile_artefact
from runtime.policy.site_file import parse_site
from runtime.policy.trusted import DIRECTORY, is_file, read_trusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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
        compile_artefact(path, directory, judge=True)
        return
    data = read_trusted(path, directory)
    if data is None:
        raise PolicyError([f"{path}: no such file"])
    _check_words(parse_site(data, path), path)


def _check_words(site: "dict[str, Any]", path: str) -> None:
    """Every policy that a config.toml names must be there and be sound.  Raises: PolicyError."""
    directory = path.rpartition("/")[0]
    found: list[str] = []
    words = [site["default"] or NONE, *(site["annotation"] or ()), *site["floor"]]
    for word in dict.fromkeys(words):
        try:
            if word != NONE and (is_file(word) or load_builtin(word) is None):
                compile_artefact(find_source(word, directory, directory)[0], directory)
        except PolicyError as error:
            found += error.violations
    if found:
        raise PolicyError(found)
