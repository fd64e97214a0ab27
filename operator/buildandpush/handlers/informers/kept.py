"""What memory holds of a resource: the facts that it is looked up by, and all else packed.

Most resources have come to their end, and nothing asks for them for days. As parsed values each would take some 50 KiB,
and every collection of garbage would walk through all of them. Packed it takes less than 2 KiB.
"""

import marshal
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.core.naming import connector_name
from buildandpush.handlers.objects import Object

_FASTEST: Final = 1
"""zlib's level. A slower one takes three times as long for a tenth less."""
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_IN_SPEC: Final = (("connectorRef",), ("source", "git", "connectorRef"), ("source", "archive", "connectorRef"))
_IN_RUN: Final = ("connector", "gitConnector", "storageConnector")
"""Where a spec and what holds for its run name a connector."""


class Fact(StrEnum):
    """What a build is looked up by, besides its name."""

    PUSHES = "pushes"
    """The repository that it is about to push to."""
    CONNECTOR = "connector"
    """A connector that it may wait for, or that may cure its failure."""
    FLUX = "flux"
    """The kind and name of the Flux object that it builds."""


Mark = tuple[str, ...]
"""A fact and its values."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One resource."""

    uid: str
    version: int
    marks: tuple[Mark, ...]
    packed: bytes

    def unpack(self) -> dict[str, Any]:
        """The object, without what `keep` leaves out."""
        body: dict[str, Any] = marshal.loads(zlib.decompress(self.packed))  # noqa: S302 - nobody else has packed it
        return body


def keep(kind: str, body: Object) -> Kept:
    """Pack an object. Who has set which field and what was applied last is left out: nothing reads it."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    values = marshal.dumps({**body, "metadata": metadata})  # whatever characters, numbers and levels they hold
    marks = tuple(dict.fromkeys(_find_marks(body))) if kind == meta.BUILD_KIND else ()
    return Kept(uid_of(body), version_of(body), marks, zlib.compress(values, _FASTEST))


def version_of(body: Object) -> int:
    """An object's resourceVersion; larger is newer.
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions"""
    return int(body["metadata"].get("resourceVersion") or 0)


def uid_of(body: Object) -> str:
    """An object's uid."""
    return str(body["metadata"].get("uid") or "")


def _find_marks(body: Object) -> Iterator[Mark]:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    conditions = {item.get("type"): item.get("status") for item in status.get("conditions") or ()}
    observed = status.get("observedGeneration") == body["metadata"].get("generation")
    ended = observed and conditions.get("Completed") == "True"
    if spec.get("repository") and not ended:
        yield Fact.PUSHES, spec["repository"]
    if not ended or conditions.get("Ready") != "True":
        for name in _find_connectors(spec, (status.get("run") or {}).get("effective") or {}):
            yield Fact.CONNECTOR, name
    flux = (spec.get("source") or {}).get("fluxSource")
    if flux:
        yield Fact.FLUX, flux.get("kind") or "", flux.get("name") or ""


def _find_connectors(spec: Object, effective: Object) -> Iterable[str]:
    """The connectors that the spec names, and those of its run, which may have been another's."""
    references = [_find(spec, path) for path in _IN_SPEC] + list(spec.get("baseImageConnectorRefs") or ())
    yield from (connector_name(reference) for reference in references if reference)
    names = [effective.get(name) for name in _IN_RUN] + list(effective.get("baseConnectors") or ())
    yield from (name for name in names if name)


def _find(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = (value or {}).get(name)
    return value
