"""HOT: which policy holds for a container: what the operator, the annotation and the site ask for, all together.

- `--policy NAME|FILE` is the operator's word and may name anything; `none` asks for none.
- The annotation `io.postern.policy` comes with the container: it may name what the site's config.toml lists, and without one the
  built-in policies, which can only take away.
- Nothing asked for: the site's default.
- The site's floor holds in any case.

Where several hold, each is a layer of its own and none can lift what another forbids.
"""

import posix

from runtime.errors import PolicyError
from runtime.policy.artefact import kept_or_made, load_policy
from runtime.policy.built_in import builtin_names
from runtime.policy.resolved import Resolved
from runtime.policy.trusted import DIRECTORY, read_trusted
from runtime.state.kept import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ANNOTATION = "io.postern.policy"
NONE = "none"


def choose_policy(
    flag: str | None, annotations: "Mapping[str, str] | None", root: str, directory: str = ""
) -> Resolved | None:
    """The policy of a container that is about to be made; None when nobody asks for one.

    `flag` is what the command line asks for (a relative file: from the working directory), `annotations` are the container's, `root`
    is the state root that compiled policies are kept under, `directory` the site's own (default: /etc/postern).  Raises: PolicyError.
    """
    directory = directory or DIRECTORY
    site = load_site(root, directory)
    annotation = (annotations or {}).get(ANNOTATION)
    words: list[tuple[str, str, str]] = []  # and what a relative file lies beside, and who asks
    if flag is not None:
        words.append((flag, "", ""))
    if annotation is not None:
        _check_annotation(annotation, site)
        words.append((annotation, directory, f"annotation {ANNOTATION}"))
    if site is not None:
        if not words and site["default"] is not None:
            words.append((site["default"], directory, f"{directory}/config.toml: default"))
        words += [(word, directory, f"{directory}/config.toml: floor") for word in site["floor"]]
    found = [load_policy(word, root, directory, beside, asker) for word, beside, asker in words if word != NONE]
    return combine(found) if found else None


def _check_annotation(word: str, site: "dict[str, Any] | None") -> None:
    """Raises: PolicyError when the annotation names what it may not."""
    allowed: list[str] | None = None if site is None else site["annotation"]
    if allowed is None:
        allowed = builtin_names()
    if word not in allowed:
        raise PolicyError(
            [f'annotation {ANNOTATION}: "{word}" may not be chosen, only {", ".join(allowed) or "none at all"}']
        )


def combine(found: list[Resolved]) -> Resolved:
    """Several policies as one that has all their layers, each once."""
    if len(found) == 1:
        return found[0]

    def merge() -> "list[dict[str, Any]]":
        layers: list[dict[str, Any]] = []
        for policy in found:
            layers += [layer for layer in policy.layers if layer not in layers]
        return layers

    name = "+".join(dict.fromkeys([policy.name for policy in found]))
    whole = digest(" ".join([policy.hash for policy in found]).encode())
    wants = any(policy.landlock for policy in found), any(policy.limits for policy in found)
    return Resolved(name, whole, merge, wants)


def load_site(root: str, directory: str) -> "dict[str, Any] | None":
    """What the site's config.toml says: `default` (or None), `annotation` (a list, None: not said), `floor`; None without one.

    Raises: PolicyError.
    """
    path = f"{directory}/config.toml"
    data = read_trusted(path, directory)
    if data is None:
        _check_nothing(directory, path)
        return None

    def compile_it() -> "dict[str, Any]":
        from runtime.policy.site_file import parse_site

        return {"sources": [], **parse_site(data, path)}

    return kept_or_made((b"site", data), root, directory, compile_it)


def _check_nothing(*paths: str) -> None:
    """Links that lead to nothing: whoever made them wanted a config, which may only not be mounted yet.  Raises: PolicyError."""
    for path in paths:
        try:
            target = posix.readlink(path)
        except OSError:
            continue  # no link, or not there at all
        if not posix.access(path, posix.F_OK):
            raise PolicyError([f"{path}: links to {target}, which is not there"])
