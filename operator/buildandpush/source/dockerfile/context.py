"""The build context as COPY and ADD see it: which files a source names, and where a path leads."""

import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from buildandpush.source.dockerfile.ignorefile import IgnorePattern, is_ignored, load_patterns, matches_segment

_MAX_LOOKS: Final = 1_000_000
"""How often a file is looked at or held against a pattern, for one Dockerfile. Beyond, nothing more is found out."""
_LOOKS_OF_A_PATH: Final = 200
"""What following the links of a path counts for: it asks the file system several times."""
_LOOKS_OF_A_FILE: Final = 10
"""What it counts for to ask the file system once."""
_WILDCARDS: Final = "*?["


class TooManyFilesError(Exception):
    """The context is too large to be looked through."""


@dataclass
class Context:
    """A folder with its .dockerignore."""

    root: Path
    patterns: list[IgnorePattern] = field(default_factory=list)
    looked_at: int = 0

    def leads_out(self, source: str) -> bool:
        """Whether kaniko would read the source from outside of the context, by .. or by a link on the way.

        kaniko joins the two and cleans the result up before it looks at any file.
        """
        self.count(_LOOKS_OF_A_PATH)
        path = posixpath.normpath(f"{self.root}/{source}")
        if path != str(self.root) and not path.startswith(f"{self.root}/"):
            return True
        above = os.path.realpath(posixpath.dirname(path))
        real = os.path.realpath(self.root)
        return path != str(self.root) and above != real and not above.startswith(f"{real}/")

    def relative(self, source: str) -> str:
        """The source as a path below the context; `.` is the context itself."""
        return posixpath.normpath(posixpath.join(".", source.lstrip("/")))

    def find(self, source: str) -> list[str]:
        """The paths that a source names, relative to the context: it may hold wildcards. .dockerignore is not asked."""
        path = self.relative(source)
        if not has_wildcard(path):
            return [path] if os.path.lexists(self.root / path) else []
        found = ["."]
        for segment in path.split("/"):
            found = [child for folder in found for child in self._children(folder, segment)]
        return found

    def _children(self, folder: str, segment: str) -> Iterator[str]:
        if not has_wildcard(segment):
            child = posixpath.normpath(f"{folder}/{segment}")
            if os.path.lexists(self.root / child):
                yield child
            return
        try:
            names = sorted(os.listdir(self.root / folder))
        except OSError:
            return
        for name in names:
            self.count()
            if matches_segment(segment, name):
                yield posixpath.normpath(f"{folder}/{name}")

    def copies_something(self, path: str) -> bool:
        """Whether .dockerignore leaves something of a file or folder to be copied."""
        if path == "." or not self._ignores(path):
            return True
        # A line with ! may take back what lies below.
        return self._is_folder(path) and any(not self._ignores(child) for child in self._below(path))

    def _ignores(self, path: str) -> bool:
        self.count(1 + len(self.patterns))
        return is_ignored(path, self.patterns)

    def _below(self, folder: str) -> Iterator[str]:
        for directory, folders, files in os.walk(self.root / folder):
            folders.sort()
            for name in (*files, *folders):
                self.count()
                yield os.path.relpath(os.path.join(directory, name), self.root)

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every regular file, by its path."""
        for path in self._below("."):
            status = os.lstat(self.root / path)
            if stat.S_ISREG(status.st_mode):
                yield path, status

    def is_link(self, path: str) -> bool:
        """Whether the path itself is a symbolic link."""
        self.count(_LOOKS_OF_A_FILE)
        return os.path.islink(f"{self.root}/{path}")

    def read_start(self, path: str, size: int) -> bytes:
        """The first bytes of a regular file; none of anything else."""
        self.count(_LOOKS_OF_A_FILE)
        try:
            if not stat.S_ISREG(os.lstat(self.root / path).st_mode):
                return b""
            with open(self.root / path, "rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def _is_folder(self, path: str) -> bool:
        return os.path.isdir(self.root / path) and not self.is_link(path)

    def count(self, looks: int = 1) -> None:
        """Count so many looks. Raises TooManyFilesError beyond the bound."""
        self.looked_at += looks
        if self.looked_at > _MAX_LOOKS:
            raise TooManyFilesError


def open_context(root: Path, dockerfile: Path) -> Context:
    """The context with the patterns that hold for this Dockerfile."""
    return Context(Path(os.path.abspath(root)), load_patterns(root, dockerfile))


def has_wildcard(path: str) -> bool:
    """Whether a source path stands for several."""
    return any(character in path for character in _WILDCARDS)


def covers(source: str, path: str) -> bool:
    """Whether a source of COPY, relative to the context, takes this path along."""
    if source == ".":
        return True
    wanted, parts = source.split("/"), path.split("/")
    return len(wanted) <= len(parts) and all(
        matches_segment(segment, part) if has_wildcard(segment) else segment == part
        for segment, part in zip(wanted, parts, strict=False)
    )
