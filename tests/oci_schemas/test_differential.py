"""The models judge documents as the OCI's own JSON Schemas do, but for the listed differences.

Both judges look at every document of `changes`.
The OCI's schemas are data from outside: without them the tests skip.
"""

import functools
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
from pydantic import BaseModel, ValidationError
from referencing.jsonschema import DRAFT4

from oci_schemas.config import Config
from oci_schemas.features import Features
from oci_schemas.state import State
from tests.oci_schemas.changes import Case, cases, reduced
from tests.oci_schemas.differences import DIFFERENCES, Difference
from tests.oci_schemas.documents import DOCUMENTS

_SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "oci-schema"
_MODELS: dict[str, type[BaseModel]] = {"config": Config, "state": State, "features": Features}


def _validators() -> dict[str, jsonschema.Draft4Validator]:
    files = sorted(_SCHEMAS.glob("*.json"))
    if not files:
        pytest.skip(f"the OCI's JSON Schemas are not in {_SCHEMAS}")
    resources = [(file.name, DRAFT4.create_resource(json.loads(file.read_text()))) for file in files]
    registry: Any = referencing.Registry().with_resources(resources)
    return {name: jsonschema.Draft4Validator({"$ref": f"{name}-schema.json"}, registry=registry) for name in _MODELS}


def _accepted(name: str, document: Any) -> bool:
    try:
        _MODELS[name].model_validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


@functools.cache
def _disagreements() -> dict[Case, str]:
    """What the models do where the OCI's schemas do the opposite."""
    validators = _validators()
    verdicts = {}
    for case, document in cases():
        changed = reduced(document, DOCUMENTS[case[0]])
        ours = _accepted(case[0], changed)
        if ours != validators[case[0]].is_valid(changed):
            verdicts[case] = "accepts" if ours else "refuses"
    return verdicts


def _covers(difference: Difference, case: Case, verdict: str) -> bool:
    document, change, place = case
    return (
        difference.ours == verdict
        and fnmatchcase(document, difference.document)
        and any(fnmatchcase(change, pattern) for pattern in difference.changes)
        and any(fnmatchcase(place, pattern) for pattern in difference.places)
    )


@pytest.mark.parametrize("name", sorted(_MODELS))
def test_both_accept_the_complete_document(name: str) -> None:
    """The document that the others are made from is valid for both judges, so every change counts."""
    errors = list(_validators()[name].iter_errors(DOCUMENTS[name]))
    assert errors == []
    assert _accepted(name, DOCUMENTS[name])


def test_every_difference_is_listed() -> None:
    """A verdict that differs from the OCI's without a listed cause is a mistake in the models."""
    unlisted = {
        case: verdict
        for case, verdict in _disagreements().items()
        if not any(_covers(difference, case, verdict) for difference in DIFFERENCES)
    }
    assert unlisted == {}


def test_every_listed_difference_exists() -> None:
    """A listed difference that is gone leaves the list, down to each pattern of each row."""
    found = _disagreements()
    gone = [
        (change, place, difference.cause)
        for difference in DIFFERENCES
        for change in difference.changes
        for place in difference.places
        if not any(
            _covers(difference._replace(changes=(change,), places=(place,)), case, verdict)
            for case, verdict in found.items()
        )
    ]
    assert gone == []
