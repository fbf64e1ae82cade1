"""policy import: a policy made of somebody else's profile; what it could not say goes to stderr, one line each."""

import posix

from runtime.commands.policy_call import PolicyCall
from runtime.commands.policy_compile import write_document
from runtime.commands.policy_trial import refused_everywhere
from runtime.errors import PolicyError, SyscallError
from runtime.launch.report import encode, one_line, reason
from runtime.policy.compiling import compile_artefact
from runtime.policy.importing import import_text
from runtime.policy.trusted import DIRECTORY, MAX_BYTES

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


def execute(call: PolicyCall) -> int:
    """Convert one profile.  Raises: UsageError, PolicyError, SyscallError."""
    (path,) = call.positional(1)
    output = call.text("output") or "-"
    if output != "-" and _is_same(path, output):
        raise call.usage(f"-o {output} is the profile itself")
    text, lost = import_text(_read(path), path, call.text("name") or _name_of(path))
    lost = [*lost, *(f"policy check refuses what was made of it: {line}" for line in _refused(encode(text)))]
    for line in lost:
        posix.write(2, encode(one_line(f"{path}: {line}") + "\n"))
    write_document(output, encode(text))
    return 0


def _is_same(path: str, output: str) -> bool:
    try:
        here, there = posix.stat(path), posix.stat(output)
    except OSError:
        return False  # whichever is not there is no other file's content
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _refused(text: bytes) -> list[str]:
    """Why no container could be started under what was made: a profile that was meant for another runtime's last steps, say."""
    fd = posix.memfd_create("imported", posix.MFD_CLOEXEC)
    path = f"/proc/self/fd/{fd}"
    try:
        posix.fchmod(fd, 0o600)
        posix.write(fd, text)
        compile_artefact(path, DIRECTORY, refused_everywhere)
    except PolicyError as error:
        return [line.replace(f"{path}:", "line ", 1) for line in error.violations]
    finally:
        posix.close(fd)
    return []


def _read(path: str) -> bytes:
    """A profile from anywhere: it decides nothing until somebody has read what was made of it.  Raises: SyscallError."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY)
        try:
            parts: list[bytes] = []
            while (part := posix.read(fd, 1 << 16)) and len(parts) <= MAX_BYTES >> 16:
                parts.append(part)
        finally:
            posix.close(fd)
    except OSError as error:
        raise SyscallError(f"open {path}", error.errno or 0, reason(error)) from None
    return b"".join(parts)


def _name_of(path: str) -> str:
    """The file's name without its ending, as far as a policy can be called so."""
    stem = path.rpartition("/")[2].partition(".")[0].lower()
    name = "".join(character if character in _NAME else "-" for character in stem).strip("-._")
    return name[:63] or "imported"
