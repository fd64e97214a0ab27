"""How the handlers name objects of the API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Object = Mapping[str, Any]
Place = tuple[str, str]
"""Namespace and name."""

POD_KIND: Final = "Pod"


@dataclass(frozen=True, slots=True)
class Key:
    """Names one resource of ours."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


def key_of(kind: str, body: Object) -> Key:
    """The key of an object of ours."""
    return Key(kind, *place_of(body))


def place_of(body: Object) -> Place:
    """Where an object stands."""
    return body["metadata"]["namespace"], body["metadata"]["name"]
