"""Writes `schema/*.json`: JSON Schemas (draft 2020-12) of the documents, for editors and for checking by hand.

They say what the models' types say; what `rules` adds, no JSON Schema expresses.
Cold: part of the build step.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_texts(
    documents: Mapping[str, type[BaseModel]], generator: type[GenerateJsonSchema] = GenerateJsonSchema
) -> dict[str, str]:
    """The text of each schema file, by file name."""
    return {f"{name}.json": _text(model, generator) for name, model in documents.items()}


def _text(model: type[BaseModel], generator: type[GenerateJsonSchema]) -> str:
    schema = {"$schema": _DIALECT, **_tidied(model.model_json_schema(by_alias=True, schema_generator=generator))}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _tidied(value: Any) -> Any:
    """Without the titles and null defaults that pydantic adds, and with descriptions on one line.

    Only keywords are touched: a property that happens to be called "title" stays.
    """
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidy: dict[str, Any] = {}
    for key, item in value.items():
        if key == "title" or (key == "default" and item is None):
            continue
        if key in ("properties", "$defs"):
            tidy[key] = {name: _tidied(inner) for name, inner in item.items()}
        elif key == "description":
            tidy[key] = " ".join(item.split())
        else:
            tidy[key] = _tidied(item)
    return tidy
