"""Two ways from bytes to checked data: the hot loader, and the whole models; tests compare them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from oci_schemas import validate
from oci_schemas.config import Config
from oci_schemas.config_process import Process
from oci_schemas.config_resources import Resources
from oci_schemas.document import plain
from oci_schemas.explain import violations_of
from oci_schemas.state import State

Verdict = tuple[dict[str, Any] | None, list[tuple[str, str]]]  # the data, or the violations

HOT: Mapping[str, Callable[[bytes], Any]] = {
    "config": validate.load_config,
    "process": validate.load_process,
    "resources": validate.load_resources,
    "state": validate.load_state,
}
MODELS: Mapping[str, type[BaseModel]] = {"config": Config, "process": Process, "resources": Resources, "state": State}


def load_hot(name: str, data: bytes) -> Verdict:
    """What the hot loader says."""
    try:
        return HOT[name](data), []
    except validate.Invalid as error:
        return None, error.violations


def load_full(name: str, data: bytes) -> Verdict:
    """What pydantic says with the models."""
    try:
        return plain(MODELS[name].model_validate_json(data)), []
    except ValidationError as error:
        return None, violations_of(error)


def as_json(value: object) -> bytes:
    """JSON text as the standard library writes it."""
    return json.dumps(value).encode()


def violations(name: str, document: object) -> dict[str, str]:
    """Pointer -> message of what the hot loader finds wrong with `document`."""
    return dict(load_hot(name, as_json(document))[1])
