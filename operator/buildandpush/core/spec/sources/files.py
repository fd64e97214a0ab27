"""What is refused in files that the cluster holds already."""

import json

from buildandpush.api.sources.files import MAX_INLINE_BYTES, ConfigMapSource, InlineSource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.paths import resolve_file, resolve_path


def check_config_map(config_map: ConfigMapSource) -> None:
    """Raise SpecInvalidError for paths that are none."""
    paths = [item.path for item in config_map.items or ()]
    for path in paths:
        if resolve_file("source.configMap.items", path) != path:
            raise SpecInvalidError(
                "source.configMap.items", f"{path[:200]!r} is no plain relative path; write for example web/app.py"
            )
        if paths.count(path) > 1:
            raise SpecInvalidError(
                "source.configMap.items", f"two keys have the path {path[:200]!r}; give each its own"
            )
        if path.startswith(".."):
            raise SpecInvalidError(
                "source.configMap.items",
                f"{path[:200]!r} begins with two dots, which Kubernetes keeps for itself; give it another name",
            )
        inside = next((other for other in paths if other.startswith(f"{path}/")), None)
        if inside is not None:
            raise SpecInvalidError(
                "source.configMap.items",
                f"{path[:200]!r} is a file and the folder of {inside[:200]!r}; give one of them another path",
            )


def check_inline(inline: InlineSource, room: int) -> None:
    """Raise SpecInvalidError for paths that are none, and for files that together are larger than the room."""
    for path in inline.files:
        if resolve_path("source.inline.files", path) != path or path == ".":
            raise SpecInvalidError(
                "source.inline.files", f"{path!r} is no plain relative path; write for example web/app.py"
            )
    # The files travel in an annotation of the pod, as JSON: 256 KiB is the API server's limit for all annotations.
    escaped = len(json.dumps(inline.files, ensure_ascii=False).encode())
    if escaped > room:
        raise SpecInvalidError(
            "source.inline.files", f"{escaped} bytes once written as JSON are too many; use source.git"
        )
    size = sum(len(path.encode()) + len(text.encode()) for path, text in inline.files.items())
    if size > MAX_INLINE_BYTES:
        raise SpecInvalidError(
            "source.inline.files", f"{size} bytes are more than {MAX_INLINE_BYTES}; use source.git for larger sources"
        )
