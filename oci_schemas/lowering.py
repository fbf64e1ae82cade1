"""Turns the core schemas of pydantic models into plain data that pydantic-core can load without pydantic.

A `model` node becomes a `typed-dict` node, so that the result is a plain dict without a class behind it; a property
that is absent stays absent instead of getting its default; documentation, serialisers and references go.
What cannot be expressed so, a Python function or a model that contains itself, is an error, never dropped, with one
exception: the validator of `Document`, whose checks the hot loader calls itself.
Cold: part of the build step. Knows nothing of the OCI models; any pydantic models will do.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from oci_schemas.document import Document
from oci_schemas.patterns import TWINS

Node = dict[str, Any]

# What a node of each type may carry into the compiled schema; "metadata", "ref" and "serialization" never go along.
_KEPT = {
    "str": ("strict", "min_length", "max_length", "pattern"),
    "int": ("strict", "ge", "le", "gt", "lt", "multiple_of"),
    "float": ("strict", "ge", "le", "gt", "lt", "multiple_of", "allow_inf_nan"),
    "bool": ("strict",),
    "any": (),
    "none": (),
    "literal": ("expected",),
    "list": ("strict", "min_length", "max_length"),
    "dict": ("strict", "min_length", "max_length"),
    "nullable": ("strict",),
}
_CHILDREN = {"list": ("items_schema",), "dict": ("keys_schema", "values_schema"), "nullable": ("schema",)}
_DROPPED = {"type", "metadata", "ref", "serialization"}
_DROPPED_MODEL = {"cls", "config", "custom_init", "root_model", "schema", "generic_origin"} | _DROPPED


class LoweringError(Exception):
    """A model uses something that has no plain form; the text names the place."""


class Lowering:
    """Lowers models one after the other; `objects` collects the typed-dict of each, by model name, inner ones first."""

    def __init__(self) -> None:
        self.objects: dict[str, Node] = {}
        self._definitions: dict[str, Node] = {}
        self._open: list[str] = []
        self._trees: dict[int, Any] = {}

    def lower_model(self, model: type[BaseModel]) -> Node:
        """The plain core schema of `model`; nodes of the same model are the same dict object.

        Raises: LoweringError.
        """
        return self._lower(model.__pydantic_core_schema__, model.__name__)

    def split_patterns(self) -> dict[str, Any]:
        """Take every pattern that has a twin out of `objects`; the pattern tree of each, by model name.

        Done once, after the last model: the nodes that `lower_model` returned change.
        """
        return {name: _split_patterns(schema, self._trees) for name, schema in self.objects.items()}

    def _lower(self, node: Mapping[str, Any], at: str) -> Node:
        kind = node["type"]
        if kind == "definitions":
            self._definitions.update({d["ref"]: d for d in node["definitions"]})
            return self._lower(node["schema"], at)
        if kind == "definition-ref":
            return self._lower(self._definitions[node["schema_ref"]], at)
        if kind == "function-after":
            return self._lower_checked(node, at)
        if kind == "model":
            return self._lower_object(node, at)
        if kind == "default":
            return self._lower(node["schema"], at)
        return self._lower_plain(node, kind, at)

    def _lower_plain(self, node: Mapping[str, Any], kind: str, at: str) -> Node:
        if kind not in _KEPT:
            msg = f"{at}: a {kind} schema has no plain form"
            raise LoweringError(msg)
        children = _CHILDREN.get(kind, ())
        unknown = node.keys() - _DROPPED - set(_KEPT[kind]) - set(children)
        if unknown:
            msg = f"{at}: {kind} with {', '.join(sorted(unknown))} has no plain form"
            raise LoweringError(msg)
        lowered: Node = {"type": kind}
        lowered.update({name: node[name] for name in _KEPT[kind] if name in node})
        lowered.update({name: self._lower(node[name], f"{at}[]") for name in children if name in node})
        return lowered

    def _lower_checked(self, node: Mapping[str, Any], at: str) -> Node:
        """A validator written in Python; only that of `Document` may be left to the hot loader."""
        function = node["function"]["function"]
        if getattr(function, "__func__", function) is not Document.obey_rules:
            msg = f"{at}: the Python validator {getattr(function, '__qualname__', function)} has no plain form"
            raise LoweringError(msg)
        return self._lower(node["schema"], at)

    def _lower_object(self, node: Mapping[str, Any], at: str) -> Node:
        name: str = node["cls"].__name__
        if name in self._open:
            msg = f"{at}: {name} contains itself"
            raise LoweringError(msg)
        if name in self.objects:
            return self.objects[name]
        unknown = node.keys() - _DROPPED_MODEL
        inner = node["schema"]
        if unknown or node.get("root_model") or node.get("custom_init") or inner["type"] != "model-fields":
            msg = f"{at}: {name} is not an ordinary model {sorted(unknown)}"
            raise LoweringError(msg)
        extra = (node.get("config") or {}).get("extra_fields_behavior", "ignore")
        self._open.append(name)
        fields = dict(self._lower_field(key, field, name) for key, field in inner["fields"].items())
        self._open.pop()
        lowered: Node = {"type": "typed-dict", "fields": fields}
        if extra != "ignore":
            lowered["extra_behavior"] = extra
        self.objects[name] = lowered
        return lowered

    def _lower_field(self, key: str, field: Mapping[str, Any], owner: str) -> tuple[str, Node]:
        """A property under the name that the JSON text has; it is required unless the model gives a default."""
        name = field.get("validation_alias", key)
        if not isinstance(name, str) or field.get("serialization_alias", name) != name:
            msg = f"{owner}.{key}: one name for reading and writing is needed"
            raise LoweringError(msg)
        required = field["schema"]["type"] != "default"
        lowered = self._lower(field["schema"], f"{owner}.{key}")
        return name, {"type": "typed-dict-field", "schema": lowered, "required": required}


def _split_patterns(node: Node, trees: dict[int, Any]) -> Any:
    """Take the patterns out of `node`; their tree, None when it has none. `trees` remembers shared nodes."""
    if id(node) in trees:
        return trees[id(node)]
    kind = node["type"]
    tree: Any = None
    if kind == "str" and node.get("pattern") in TWINS:
        tree = node.pop("pattern")
    elif kind == "nullable":
        tree = _split_patterns(node["schema"], trees)
    elif kind == "list" and "items_schema" in node:
        inner = _split_patterns(node["items_schema"], trees)
        tree = [inner] if inner is not None else None
    elif kind == "dict" and "values_schema" in node:
        inner = _split_patterns(node["values_schema"], trees)
        tree = (inner,) if inner is not None else None
    elif kind == "typed-dict":
        found = {name: _split_patterns(field["schema"], trees) for name, field in node["fields"].items()}
        tree = {name: inner for name, inner in found.items() if inner is not None} or None
    trees[id(node)] = tree
    return tree
