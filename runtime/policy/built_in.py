"""HOT: the policies that are part of the program, compiled when it was built."""

from marshal import loads

from runtime.policy.resolved import Resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 2  # of a resolved policy


def builtin_names() -> list[str]:
    """The names of the policies that need no file."""
    from runtime.policy import _builtins

    return list(_builtins.POLICIES)


def load_builtin(name: str) -> Resolved | None:
    """The built-in policy of this name, None when there is none."""
    from runtime.policy import _builtins

    found = _builtins.POLICIES.get(name)
    return Resolved(name, found[0], lambda: _layers(name), found[1:]) if found else None


def _layers(name: str) -> "list[dict[str, Any]]":
    from runtime.policy import _builtin_layers

    layers: list[dict[str, Any]] = loads(_builtin_layers.LAYERS[name])  # noqa: S302 - written by the build
    return layers


def builtin_text(name: str) -> bytes:
    """A built-in policy as it was written.  Raises: KeyError."""
    from runtime.policy import _builtin_texts

    text: bytes = _builtin_texts.TEXTS[name]
    return text
