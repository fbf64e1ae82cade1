"""The build step: what is checked in is what the models generate, and every property is covered by the tests."""

import contextlib
import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from oci_schemas import build
from tests.oci_schemas.changes import cases, reduced
from tests.oci_schemas.documents import DOCUMENTS


def test_the_checked_in_files_are_those_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    """`_types.py` and `schema/*.json`."""
    assert build.main(["--types", "--json-schema", "--check"]) == 0, capsys.readouterr().err


def test_a_stale_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check fails and says which file it is."""
    monkeypatch.setattr(build, "HERE", tmp_path)
    assert build.main(["--types", "--json-schema"]) == 0
    assert build.main(["--types", "--json-schema", "--check"]) == 0
    (tmp_path / "schema" / "state.json").write_text("{}", encoding="utf-8")
    (tmp_path / "_types.py").unlink()
    assert build.main(["--types", "--json-schema", "--check"]) == 1
    message = capsys.readouterr().err
    assert "schema/state.json is not what the models generate" in message
    assert "_types.py is not" in message
    assert "config.json" not in message


def test_the_compiled_module_goes_where_it_is_told(tmp_path: Path) -> None:
    """And nothing else does."""
    assert build.main(["--out", str(tmp_path / "new")]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["_compiled.py"]


def test_check_alone_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """There would be nothing to compare."""
    with pytest.raises(SystemExit) as caught:
        build.main(["--check"])
    assert caught.value.code == 2
    assert "--check needs" in capsys.readouterr().err


def _untested(schema: dict[str, Any], value: Any, at: str) -> list[str]:
    """The properties of `schema` that `value` does not have."""
    kind = schema["type"]
    if kind == "nullable":
        return _untested(schema["schema"], value, at)
    if kind == "list":
        return [name for item in value[:1] for name in _untested(schema["items_schema"], item, at)]
    if kind == "dict":
        return [name for item in list(value.values())[:1] for name in _untested(schema["values_schema"], item, at)]
    if kind != "typed-dict":
        return []
    missing = [f"{at}/{name}" for name in schema["fields"] if name not in value]
    present = [(name, field["schema"]) for name, field in schema["fields"].items() if name in value]
    return missing + [path for name, inner in present for path in _untested(inner, value[name], f"{at}/{name}")]


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_test_documents_have_every_property(name: str) -> None:
    """A property that is added to a model must be added to the documents that the tests change."""
    roots = {**build.HOT, **build.PUBLISHED}
    schemas, _ = build.compile_schemas({name: roots[name]})
    assert _untested(schemas[name], DOCUMENTS[name], "") == []


@pytest.mark.parametrize("name", ["config", "state", "features"])
def test_the_published_json_schemas_accept_the_complete_documents(name: str) -> None:
    """They are valid JSON Schemas, and say no less than the models allow."""
    schema = json.loads((build.HERE / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(DOCUMENTS[name])) == []
    assert not validator.is_valid({})


def test_the_published_json_schemas_refuse_nothing_that_the_models_accept() -> None:
    """They say what the types say; what only the rules refuse, they let pass."""
    validators = {
        name: jsonschema.Draft202012Validator(json.loads((build.HERE / "schema" / f"{name}.json").read_text()))
        for name in ("config", "state", "features")
    }
    refused = []
    for case, document in itertools.islice(cases(), 0, None, 7):
        part = reduced(document, DOCUMENTS[case[0]])
        if not validators[case[0]].is_valid(part):
            with contextlib.suppress(ValidationError):
                build.PUBLISHED[case[0]].model_validate_json(json.dumps(part))
                refused.append(case)
    assert refused == []
