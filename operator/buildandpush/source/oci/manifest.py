"""What a manifest holds: the one artifact of an index, and the layers of an artifact.

Flux: one layer, a tar of its own type. ORAS: a layer for each file with the file's name, and for each folder a tar with
the mark that it is to be unpacked. Images: a tar for each layer. Where each names what:
https://fluxcd.io/flux/cheatsheets/oci-artifacts/, https://oras.land/docs/how_to_guides/pushing_and_pulling and
https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

_TITLE: Final = "org.opencontainers.image.title"
_UNPACK: Final = "io.deis.oras.content.unpack"
_NOT_AN_IMAGE: Final = "vnd.docker.reference.type"
"""Marks what a builder says of an image, beside the image in its index."""
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_FLUX: Final = "application/vnd.cncf.flux.content.v1.tar+gzip"
_TARS: Final = (".tar", ".tar+gzip", ".tar.gzip", ".tar+zstd", ".tar.zstd")
_NOTHING: Final = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d663cb16422d00e8a7c22955b46d4"
"""The layer without a file that older builders make for a line that changes none."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
MOST_LAYERS: Final = 128


@dataclass(frozen=True)
class Layer:
    """One layer."""

    digest: str
    size: int
    """In bytes, as the manifest says."""
    file: str = ""
    """Path of the file that it is, relative to the root; empty for an archive to unpack."""


def find_artifact(index: dict[str, Any]) -> str | None:
    """The digest of an index's only artifact; None for a manifest that is no index. Raises SourceError for more."""
    if not isinstance(index.get("manifests"), list):
        return None
    listed = [_object(item) for item in index["manifests"]]
    artifacts = [item for item in listed if _NOT_AN_IMAGE not in _object(item.get("annotations"))]
    if len(artifacts) != 1:
        raise _invalid(f"it is an index of {len(artifacts)} artifacts; name one of them by its digest")
    return _digest(artifacts[0])


def read_layers(manifest: dict[str, Any]) -> list[Layer]:
    """The layers in their order; raises SourceError for what holds no files, or files that cannot be told apart."""
    if not isinstance(manifest.get("layers"), list):
        kind = manifest.get("mediaType") or f"schema version {manifest.get('schemaVersion')}"
        raise _invalid(
            f"its manifest is of a kind without layers, {str(kind)[:100]!r}; push it again as an OCI artifact"
        )
    listed = [_object(item) for item in manifest["layers"]]
    if len(listed) > MOST_LAYERS:
        raise _invalid(f"it has {len(listed)} layers, more than {MOST_LAYERS}; push a folder in place of its files")
    layers = [_read_layer(item) for item in listed if _title(item) or not _is_empty(item)]
    if not layers:
        raise _invalid("it holds no files")
    files = [layer.file for layer in layers if layer.file]
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise _invalid(f"two of its layers are the file {twice[:200]!r}")
    return layers


def _read_layer(item: dict[str, Any]) -> Layer:
    kind, digest, size, title = str(item.get("mediaType")), _digest(item), item.get("size"), _title(item)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _invalid(f"layer {digest} has no size")
    if item.get("urls"):
        raise _invalid(f"layer {digest} lies outside of the registry")
    unpacks = _object(item.get("annotations")).get(_UNPACK) == "true"
    if kind == _FLUX or unpacks or (not title and kind.endswith(_TARS)):
        return Layer(digest, size)
    if not title:
        raise _invalid(
            f"layer {digest} has the type {kind[:100]!r} and no file name, so it is neither archive nor file"
        )
    path = PurePosixPath(title)
    if path.is_absolute() or ".." in path.parts or "\0" in title or not path.parts:
        raise _invalid(f"the name {title[:200]!r} of a layer leads out of the source")
    return Layer(digest, size, str(path))


def _is_empty(item: dict[str, Any]) -> bool:
    return item.get("mediaType") == _EMPTY or item.get("digest") == _NOTHING


def _title(item: dict[str, Any]) -> str:
    title = _object(item.get("annotations")).get(_TITLE)
    return title if isinstance(title, str) else ""


def _digest(item: dict[str, Any]) -> str:
    digest = item.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise _invalid(f"a digest in its manifest is no SHA-256: {str(digest)[:100]!r}")
    return digest


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _invalid(message: str) -> SourceError:
    return SourceError(Reason.SOURCE_INVALID, f"the artifact cannot be used: {message}")
