"""policy compile: compile a policy and keep it below the state root; with -o write what came out as JSON."""

import posix

from oci_schemas.json_text import dumps
from runtime.commands.policy_call import PolicyCall
from runtime.errors import SyscallError
from runtime.launch.report import reason, show
from runtime.policy.artefact import load_policy
from runtime.policy.trusted import DIRECTORY


def execute(call: PolicyCall) -> int:
    """Compile one policy.  Raises: UsageError, PolicyError, SyscallError."""
    (word,) = call.positional(1)
    found = load_policy(word, call.invocation.root, call.invocation.policy_dir or DIRECTORY)
    output = call.text("output")
    if output is not None:
        write_document(output, dumps({"name": found.name, "hash": found.hash, "layers": found.layers}, "  ") + b"\n")
    if output != "-":
        layers = f"{len(found.layers)} layer{'' if len(found.layers) == 1 else 's'}"
        call.say([f"{found.name}: {layers}, {found.hash}"], {"name": found.name, "hash": found.hash})
    return 0


def write_document(path: str, data: bytes) -> None:
    """Write a document to a file, or with - to standard output.  Raises: SyscallError."""
    if path == "-":
        show(data)
        return
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644)
        try:
            while data:
                data = data[posix.write(fd, data) :]
        finally:
            posix.close(fd)
    except OSError as error:
        raise SyscallError(f"write {path}", error.errno or 0, reason(error)) from None
