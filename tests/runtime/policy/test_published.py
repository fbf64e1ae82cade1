"""The JSON Schema and the reference of keys are those of the models, and the schema judges as the models do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from runtime.policy.build import BUILTIN
from runtime.policy.load import load_policy
from runtime.policy.normalise import normalise
from runtime.policy.published import MARK, PAGE, SCHEMA, main, reference, schema_text
from runtime.policy.schema import Policy
from tests.runtime.policy.test_load import VALUES

VALIDATOR = Draft202012Validator(json.loads(schema_text()))


def accepted(document: Any) -> bool:
    """Whether the JSON Schema takes it."""
    valid: bool = VALIDATOR.is_valid(document)
    return valid


def test_what_is_checked_in_is_current() -> None:
    """python -m runtime.policy.published writes both anew."""
    assert SCHEMA.read_text() == schema_text()
    _head, mark, rest = PAGE.read_text().partition(MARK)
    assert mark + rest == reference()
    assert main(["--check"]) == 0


def test_the_schema_is_a_schema() -> None:
    """It keeps to its own dialect, and every key says what it is for."""
    Draft202012Validator.check_schema(json.loads(schema_text()))
    assert [name for name, field in Policy.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("path", sorted(BUILTIN.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_the_built_in_policies(path: Path) -> None:
    """Short forms and all."""
    assert list(VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
def test_the_examples_of_the_page_are_policies(text: str) -> None:
    """Whatever somebody copies from there is taken, but for what is Kubernetes'."""
    if text.startswith("metadata:"):
        return
    named = text if "name:" in text.partition("\n\n")[0] else f"name: example\n{text}"
    loaded = load_policy(named.encode(), is_json=False)
    normalise(loaded, "example", "example")
    assert loaded.found == []


@given(st.dictionaries(st.sampled_from(list(Policy.model_fields)), VALUES, max_size=5))
@example({"version": -1})
@example({"extends": ""})
@example({"extends": [""]})
def test_the_schema_judges_shapes_as_the_models_do(document: dict[str, Any]) -> None:
    """What the models take the schema takes; what it refuses they refuse."""
    document["name"] = "x"
    loaded = load_policy(json.dumps(document).encode(), is_json=True)
    assert accepted(document) == (not loaded.found)
