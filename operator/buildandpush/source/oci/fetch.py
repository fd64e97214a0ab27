"""Fetches an artifact: finds its manifest, and unpacks each layer once its digest has been compared."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.imagename import ImageName, parse_image_name
from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.archive.unpack import unpack
from buildandpush.source.facts import SourceFacts, measure
from buildandpush.source.network.connection import PLAIN, UNVERIFIED, VERIFIED
from buildandpush.source.network.egress import write_trust
from buildandpush.source.oci.login import read_login
from buildandpush.source.oci.manifest import Layer, find_artifact, read_layers
from buildandpush.source.oci.registry import Repository, Way
from buildandpush.source.report import SourceError

LOGIN: Final = Path(meta.REGISTRY_LOGIN_MOUNT)
CERTIFICATES: Final = Path(meta.REGISTRY_CA_MOUNT)
_ORDER: Final = {VERIFIED: (VERIFIED,), UNVERIFIED: (UNVERIFIED,), PLAIN: (VERIFIED, PLAIN)}
"""kaniko, too, speaks TLS first to a registry that may be spoken to over http."""
_NO_TLS: Final = frozenset({Reason.SOURCE_UNREACHABLE, Reason.CERTIFICATE_NOT_TRUSTED})
_REMOVED: Final = ".wh."
"""In a layer of an image: a name that begins so removes a file of an earlier layer."""


def fetch_oci(
    oci: dict[str, Any],
    root: Path,
    limits: SourceLimits = USUAL_LIMITS,
    login: Path = LOGIN,
    certificates: Path = CERTIFICATES,
) -> SourceFacts:
    """Fetch what the request's `oci` names into the root. `login` and `certificates` are the folders of a connector's
    docker config and certificates."""
    print(f"Fetching {oci['image']}", flush=True)
    name = parse_image_name(oci["image"])
    folder = Path(tempfile.gettempdir())
    own = certificates / oci["caFile"] if "caFile" in oci else None
    trust = write_trust(folder, own.read_text() if own else "")
    found = read_login(login / "config.json", name.host)
    ways = [Way(found, trust, tls) for tls in _ORDER[oci.get("tls", VERIFIED)]]
    repository, layers, digest = _find(name, ways)
    file = folder / "layer"
    try:
        _bring(repository, layers, root, file, limits)
    finally:
        file.unlink(missing_ok=True)
    if len(layers) > 1:
        _check_layers_together(root.resolve())
    return SourceFacts(revision=name.tag or None, digest=digest)


def _find(name: ImageName, ways: list[Way]) -> tuple[Repository, list[Layer], str]:
    """The repository, by the first way that leads there, and the layers and the digest of what is named."""
    *others, last = [Repository(name, way) for way in ways]
    for repository in others:
        try:
            return repository, *_read(repository, name)
        except SourceError as error:
            if error.reason not in _NO_TLS:
                raise
    return last, *_read(last, name)


def _read(repository: Repository, name: ImageName) -> tuple[list[Layer], str]:
    manifest, digest = repository.fetch_manifest(name.reference)
    only = find_artifact(manifest)
    if only is not None:
        manifest, _ = repository.fetch_manifest(only)
    return read_layers(manifest), digest


def _bring(repository: Repository, layers: list[Layer], root: Path, file: Path, limits: SourceLimits) -> None:
    """Download and unpack one layer after the other, so that no two archives lie on the disk."""
    size = sum(layer.size for layer in layers)
    if size > limits.max_download_bytes:
        told = limits.tell_download()
        raise SourceError(Reason.SOURCE_TOO_LARGE, f"the layers of the artifact have {size} bytes, {told}")
    for layer in layers:
        repository.fetch_blob(layer.digest, layer.size, file, limits)
        if layer.file:
            _place_file(file, root, layer.file)
        else:
            unpack(file, root, 0, limits)
        _check_size(root, limits)


def _place_file(file: Path, root: Path, name: str) -> None:
    """Copy a layer that is a file. Raises SourceError where another layer has something in its place."""
    target = root / name
    if target.parent.resolve() != (root.resolve() / name).parent or target.is_symlink() or target.exists():
        raise SourceError(
            Reason.SOURCE_INVALID, f"the file {name[:200]!r} of a layer meets a file or link of another layer"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def _check_size(root: Path, limits: SourceLimits) -> None:
    """What each layer keeps to, all of them together keep to."""
    files, size = measure(root, everything=True)
    if files > limits.max_files:
        raise SourceError(Reason.SOURCE_TOO_LARGE, f"the layers of the artifact hold {limits.tell_files()}")
    if size > limits.max_bytes:
        raise SourceError(Reason.SOURCE_TOO_LARGE, f"the layers of the artifact hold {limits.tell_bytes()}")


def _check_layers_together(root: Path) -> None:
    """Raise SourceError for what only all layers together show: a link that leads out of the source since a later layer
    came, and the removal of a file."""
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(place, name)
            if name.startswith(_REMOVED):
                raise _refused(path, root, "removes a file of an earlier layer; push the files as one layer")
            if path.is_symlink() and not _stays_inside(path, root):
                raise _refused(path, root, "is a link out of the source, by way of a link of another layer")


def _stays_inside(path: Path, root: Path) -> bool:
    """Whether a link leads to a place below the root. One that leads through too many others leads nowhere useful."""
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return Path(os.path.realpath(path)).is_relative_to(root)


def _refused(path: Path, root: Path, why: str) -> SourceError:
    return SourceError(Reason.SOURCE_INVALID, f"{str(path.relative_to(root))[:200]!r} in the artifact {why}")
