"""Turns pydantic models into the structural OpenAPI schemas that a CustomResourceDefinition needs.

pydantic writes JSON Schema; Kubernetes takes a strict subset of OpenAPI v3 (inlined, one type a field, no titles).
Any keyword that is not known to be allowed raises, so that nothing is dropped unnoticed.
Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

import copy
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT: Final = frozenset(
    {
        "description", "type", "format", "enum", "pattern", "required",
        "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "minProperties", "maxProperties",
    }
)  # fmt: skip
# A default in the schema would be drift to a GitOps tool; defaults stand in descriptions and status.run.effective.
_DROPPED: Final = frozenset({"title", "$defs", "default"})
_LEAF: Final = "x-kubernetes-leaf"
_RENDERED: Final = "x-kubernetes-rendered"
_ANYTHING: Final = "x-kubernetes-anything"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"


class SchemaError(Exception):
    """A model uses something that a structural schema cannot say; the message names the field and the keyword."""


def render_schema(model: type[BaseModel]) -> Schema:
    """The structural schema of a model; raises SchemaError where it has none."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}), model.__name__)


def _convert(node: Schema, defs: Schema, path: str) -> Schema:
    node = _fold_optional(_inline(node, defs), defs)
    if _RENDERED in node:
        return {**node[_RENDERED], "description": node["description"]}
    if node.pop(_ANYTHING, False):
        return _open(node)
    if node.pop(_LEAF, False):
        return _leaf(node)
    if node.get(_INT_OR_STRING):
        node.pop("anyOf", None)
    converted = (_convert_keyword(keyword, value, defs, path) for keyword, value in node.items())
    return {keyword: value for keyword, value in converted if keyword not in _DROPPED}


def _convert_keyword(keyword: str, value: Any, defs: Schema, path: str) -> tuple[str, Any]:
    if keyword == "const":
        return "enum", [value]
    if keyword == "properties":
        return keyword, {name: _convert(child, defs, f"{path}.{name}") for name, child in value.items()}
    if keyword == "items":
        return keyword, _convert(value, defs, f"{path}[]")
    if keyword == "additionalProperties" and value is True:
        return "x-kubernetes-preserve-unknown-fields", True
    if keyword == "additionalProperties":
        return keyword, _convert(value, defs, f"{path}{{}}")
    if keyword in _KEPT or keyword in _DROPPED or keyword.startswith("x-kubernetes-"):
        return keyword, value
    raise SchemaError(f"{path}: keyword {keyword!r} has no place in a structural schema")


def _inline(node: Schema, defs: Schema) -> Schema:
    node = copy.deepcopy(node)
    reference = node.pop("$ref", None)
    if reference is None:
        return node
    target = copy.deepcopy(defs[reference.removeprefix("#/$defs/")])
    return {**_inline(target, defs), **node}  # what the field says wins over what its type says


def _fold_optional(node: Schema, defs: Schema) -> Schema:
    """`anyOf: [X, null]` is how pydantic says optional; a structural schema says it by not requiring the field."""
    choices = node.get("anyOf")
    if choices is None:
        return node
    real = [choice for choice in choices if choice.get("type") != "null"]
    if len(real) != 1:
        return node
    return {**_inline(real[0], defs), **{key: value for key, value in node.items() if key != "anyOf"}}


def _leaf(node: Schema) -> Schema:
    kept = {key: value for key, value in node.items() if key in _KEPT}
    return {**kept, "x-kubernetes-preserve-unknown-fields": True}


def _open(node: Schema) -> Schema:
    """An object or list of objects whose inner fields are not checked here."""
    kept = {key: value for key, value in node.items() if key in _KEPT}
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if kept.get("type") == "array":
        return {**kept, "items": free, "x-kubernetes-list-type": "atomic"}
    return {**kept, **free}


def describe_missing(schema: Schema, path: str = "") -> list[str]:
    """Paths of all fields without a description, for the test that there are none."""
    missing: list[str] = []
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        if not child.get("description"):
            missing.append(here)
        missing += describe_missing(child, here)
        missing += describe_missing(child.get("items", {}), f"{here}[]")
    return missing
