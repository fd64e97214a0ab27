"""Fields of a spec that this operator does not know. The API server keeps only what its CRD knows, so the CRD is newer.

Such a field must not be passed over: the build would end well with another image, or a connector would serve more than
it may, and the upgrade of the operator, which starts no build, would leave it so.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.crd import build_crd, connector_crd

Schema = Mapping[str, Any]

_CRDS: Final = {meta.BUILD_KIND: build_crd, meta.CONNECTOR_KIND: connector_crd}
_FREE: Final = "x-kubernetes-preserve-unknown-fields"
_TOLD: Final = frozenset({"envVariables"})
"""What is read by names has words of its own for a name that is unknown."""


def find_newer(kind: str, spec: Mapping[str, Any]) -> str | None:
    """The path of the first such field in the spec of an object of this kind."""
    read = {name: value for name, value in spec.items() if name not in _TOLD}
    return next(_walk(read, _spec_schema(kind), ""), None)


def explain_newer() -> str:
    """What is wrong with such a field, and what helps."""
    return "the operator does not know the field, so it is older than the CRD; upgrade it, or leave the field out"


@cache
def _spec_schema(kind: str) -> Schema:
    versions = _CRDS[kind]()["spec"]["versions"]
    schema: Schema = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def _walk(value: Any, schema: Schema, path: str) -> Iterator[str]:
    if isinstance(value, Mapping) and schema.get("type") == "object":  # else the value is of a wrong type
        fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, inner in value.items():
            below = fields.get(name, others)
            if isinstance(below, Mapping):
                yield from _walk(inner, below, f"{path}{name}.")
            elif not below and not schema.get(_FREE) and inner is not None:
                yield f"{path}{name}"
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for item in value:
            yield from _walk(item, schema["items"], path)
