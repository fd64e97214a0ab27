"""Paths in the source. They are relative to its root and stay inside it."""

import posixpath
from typing import Final

from buildandpush.api.meta import PIPELINE_ROOT
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import PluginFlags, field_name

_SUB_PATH: Final = "PLUGIN_CONTEXT_SUB_PATH"


def resolve_path(field: str, path: str) -> str:
    """A path below the source's root, normalised; `.` is the root. Raises SpecInvalidError."""
    if "://" in path:
        raise SpecInvalidError(field, f"{path!r} is a URL; give a path relative to the root of source")
    if path == PIPELINE_ROOT or path.startswith(f"{PIPELINE_ROOT}/"):
        path = path.removeprefix(PIPELINE_ROOT).lstrip("/") or "."
    if path.startswith("/"):
        raise SpecInvalidError(field, f"{path!r} is absolute; give a path relative to the root of source")
    if ".." in path.split("/") or "\0" in path or "\n" in path:
        raise SpecInvalidError(field, f"{path!r} leaves the source; give a path inside it")
    return posixpath.normpath(path) if path else "."


def resolve_file(field: str, path: str) -> str:
    """The same for a file."""
    normal = resolve_path(field, path)
    if normal == ".":
        raise SpecInvalidError(field, f"{path!r} is a folder; give the path of a file, such as docker/Dockerfile")
    return normal


def plan_context(context: str, flags: PluginFlags) -> str:
    """The folder that kaniko gets: the context, or the flag's folder within it."""
    outer = resolve_path("context", context)
    inner = flags.text(_SUB_PATH)
    return posixpath.normpath(posixpath.join(outer, resolve_path(field_name(_SUB_PATH), inner))) if inner else outer
