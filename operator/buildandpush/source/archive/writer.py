"""Writes the entries of an archive that nobody vouches for: below one folder, through no link, within the limits."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.report import SourceError

_CHUNK: Final = 1024 * 1024
_MOST_LINKS: Final = 40
"""In a row. Linux follows no more: https://man7.org/linux/man-pages/man7/path_resolution.7.html"""


@dataclass
class Writer:
    """Writes entries below the root, and nothing through a link. Every method raises SourceError for an entry that must
    not be, and OSError for what the file system refuses."""

    root: Path
    strip: int
    limits: SourceLimits
    size: int
    """Of the archive, in bytes."""
    bytes_left: int
    seen: int = 0
    """Those that came. Left-out ones count too: each takes time."""
    entries: int = 0
    """Those that were not left out."""
    links: list[tuple[Path, str]] = field(default_factory=list)

    def make_folder(self, name: str) -> None:
        """Make a folder that an entry stands for."""
        path = self._place(name)
        if path is not None:
            path.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, content: IO[bytes], mode: int) -> None:
        """Write a file."""
        path = self._place(name)
        if path is None:
            self._copy(content.read, lambda chunk: None)  # a tar's content has to be read to come to the next entry
            return
        self._make_room(path, name)
        with path.open("xb") as opened:
            self._copy(content.read, opened.write)
        path.chmod(mode & 0o777 | 0o400)

    def make_link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        path = self._place(name)
        if path is None:
            return
        if self._leads_out(path.parent / target):
            raise refused(name, f"is a link out of the archive, to {target[:200]!r}")
        self._make_room(path, name)
        path.symlink_to(target)
        self.links.append((path, name))

    def check_links(self) -> None:
        """Look again at all links, since a later one may turn where an earlier one leads."""
        for path, name in self.links:
            if self._leads_out(path):
                raise refused(name, "is a link out of the archive, by way of another one")

    def _leads_out(self, path: Path) -> bool:
        """Whether a path leads out of the root. A circle of links leads nowhere. A long row does so for the system
        alone: kaniko follows 255 links."""
        try:
            path.stat()
        except OSError as error:
            if error.errno == errno.ELOOP:
                return not _is_circle(path)
        return not Path(os.path.realpath(path)).is_relative_to(self.root)

    def make_hard_link(self, name: str, target: str) -> None:
        """Give a file that was written before another name."""
        path, first = self._place(name), self._place(target, counts=False)
        if path is None:
            return
        if first is None or first.is_symlink() or not first.is_file():
            raise refused(name, f"is a hard link to {target[:200]!r}, which is no file before it in the archive")
        if path != first:
            self._make_room(path, name)
            path.hardlink_to(first)

    def _place(self, name: str, *, counts: bool = True) -> Path | None:
        """Where the entry goes; None for one that is left out."""
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\0" in name:
            raise refused(name, "leads out of the archive")
        if counts:
            self.seen += 1
            if self.seen > self.limits.max_files:
                raise SourceError(Reason.SOURCE_TOO_LARGE, f"the archive holds {self.limits.tell_files()}")
        parts = pure.parts[self.strip :]
        if not parts:
            return None
        self.entries += counts
        path = self.root.joinpath(*parts)
        if self._leads_through_link(parts[:-1]):
            raise refused(name, "goes through a link")
        return path

    def _leads_through_link(self, folders: tuple[str, ...]) -> bool:
        """Whether one of the folders below the root is a link. A link counts even if it leads nowhere."""
        return any(self.root.joinpath(*folders[:count]).is_symlink() for count in range(1, len(folders) + 1))

    def _make_room(self, path: Path, name: str) -> None:
        """A later entry of the same name takes the place of an earlier one, as with tar."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            raise refused(name, "is a folder before it in the archive")

    def _copy(self, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
        while chunk := read(_CHUNK):
            self.bytes_left -= len(chunk)
            if self.bytes_left < 0:
                raise self.too_many_bytes()
            write(chunk)

    def too_many_bytes(self) -> SourceError:
        """The error of an archive that unpacks to more than its room."""
        told = self.limits.tell_room(self.size)
        return SourceError(Reason.SOURCE_TOO_LARGE, f"the archive has {self.size} bytes, and unpacks to {told}")


def _is_circle(path: Path) -> bool:
    """Whether a link comes back to itself, or to one that it led to, by way of links alone."""
    met: set[Path] = set()
    while path not in met:
        met.add(path)
        try:
            path = Path(os.path.normpath(path.parent / path.readlink()))
        except OSError:  # the row goes through a folder that is itself a link
            return False
        if len(met) > _MOST_LINKS:
            return False
    return True


def refused(name: str, why: str) -> SourceError:
    """The error of an entry that is not written."""
    return SourceError(Reason.SOURCE_INVALID, f"{name[:200]!r} in the archive {why}")
