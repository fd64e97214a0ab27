"""Tells what is an object of the API server from what some proxy answers in its place, with the code 200."""

from typing import Any, Final

_NAMES: Final = ("namespace", "name")


def is_object(body: Any) -> bool:
    """Whether it has what every object in a namespace has."""
    return has_version(body) and all(isinstance(body["metadata"].get(name), str) for name in _NAMES)


def has_version(body: Any) -> bool:
    """Whether it has metadata with the version of a state.
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions"""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return isinstance(version, str) and version.isdecimal()
