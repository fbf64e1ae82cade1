"""policy list: the policies that have a name: those of the program and the site's."""

import posix

from runtime.commands.policy_call import PolicyCall
from runtime.errors import SyscallError
from runtime.launch.report import one_line, reason
from runtime.policy.built_in import builtin_names, builtin_text
from runtime.policy.load import load_policy
from runtime.policy.resolved import SUFFIXES
from runtime.policy.trusted import DIRECTORY, read_trusted


def execute(call: PolicyCall) -> int:
    """List them.  Raises: UsageError, PolicyError, SyscallError."""
    call.positional(0)
    directory = call.invocation.policy_dir or DIRECTORY
    rows = [
        {"name": name, "source": "built in", "description": _description(builtin_text(name), is_json=False)}
        for name in builtin_names()
    ]
    for path in _site_files(f"{directory}/policies"):
        name = path.rpartition("/")[2].rpartition(".")[0]
        data = read_trusted(path, directory)
        description = _description(data or b"", is_json=path.endswith(".json"))
        notes = name_notes(path, data or b"", directory)
        rows.append({"name": name, "source": path, "description": "; ".join([description, *notes])})
    width = max(len(row["name"]) for row in rows)
    call.say([one_line(f"{row['name']:<{width}}  {row['description']}  ({row['source']})") for row in rows], rows)
    return 0


def name_notes(path: str, data: bytes, directory: str) -> list[str]:
    """What is surprising about the name of a policy file of the site: by its name it is not found, or it calls itself otherwise."""
    above, _, file = path.rpartition("/")
    name = file.rpartition(".")[0]
    if above != f"{directory}/policies":
        return []
    notes = []
    if name in builtin_names():
        notes.append(f"the built-in {name} is taken by that name, this one only by its path")
    loaded = load_policy(data, is_json=path.endswith(".json"))
    if loaded.policy is not None and not loaded.found and loaded.policy.name != name:
        notes.append(f"is called {loaded.policy.name} in logs, chosen as {name}")
    return notes


def _description(data: bytes, *, is_json: bool) -> str:
    loaded = load_policy(data, is_json=is_json)
    return loaded.policy.description if loaded.policy is not None else "cannot be read: see postern policy check"


def _site_files(directory: str) -> list[str]:
    try:
        names = sorted(posix.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SyscallError(f"open {directory}", error.errno or 0, reason(error)) from None
    return [f"{directory}/{name}" for name in names if name.endswith(SUFFIXES)]
