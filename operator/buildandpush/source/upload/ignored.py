"""Leaves out what a .dockerignore excludes. Whoever sends a folder may send all of it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from buildandpush.api.reasons import Reason
from buildandpush.source.check import find_inside
from buildandpush.source.dockerfile.ignorefile import IgnorePattern, is_ignored, load_patterns


def drop_ignored(root: Path, context: str, dockerfile: str) -> None:
    """Remove from the context what its .dockerignore excludes, but never the Dockerfile and the .dockerignore.

    Raises SourceError for a context or Dockerfile that leads out of the source.
    """
    folder = find_inside(root, context, Reason.CONTEXT_NOT_FOUND)
    file = find_inside(root, dockerfile, Reason.DOCKERFILE_NOT_FOUND)
    if not folder.is_dir():
        return
    patterns = load_patterns(folder, root.resolve() / dockerfile)
    if patterns:
        beside = file.with_name(f"{file.name}.dockerignore")
        _drop(folder, patterns, {file, root.resolve() / dockerfile, beside, folder / ".dockerignore"})


def _drop(context: Path, patterns: Sequence[IgnorePattern], kept: set[Path]) -> None:
    takes_back = any(pattern.exclusion for pattern in patterns)
    for place, folders, names in os.walk(context):
        at = Path(place)
        for name in list(folders):
            ignored = is_ignored(str((at / name).relative_to(context)), patterns)
            if (at / name).is_symlink():
                names.append(name)
            elif ignored and not takes_back and not any(path.is_relative_to(at / name) for path in kept):
                shutil.rmtree(at / name)
                folders.remove(name)
        for name in names:
            if at / name not in kept and is_ignored(str((at / name).relative_to(context)), patterns):
                (at / name).unlink()
