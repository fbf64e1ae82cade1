"""HOT: bytes of an OCI document to checked plain data, or every violation with its JSON pointer.

pydantic-core validates with the schemas that the build step compiled from the models, then `rules` adds the checks that
no schema expresses. The result has the specification's names; what the document does not give is absent, what it gives
as null is None (both mean "not given"), properties that nobody knows are dropped.
When nothing was compiled, or for another pydantic-core, the schemas are made from the models on the spot: slow, same
result. Explaining a bad document is slow too and lies in `explain`.
Built-in modules only.
"""

from marshal import loads as unmarshal

from oci_schemas import rules
from oci_schemas.extension import load_extension
from oci_schemas.json_text import dumps, loads
from oci_schemas.patterns import check_patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from oci_schemas._types import Config, Process, Resources, State

    Check = Callable[[dict[str, Any], rules.Pointer, rules.Found], None]

    _compiled: ModuleType | None
else:
    try:
        from oci_schemas import _compiled
    except ImportError:  # not built
        _compiled = None

__all__ = ["Invalid", "dumps", "load_config", "load_process", "load_resources", "load_state", "loads"]

_SETTINGS = {"cache_strings": "none"}  # the cache's pages cost more than one document can gain from it
_NUL_ESCAPE = b"\\u0000"  # JSON has no other way to write a NUL character


class Invalid(Exception):
    """A document breaks its specification.

    `violations` is a list of (JSON pointer, message), sorted by place; the pointer of the whole document is "". `str()` gives all of them on one line.
    """

    def __init__(self, violations: "list[tuple[str, str]]") -> None:
        self.violations = violations
        super().__init__(
            "; ".join([f"{pointer}: {message}" if pointer else message for pointer, message in violations])
        )


def load_config(data: bytes) -> "Config":
    """The checked content of a config.json.

    Raises: Invalid.
    """
    config: Config = _load("config", data, rules.check_config)
    return config


def load_process(data: bytes) -> "Process":
    """The checked content of a process document (`exec --process`).

    Raises: Invalid.
    """
    process: Process = _load("process", data, rules.check_process)
    return process


def load_resources(data: bytes) -> "Resources":
    """The checked content of a resources document (`update --resources`).

    Raises: Invalid.
    """
    resources: Resources = _load("resources", data, rules.check_resources)
    return resources


def load_state(data: bytes) -> "State":
    """The checked content of a container's state.

    Raises: Invalid.
    """
    state: State = _load("state", data, rules.check_state)
    return state


def _load(name: str, data: bytes, check: "Check") -> "Any":
    core, schema, patterns = _compiled_schema(name)

    def check_all(value: "dict[str, Any]", found: "rules.Found") -> None:
        check_patterns(value, patterns, (), found)
        check(value, (), found)
        if _NUL_ESCAPE in data:
            rules.check_text(value, (), found)

    try:
        value = core.SchemaValidator(schema, _SETTINGS).validate_json(data)
    except core.ValidationError as error:
        from oci_schemas.explain import explain_error  # cold: only a bad document pays for it

        raise Invalid(explain_error(error, data, schema, check_all)) from None
    found: rules.Found = []
    check_all(value, found)
    if found:
        from oci_schemas.explain import format_found  # cold

        raise Invalid(format_found(found))
    return value


def _compiled_schema(name: str) -> "tuple[ModuleType, Any, Any]":
    """pydantic-core's extension, the schema and the pattern tree for it; made from the models when none fits."""
    core = load_extension()
    if _compiled is not None and core.__version__ == _compiled.CORE_VERSION:
        # written by our own build step, beside this module
        return core, unmarshal(_compiled.SCHEMAS[name]), unmarshal(_compiled.PATTERNS[name])  # noqa: S302
    from oci_schemas.build import compile_schemas  # cold: imports pydantic and the models

    schemas, patterns = compile_schemas()
    return core, schemas[name], patterns[name]
