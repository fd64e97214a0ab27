"""Copies the files of a ConfigMap or of a volume's folder, which the pod mounts."""

import os
import shutil
import stat
from pathlib import Path
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.source.check import find_inside, list_names
from buildandpush.source.facts import SourceFacts
from buildandpush.source.report import SourceError, reason_of

MOUNT: Final = Path(meta.SOURCE_FILES_MOUNT)
_PUBLISHED: Final = "..data"
"""The link to a ConfigMap's present files, which the kubelet replaces as a whole:
https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter"""

_OF_THE_FILE_SYSTEM: Final = "lost+found"
"""In the root of each volume with ext4. Nobody but root may read it."""


def fetch_config_map(_: dict[str, Any], root: Path, mount: Path = MOUNT) -> SourceFacts:
    """Copy the files that the ConfigMap has now. All are of one moment: if the kubelet replaces them meanwhile, it
    removes the old ones, and the new ones are copied."""
    while True:
        folder = (mount / _PUBLISHED).resolve()
        try:
            _copy_folder(folder, root)
            return SourceFacts()
        except SourceError:
            if (mount / _PUBLISHED).resolve() == folder:
                raise
        shutil.rmtree(root)
        root.mkdir()


def fetch_volume(claim: dict[str, Any], root: Path, mount: Path = MOUNT) -> SourceFacts:
    """Copy the files of a folder of the volume."""
    path = claim.get("path") or "."
    folder = find_inside(mount, path, Reason.SOURCE_INVALID)
    if not folder.is_dir():
        raise SourceError(Reason.SOURCE_INVALID, f"the volume has no folder {path!r}; its root has {list_names(mount)}")
    _copy_folder(folder, root)
    return SourceFacts()


def _copy_folder(folder: Path, root: Path) -> None:
    """Copy all files, with their modes and times. A link stays a link, as in git. Raises SourceError for what cannot be
    read, and for a file that is no plain one."""
    for place, folders, names in os.walk(folder, onerror=_refuse):
        below = root / Path(place).relative_to(folder)
        if below == root and _OF_THE_FILE_SYSTEM in folders:
            folders.remove(_OF_THE_FILE_SYSTEM)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted(set(folders) - set(links)):
            (below / name).mkdir()
        for name in [*names, *links]:
            _copy(Path(place) / name, below / name, folder)


def _copy(source: Path, target: Path, folder: Path) -> None:
    name = str(source.relative_to(folder))
    try:
        mode = source.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise SourceError(Reason.SOURCE_INVALID, f"{name!r} is a device, pipe or socket; remove it")
        shutil.copy2(source, target, follow_symlinks=False)
    except OSError as error:
        raise SourceError(reason_of(error), f"{name!r}: {error.strerror}") from error


def _refuse(error: OSError) -> None:
    raise SourceError(reason_of(error), f"folder {error.filename!r}: {error.strerror}") from error
