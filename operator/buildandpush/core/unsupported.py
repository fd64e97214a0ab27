"""Fields of the API that this version does not act on yet: set, they are refused, never ignored."""

from collections.abc import Mapping
from typing import Any, Final

from buildandpush.core.errors import SpecInvalidError

UNSUPPORTED: Final = ("strategy",)

SUPPORTED_SOURCES: Final = ("git", "inline")


def refuse_unsupported(values: Mapping[str, Any]) -> None:
    """Raise SpecInvalidError for the first field that is set and not acted on. Empty values count as not set."""
    for name in UNSUPPORTED:
        if values.get(name) not in (None, "", [], {}, False):
            raise SpecInvalidError(name, "it is not supported yet; remove it")
    if (values.get("outputs") or {}).get("configMap"):
        raise SpecInvalidError("outputs.configMap", "it is not supported yet; remove it")
    for kind in values.get("source") or {}:
        if kind not in SUPPORTED_SOURCES:
            raise SpecInvalidError(f"source.{kind}", "it is not supported yet; use git or inline")
