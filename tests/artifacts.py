"""Artifacts of a registry, as the programs push them whose names the functions have."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
FLUX = "application/vnd.cncf.flux.content.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"
NO_CONFIG = b"{}"


def digest_of(data: bytes) -> str:
    """The digest that a registry keeps data by."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Artifact:
    """A manifest and what it names, by digest."""

    manifest: dict[str, Any]
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The manifest as it is pushed."""
        return json.dumps(self.manifest).encode()

    @property
    def digest(self) -> str:
        """The manifest's."""
        return digest_of(self.content)


def make_tar(files: Mapping[str, bytes], *more: tarfile.TarInfo) -> bytes:
    """A compressed tar of files by path, and of further entries without content."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return gzip.compress(written.getvalue(), mtime=0)


def link(name: str, target: str) -> tarfile.TarInfo:
    """An entry of a tar that is a link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def make_artifact(*layers: tuple[bytes, str, dict[str, str]], config_type: str = EMPTY, **more: Any) -> Artifact:
    """An artifact of layers, each with its type and its annotations."""
    described = [_describe(data, kind, annotations) for data, kind, annotations in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _describe(NO_CONFIG, config_type, {}),
        "layers": described,
        **more,
    }
    return Artifact(manifest, {digest_of(data): data for data in (NO_CONFIG, *(item[0] for item in layers))})


def _describe(data: bytes, kind: str, annotations: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"mediaType": kind, "digest": digest_of(data), "size": len(data)}
    return {**found, "annotations": annotations} if annotations else found


def push_by_flux(files: Mapping[str, bytes]) -> Artifact:
    """`flux push artifact`: one archive, whose entries begin at the root."""
    notes = {"org.opencontainers.image.revision": "main@sha1:0f3ac27", "org.opencontainers.image.source": "x"}
    kind = "application/vnd.cncf.flux.config.v1+json"
    return make_artifact((make_tar(files), FLUX, {}), config_type=kind, annotations=notes)


def push_by_oras(files: Mapping[str, bytes], folders: Mapping[str, Mapping[str, bytes]]) -> Artifact:
    """`oras push FILE… FOLDER…`: a layer for each. The type of a file says tar, though it is none."""
    layers = [(content, LAYER, {TITLE: name}) for name, content in files.items()]
    for name, inside in folders.items():
        packed = make_tar({f"{name}/{path}": content for path, content in inside.items()})
        marks = {
            "io.deis.oras.content.digest": digest_of(gzip.decompress(packed)),
            "io.deis.oras.content.unpack": "true",
        }
        layers.append((packed, f"{LAYER}+gzip", {TITLE: name, **marks}))
    return make_artifact(*layers, artifactType="application/vnd.unknown.artifact.v1")


def make_index(*artifacts: tuple[Artifact, dict[str, str]]) -> Artifact:
    """An index of artifacts, each with its annotations there."""
    listed = [_describe(item.content, OCI_MANIFEST, annotations) for item, annotations in artifacts]
    return Artifact({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed})
