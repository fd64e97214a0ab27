"""Copies the files of a ConfigMap or of a volume's folder, which the pod mounts."""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.check import find_inside, list_names
from buildandpush.source.facts import SourceFacts
from buildandpush.source.report import SourceError, reason_of

MOUNT: Final = Path(meta.SOURCE_FILES_MOUNT)
_PUBLISHED: Final = "..data"
"""The link to a ConfigMap's present files, which the kubelet replaces as a whole:
https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter"""

_OF_THE_FILE_SYSTEM: Final = "lost+found"
"""In the root of each volume with ext4. Nobody but root may read it."""


def fetch_config_map(
    _: dict[str, Any], root: Path, limits: SourceLimits = USUAL_LIMITS, mount: Path = MOUNT
) -> SourceFacts:
    """Copy the files that the ConfigMap has now. All are of one moment: if the kubelet replaces them meanwhile, it
    removes the old ones, and the new ones are copied."""
    while True:
        folder = (mount / _PUBLISHED).resolve()
        try:
            _copy_folder(folder, root, limits)
            return SourceFacts()
        except SourceError:
            if (mount / _PUBLISHED).resolve() == folder:
                raise
        shutil.rmtree(root)
        root.mkdir()


def fetch_volume(
    claim: dict[str, Any], root: Path, limits: SourceLimits = USUAL_LIMITS, mount: Path = MOUNT
) -> SourceFacts:
    """Copy the files of a folder of the volume."""
    path = claim.get("path") or "."
    folder = find_inside(mount, path, Reason.SOURCE_INVALID)
    if not folder.is_dir():
        raise SourceError(Reason.SOURCE_INVALID, f"the volume has no folder {path!r}; its root has {list_names(mount)}")
    _copy_folder(folder, root, limits)
    return SourceFacts()


def _copy_folder(folder: Path, root: Path, limits: SourceLimits) -> None:
    """Copy all files, with their modes and times. A link stays a link, as in git. Raises SourceError for what cannot be
    read, for a file that is no plain one, and for more than the limits."""
    copier = _Copier(folder, root, limits)
    for place, folders, names in os.walk(folder, onerror=_refuse):
        below = root / Path(place).relative_to(folder)
        if below == root and _OF_THE_FILE_SYSTEM in folders:
            folders.remove(_OF_THE_FILE_SYSTEM)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted(set(folders) - set(links)):
            copier.make_folder(below / name)
        for name in [*names, *links]:
            copier.copy(Path(place) / name, below / name)


@dataclass
class _Copier:
    """Copies what lies in a folder, and counts it."""

    folder: Path
    root: Path
    limits: SourceLimits
    entries: int = 0
    size: int = 0
    """In bytes, holes included: the copy has none."""

    def make_folder(self, target: Path) -> None:
        """Make a folder of the copy."""
        self._count(0)
        target.mkdir()

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file or link."""
        name = str(source.relative_to(self.folder))
        try:
            found = source.lstat()
            if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
                raise SourceError(Reason.SOURCE_INVALID, f"{name!r} is a device, pipe or socket; remove it")
            self._count(found.st_size)
            shutil.copy2(source, target, follow_symlinks=False)
        except OSError as error:
            raise SourceError(reason_of(error), f"{name!r}: {error.strerror}") from error

    def _count(self, size: int) -> None:
        self.entries, self.size = self.entries + 1, self.size + size
        if self.entries > self.limits.max_files:
            raise SourceError(Reason.SOURCE_TOO_LARGE, f"the folder holds {self.limits.tell_files()}")
        if self.size > self.limits.max_bytes:
            raise SourceError(Reason.SOURCE_TOO_LARGE, f"the folder holds {self.limits.tell_bytes()}")


def _refuse(error: OSError) -> None:
    raise SourceError(reason_of(error), f"folder {error.filename!r}: {error.strerror}") from error
