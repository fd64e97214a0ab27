"""Where the files of a build come from: what is refused, and which Secrets the pod reads for it."""

import json
import re

from buildandpush.api.sources import MAX_INLINE_BYTES, ArchiveSource, ConfigMapSource, GitSource, InlineSource, Source
from buildandpush.api.urls import AZURE_REPOS_URL
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.paths import resolve_file, resolve_path

WHOLE = ""
"""In place of a key: all keys of the object."""


def source_keys(source: Source) -> tuple[tuple[str, str], ...]:
    """Object ("Kind/name") and key of what the pod reads to fetch the source."""
    if source.git is not None and source.git.credentials_ref:
        return ((f"Secret/{source.git.credentials_ref.name}", WHOLE),)
    if source.archive is not None and source.archive.headers_ref:
        return ((f"Secret/{source.archive.headers_ref.name}", WHOLE),)
    if source.config_map is not None:
        place = f"ConfigMap/{source.config_map.name}"
        return tuple((place, item.key) for item in source.config_map.items or ()) or ((place, WHOLE),)
    return ()


def check_source(source: Source, room: int) -> None:
    """Raise SpecInvalidError for a source that cannot be used. `room` is how many bytes of the pod's annotations it may
    take."""
    if len(source.kinds()) != 1:
        given = " and ".join(source.kinds()) or "nothing"
        raise SpecInvalidError("source", f"{given} is given; give exactly one kind, such as git or inline")
    if source.git is not None:
        _check_git(source.git)
    if source.inline is not None:
        _check_inline(source.inline, room)
    if source.archive is not None:
        _check_archive(source.archive)
    if source.config_map is not None:
        _check_config_map(source.config_map)
    if source.persistent_volume_claim is not None:
        resolve_path("source.persistentVolumeClaim.path", source.persistent_volume_claim.path or ".")


def _check_archive(archive: ArchiveSource) -> None:
    if not archive.url.startswith("https://"):
        raise SpecInvalidError("source.archive.url", "it is no https address; write https://<host>/<path>")
    if bool(archive.sha256) == bool(archive.unverified):
        raise SpecInvalidError(
            "source.archive", "give the archive's sha256, or unverified: true if its content may change"
        )


def _check_config_map(config_map: ConfigMapSource) -> None:
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


def _check_git(git: GitSource) -> None:
    if git.credentials_ref and not git.url.startswith("https://"):
        raise SpecInvalidError(
            "source.git.credentialsRef", "the login would be readable on the way; use an https:// url"
        )
    if git.credentials_ref and git.connector_ref:
        raise SpecInvalidError("source.git", "credentialsRef and connectorRef are given; give one of them")
    if git.connector_ref and not re.match(AZURE_REPOS_URL, git.url):
        raise SpecInvalidError(
            "source.git.connectorRef",
            f"it logs in to Azure Repos alone, not to {git.url[:200]!r}; for other servers use credentialsRef",
        )


def _check_inline(inline: InlineSource, room: int) -> None:
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
