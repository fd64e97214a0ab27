"""Which fields an installed CustomResourceDefinition lacks: the API server drops what a schema does not know."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from buildandpush.api import meta

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class CrdGap:
    """How an installed CRD differs from the operator's own."""

    missing: frozenset[str] = frozenset()
    """Fields that only the operator knows, such as `status.completedRebuild`: the CRD is older."""
    unknown: frozenset[str] = frozenset()
    """Fields that only the CRD knows: the operator is older. `newerfields` finds them in a spec."""


def find_gap(ours: Mapping[str, Any], installed: Mapping[str, Any]) -> CrdGap:
    """Compare two CustomResourceDefinitions by the fields of this operator's version of the API."""
    known, served = _fields_of(ours), _fields_of(installed)
    return CrdGap(frozenset(known - served), frozenset(served - known))


def _fields_of(crd: Mapping[str, Any]) -> set[str]:
    versions = (crd.get("spec") or {}).get("versions") or ()
    version: Mapping[str, Any] = next((item for item in versions if item.get("name") == meta.VERSION), {})
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    properties = schema.get("properties") or {}
    return {path for part in ("spec", "status") for path in _walk(properties.get(part) or {}, part)}


def _walk(schema: Schema, path: str) -> Iterator[str]:
    for name, inner in (schema.get("properties") or {}).items():
        yield f"{path}.{name}"
        yield from _walk(inner, f"{path}.{name}")
    for below in ("items", "additionalProperties"):
        inner = schema.get(below)
        if isinstance(inner, Mapping):
            yield from _walk(inner, path)


_NOTHING: Final[tuple[Any, ...]] = (None, [], {})
"""Who drops such a value loses nothing."""


def find_fields(value: Mapping[str, Any], path: str = "status") -> frozenset[str]:
    """The fields that a JSON object says something in, by their paths. The items of a list have its path."""
    found: set[str] = set()
    for name, inner in value.items():
        if inner not in _NOTHING:
            found.add(f"{path}.{name}")
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, Mapping):
                found |= find_fields(item, f"{path}.{name}")
    return frozenset(found)


def find_dropped(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> frozenset[str]:
    """The fields of a status that were sent and are not stored. Most often that is none, and then only values are
    compared."""
    if _holds(stored, sent):
        return frozenset()
    return find_fields(sent) - find_fields(stored)


def _holds(stored: Any, sent: Any) -> bool:
    """Whether all of the sent value is stored."""
    if not isinstance(sent, Mapping):
        return bool(stored == sent)
    if not isinstance(stored, Mapping):
        return False
    return all(inner in _NOTHING or _holds(stored.get(name), inner) for name, inner in sent.items())
