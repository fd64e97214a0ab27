"""What every kind of source tells about what it fetched."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceFacts:
    """What was fetched. None and an empty tuple stand for what the kind does not know."""

    revision: str | None = None
    """As it was asked for: a branch, tag, ref or commit id."""
    ref: str | None = None
    """The full ref that it stands for. Example: refs/heads/main"""
    commit: str | None = None
    author: str | None = None
    """Of the commit. Example: Ada <ada@example.com>"""
    message: str | None = None
    """First line of the commit's message."""
    digest: str | None = None
    """What an archive or artifact hashes to. Example: sha256:9f86…"""
    empty_submodules: tuple[str, ...] = ()
    """Folders, relative to the root, whose own repository was not fetched."""


def measure(root: Path, *, everything: bool = False) -> tuple[int, int]:
    """How many files and links are below the root, and how many bytes the files have; without git's own folder.
    `everything`: git's own folder is looked into, and folders count too, as the limits say."""
    files = size = 0
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    files += everything
                    if everything or entry.name != ".git":
                        folders.append(entry.path)
                else:
                    files += 1
                    size += entry.stat(follow_symlinks=False).st_size
    return files, size
