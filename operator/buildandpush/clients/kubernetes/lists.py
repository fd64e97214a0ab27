"""Pages of the API server's lists, whole or with no more than the names and versions of the objects."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from buildandpush.clients.kubernetes.objects import is_object
from buildandpush.core.jsonvalue import UnreadableError, parse_object

Object = dict[str, Any]

WHOLE_PAGE_SIZE: Final = 100
"""A build takes some 10 KiB, a pod some 20 KiB. While a page is parsed, the event loop stands still."""
NAMES_PAGE_SIZE: Final = 500
_PARTIAL: Final = "PartialObjectMetadataList"
NAMES_ONLY: Final = f"application/json;as={_PARTIAL};g=meta.k8s.io;v=v1,application/json"
"""A server that knows no metadata alone would answer 406 to it, so whole objects are asked for as the second choice.
https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches"""

NO_VERSION: Final = "0"
"""The version of a list that does not say its own."""


@dataclass(frozen=True)
class Listing:
    """Objects of a kind, and the version of the state they were read from."""

    items: list[Object]
    resource_version: str
    token: str = ""
    """Asks for the next page, which has the same state; empty at the end."""
    is_whole: bool = False
    """Whether the server sent whole objects, though no more than names were asked for."""


class _Name(BaseModel):
    namespace: str
    name: str
    version: str = Field(alias="resourceVersion")


class _Named(BaseModel):
    metadata: _Name


class _ListMeta(BaseModel):
    version: str = Field("", alias="resourceVersion")
    token: str = Field("", alias="continue")


class _Names(BaseModel):
    kind: str = ""
    metadata: _ListMeta = _ListMeta()
    items: list[_Named] | None = None


def parse_page(data: bytes, *, most_values: int) -> Listing:
    """A page of whole objects. Raises UnreadableError."""
    answer = parse_object(data, most_values=most_values)
    metadata, items = answer.get("metadata") or {}, answer.get("items") or []
    if not isinstance(metadata, dict) or not isinstance(items, list) or not all(map(is_object, items)):
        raise UnreadableError("the answer is no list of objects")
    return Listing(items, _read_version(metadata.get("resourceVersion")), str(metadata.get("continue") or ""))


def parse_names(data: bytes) -> Listing:
    """A page of names and versions. No values are made of all else that metadata holds, which is most of the page.
    Raises UnreadableError."""
    try:
        page = _Names.model_validate_json(data)
    except ValidationError as error:
        raise UnreadableError("the answer is no list of names") from error
    version = _read_version(page.metadata.version)
    items = [_read_name(item.metadata) for item in page.items or ()]
    return Listing(items, version, page.metadata.token, is_whole=page.kind != _PARTIAL)


def _read_version(version: Any) -> str:
    return version if isinstance(version, str) and version.isdecimal() else NO_VERSION


def _read_name(name: _Name) -> Object:
    return {"metadata": {"namespace": name.namespace, "name": name.name, "resourceVersion": name.version}}
