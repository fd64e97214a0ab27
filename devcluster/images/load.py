"""Puts image archives into the node's containerd and knows which are there; catalogue.py builds them."""

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.images.archive import Entry, ImageConfig, write_archive, write_layer
from devcluster.machine.shell import run, write_file
from devcluster.settings import Settings


def load_archive(settings: Settings, archive: Path) -> tuple[str, ...]:
    """Import a docker-archive or OCI tar for pods to use, and return the names that came with it."""
    if not archive.is_file():
        raise DevclusterError(f"There is no image archive {archive}; give the path of a docker-archive or OCI tar")
    if not settings.containerd_socket.exists():
        raise DevclusterError("containerd does not run; bring the cluster up with `python -m devcluster up`")
    before = list_images(settings)
    _ctr(settings, "images", "import", str(archive))
    return tuple(sorted(set(_read_names(archive)) or set(list_images(settings)) - set(before)))


def list_images(settings: Settings) -> tuple[str, ...]:
    """List the names of the node's images."""
    return tuple(_ctr(settings, "images", "ls", "-q").split())


def ensure_loaded(settings: Settings, name: str, archive: Path) -> bool:
    """Import an archive unless the node has this name from this very file; tell whether it was imported."""
    loaded = _read_loaded(settings)
    if loaded.get(name) == archive.name and name in list_images(settings):
        return False
    load_archive(settings, archive)
    write_file(_loaded_path(settings), json.dumps({**loaded, name: archive.name}, indent=2))
    return True


def ensure_pause_image(settings: Settings) -> None:
    """Make the image every pod's sandbox runs, and pin it so that the kubelet never collects it."""
    program = settings.bin / "pause"
    key = hashlib.sha256(program.read_bytes()).hexdigest()[:16]
    archive = settings.cache / "images" / f"pause-{key}.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory() as folder:
            layer = Path(folder) / "layer.tar"
            write_layer(layer, (Entry("pause", content=program.resolve()),))
            config = ImageConfig(entrypoint=("/pause",))
            write_archive(archive, layer, names=(settings.images.pause,), config=config)
    if ensure_loaded(settings, settings.images.pause, archive):
        _ctr(settings, "images", "label", settings.images.pause, "io.cri-containerd.pinned=pinned")


def _ctr(settings: Settings, *arguments: str) -> str:
    return run((settings.bin / "ctr", "--address", settings.containerd_socket, "--namespace", "k8s.io", *arguments))


def _loaded_path(settings: Settings) -> Path:
    return settings.state / "containerd" / "loaded-images.json"


def _read_loaded(settings: Settings) -> dict[str, str]:
    path = _loaded_path(settings)
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _read_names(archive: Path) -> tuple[str, ...]:
    with tarfile.open(archive) as tar:
        try:
            stream = tar.extractfile("manifest.json")
        except KeyError:
            return ()
        manifests = json.load(stream) if stream else []
    return tuple(name for manifest in manifests for name in manifest.get("RepoTags") or ())
