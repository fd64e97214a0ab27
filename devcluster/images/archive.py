"""Writes images as docker-archive tars that come out byte for byte the same from the same content; runs nothing."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CREATED = "2024-01-01T00:00:00Z"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ImageConfig:
    """What a container of the image runs with."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""


@dataclass(frozen=True)
class Entry:
    """One folder (no content), file (bytes or a path to read) or symbolic link (a target) of a layer."""

    path: str
    mode: int = 0o755
    content: bytes | Path | None = None
    link: str = ""


def write_layer(target: Path, entries: Sequence[Entry]) -> None:
    """Write a layer tar in the entries' order, owned by root, with the time of all entries at zero."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as layer:
        for entry in entries:
            _add_entry(layer, entry)


def write_archive(target: Path, layer: Path, *, names: Sequence[str], config: ImageConfig) -> None:
    """Write a one-layer docker-archive under all the given names; the file appears only when it is complete."""
    layer_digest = _hash_file(layer)
    document = json.dumps(build_config(config, layer_digest), sort_keys=True).encode()
    config_name = f"{hashlib.sha256(document).hexdigest()}.json"
    layer_name = f"{layer_digest}/layer.tar"
    manifest = json.dumps([{"Config": config_name, "RepoTags": list(names), "Layers": [layer_name]}]).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.partial")
    with tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as archive:
        _add_bytes(archive, config_name, document)
        with layer.open("rb") as stream:
            _add_stream(archive, layer_name, stream, layer.stat().st_size)
        _add_bytes(archive, "manifest.json", manifest)
    temporary.replace(target)


def build_config(config: ImageConfig, layer_digest: str) -> dict[str, Any]:
    """Build the image configuration document."""
    process: dict[str, Any] = {
        "Entrypoint": list(config.entrypoint) or None,
        "Cmd": list(config.command) or None,
        "Env": [f"{key}={value}" for key, value in config.env.items()],
        "WorkingDir": config.working_dir,
    }
    machine = platform.machine()
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "created": _CREATED,
        "config": {key: value for key, value in process.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": _CREATED, "created_by": "python -m devcluster images"}],
    }


def _add_entry(layer: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mode = entry.mode
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        layer.addfile(info)
    elif entry.content is None:
        info.type = tarfile.DIRTYPE
        layer.addfile(info)
    elif isinstance(entry.content, Path):
        info.size = entry.content.stat().st_size
        with entry.content.open("rb") as stream:
            layer.addfile(info, stream)
    else:
        info.size = len(entry.content)
        layer.addfile(info, io.BytesIO(entry.content))


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    _add_stream(archive, name, io.BytesIO(content), len(content))


def _add_stream(archive: tarfile.TarFile, name: str, stream: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    archive.addfile(info, stream)


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
