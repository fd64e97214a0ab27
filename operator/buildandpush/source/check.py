"""Checks that a fetched source has what the build needs. The message about a wrong path lists what is there."""

from pathlib import Path
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

_LISTED: Final = 10


def check_paths(root: Path, dockerfile: str, context: str) -> None:
    """Raise SourceError unless the Dockerfile is a file and the context a folder, both inside the source."""
    folder = find_inside(root, context, Reason.CONTEXT_NOT_FOUND)
    if not folder.is_dir():
        raise SourceError(Reason.CONTEXT_NOT_FOUND, f"context {context!r}; the source's root has {list_names(root)}")
    path = find_inside(root, dockerfile, Reason.DOCKERFILE_NOT_FOUND)
    if not path.is_file():
        nearest = _nearest_folder(path, root.resolve())
        where = "the source's root" if nearest == root.resolve() else f"{nearest.relative_to(root.resolve())}/"
        raise SourceError(Reason.DOCKERFILE_NOT_FOUND, f"dockerfile {dockerfile!r}; {where} has {list_names(nearest)}")


def find_inside(root: Path, path: str, reason: Reason) -> Path:
    """What a path below the root stands for, its links followed; raises SourceError where they lead out."""
    try:
        found = (root / path).resolve()
        found.exists()
    except (OSError, RuntimeError) as error:  # a loop of symbolic links, a name that is too long
        raise SourceError(reason, f"{path[:200]!r} cannot be followed: {error}") from error
    if not found.is_relative_to(root.resolve()):
        raise SourceError(reason, f"{path!r} leads out of the source by a symbolic link")
    return found


def _nearest_folder(path: Path, root: Path) -> Path:
    """The folder to list: the path itself, or its deepest parent that exists."""
    above = (path, *(parent for parent in path.parents if parent.is_relative_to(root)))
    return next((folder for folder in above if folder.is_dir()), root)


def list_names(folder: Path) -> str:
    """The first names in a folder, for a message."""
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir())
    names = [name for name in names if name != ".git/"]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more if names else "nothing in it"
