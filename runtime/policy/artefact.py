"""HOT: a policy by name or file to its layers, compiled once: from the program itself, or from what an earlier call kept.

A kept policy is used when its own file and every file that it extends still have the content it was compiled from, and the compiler is
the same.  On a miss the compiler is loaded: seconds of work for people, never on the way of a second container.
"""

import posix
from marshal import dumps, loads

from runtime.errors import PolicyError
from runtime.policy.built_in import FORMAT, builtin_names, load_builtin
from runtime.policy.packed import pack_layers, unpack_layers
from runtime.policy.resolved import ABSENT, SUFFIXES, Resolved, is_file, wants_landlock, wants_limits
from runtime.policy.trusted import read_trusted
from runtime.state.kept import Kept, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

POLICIES = "@policies"
_MAGIC = b"postern policy 4\n"


def load_policy(word: str, root: str, directory: str, beside: str = "", asker: str = "") -> Resolved:
    """The policy that a word names: a built-in, or what `find_source` finds.

    `asker` is told where there is no such policy.  Raises: PolicyError.
    """
    if not word:
        raise PolicyError(['"" names no policy; none says on purpose that there is none'])
    found = None if is_file(word) else load_builtin(word)
    return found or _from_file(*find_source(word, directory, beside, asker), root, directory)


def find_source(word: str, directory: str, beside: str = "", asker: str = "") -> tuple[str, bytes]:
    """(path, content) of the file that a word names, relative to `beside` (default: the working directory), or of the file that
    the site's `policies` directory has for a name.

    Raises: PolicyError.
    """
    if is_file(word):
        paths = [word if word[:1] == "/" else f"{beside or posix.getcwd()}/{word}"]
    else:
        paths = [f"{directory}/policies/{word}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        data = read_trusted(path, directory)
        if data is not None:
            return path, data
    why = f"{paths[0]}: no such file" if is_file(word) else _nothing_called(word, directory)
    raise PolicyError([f"{asker}: {why}" if asker else why])


def _nothing_called(word: str, directory: str) -> str:
    from runtime.policy.names import nearest

    hint = nearest(word, builtin_names()) or "; postern policy list names what there is"
    return f'no policy is called "{word}": neither built in nor in {directory}/policies{hint}'


def _from_file(path: str, data: bytes, root: str, directory: str) -> Resolved:
    def compile_it() -> "dict[str, Any]":
        from runtime.policy.compiling import compile_artefact

        made = compile_artefact(path, directory)
        layers = made.pop("layers")
        return {**made, "wants": (wants_landlock(layers), wants_limits(layers)), "layers": pack_layers(layers)}

    own = digest(data)
    parts = (b"policy", path.encode("utf-8", "surrogateescape"), own.encode())
    artefact = kept_or_made(parts, root, directory, compile_it, {path: own})
    packed: bytes = artefact["layers"]
    return Resolved(artefact["name"], artefact["hash"], lambda: unpack_layers(packed), artefact["wants"])


def kept_or_made(
    parts: tuple[bytes, ...],
    root: str,
    directory: str,
    make: "Callable[[], dict[str, Any]]",
    known: "dict[str, str] | None" = None,
) -> "dict[str, Any]":
    """What was kept for these parts, while the `sources` it names are unchanged; else what `make` gives, which is kept.

    `known` are hashes of files that were just read.  Raises: PolicyError, and whatever `make` raises.
    """
    from runtime.policy import _builtins

    key = digest(dumps((FORMAT, _builtins.IDENTITY, directory, parts), 2))
    kept = Kept(root, POLICIES, _MAGIC)
    try:
        body = kept.get(key)
        artefact: dict[str, Any] | None = None if body is None else loads(body)  # noqa: S302 - ours alone, and whole
        if artefact is None or not _is_current(artefact["sources"], directory, known or {}):
            artefact = make()
            kept.put(key, dumps(artefact, 2))
    finally:
        kept.close()
    return artefact


def _is_current(sources: "list[list[str]]", directory: str, known: "dict[str, str]") -> bool:
    """Whether every file still has the content that was compiled.  Raises: PolicyError for one that is not to be trusted."""
    for path, compiled in sources:
        if path in known:
            if known[path] != compiled:
                return False
            continue
        data = read_trusted(path, directory)
        if (ABSENT if data is None else digest(data)) != compiled:
            return False
    return True
