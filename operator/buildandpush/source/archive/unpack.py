"""Unpacks an archive that nobody vouches for: no path out of the folder, no device, and no more than the limits."""

import errno
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final, Self, cast

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError, reason_of

_CHUNK: Final = 1024 * 1024
_BROKEN: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error),
    *(RuntimeError, ValueError, LookupError, ArithmeticError),
)
"""The last ones: of a loop of links, and of names, numbers and compressions that Python's readers do not expect."""
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""What a zip begins with. zipfile looks at the end alone, and finds there a zip that is the last file of a tar."""
_ABOUT_ENTRIES: Final = b"xgXLK"
"""Types of tar headers that tell more of the next entry, such as its long name. tarfile reads them as a whole."""
_MOST_ABOUT_ENTRY: Final = 1024**2


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to."""

    files: int = 200_000
    """Files, folders and links."""
    bytes: int = 8 * 1024**3
    ratio: int = 200
    """Bytes for each byte of the archive, above the first 64 MiB."""

    def room(self, archive_bytes: int) -> int:
        """How many bytes an archive of this size may unpack to."""
        return min(self.bytes, 64 * 1024**2 + self.ratio * archive_bytes)


def unpack(archive: Path, root: Path, strip: int, limits: Limits = Limits()) -> int:
    """Unpack a tar, compressed or not, or a zip into the root; gives back how many entries. `strip` leading folders of
    each path are left out. Raises SourceError."""
    writer = _Writer(root.resolve(), strip, limits.files, limits.room(archive.stat().st_size))
    try:
        if _begins_as_zip(archive):
            with zipfile.ZipFile(archive) as opened:
                _unpack_zip(opened, writer)
        else:
            with tarfile.open(archive, tarinfo=_Entry) as opened_tar:
                _unpack_tar(opened_tar, writer)
        writer.check_links()
    except _BROKEN as error:
        raise SourceError(Reason.SOURCE_INVALID, f"the archive is broken, or no tar or zip: {error}") from error
    except OSError as error:
        raise SourceError(reason_of(error), f"the archive cannot be unpacked: {error.strerror or error}") from error
    if writer.entries == 0:
        raise SourceError(Reason.SOURCE_INVALID, f"the archive holds nothing below {strip} leading folders")
    return writer.entries


def _begins_as_zip(archive: Path) -> bool:
    with archive.open("rb") as opened:
        return opened.read(4) in _ZIP


class _Entry(tarfile.TarInfo):
    """A header. tarfile takes a damaged one for the end of the archive, and any size for granted."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header of a block. Raises ReadError for a damaged one, and HeaderError at the end."""
        try:
            found = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(f"{error} of an entry") from error
            raise
        if found.size < 0 or (found.type in _ABOUT_ENTRIES and found.size > _MOST_ABOUT_ENTRY):
            raise tarfile.ReadError(f"an entry's header tells of {found.size} bytes")
        return found


def _unpack_tar(archive: tarfile.TarFile, writer: "_Writer") -> None:
    while member := archive.next():
        archive.members.clear()  # type: ignore[attr-defined]  # all headers so far, which may be a lot of memory
        if member.isdir():
            writer.make_folder(member.name)
        elif member.issym():
            writer.make_link(member.name, member.linkname)
        elif member.islnk():
            writer.make_hard_link(member.name, member.linkname)
        elif member.isreg():
            with cast("IO[bytes]", archive.extractfile(member)) as content:  # None is for entries that are no files
                writer.write(member.name, content, member.mode)
        else:
            raise _refused(member.name, "is a device or pipe")


def _unpack_zip(archive: zipfile.ZipFile, writer: "_Writer") -> None:
    for member in archive.infolist():
        mode = member.external_attr >> 16
        if member.flag_bits & 0x1:
            raise _refused(member.filename, "is encrypted")
        if member.is_dir():
            writer.make_folder(member.filename)
        elif stat.S_ISLNK(mode):
            with archive.open(member) as opened:
                writer.make_link(member.filename, os.fsdecode(opened.read(4096)))
        elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
            with archive.open(member) as opened:
                writer.write(member.filename, opened, mode or 0o644)
        else:
            raise _refused(member.filename, "is a device or pipe")


@dataclass
class _Writer:
    """Writes entries below the root, and nothing through a link."""

    root: Path
    strip: int
    most: int
    """Entries that may come."""
    bytes_left: int
    seen: int = 0
    """Those that came. Left-out ones count too: each takes time."""
    entries: int = 0
    """Those that were not left out."""
    links: list[tuple[Path, str]] = field(default_factory=list)

    def make_folder(self, name: str) -> None:
        path = self._place(name)
        if path is not None:
            path.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, content: IO[bytes], mode: int) -> None:
        path = self._place(name)
        if path is None:
            self._copy(content.read, lambda chunk: None)  # a tar's content has to be read to come to the next entry
            return
        self._make_room(path, name)
        with path.open("xb") as opened:
            self._copy(content.read, opened.write)
        path.chmod(mode & 0o777 | 0o400)

    def make_link(self, name: str, target: str) -> None:
        path = self._place(name)
        if path is None:
            return
        if self._leads_out(path.parent / target):
            raise _refused(name, f"is a link out of the archive, to {target[:200]!r}")
        self._make_room(path, name)
        path.symlink_to(target)
        self.links.append((path, name))

    def check_links(self) -> None:
        """Look again at all links, since a later one may turn where an earlier one leads."""
        for path, name in self.links:
            if self._leads_out(path):
                raise _refused(name, "is a link out of the archive, by way of another one")

    def _leads_out(self, path: Path) -> bool:
        """Whether a path leads out of the root. A chain of links that is too long for the system leads nowhere."""
        try:
            path.stat()
        except OSError as error:
            if error.errno == errno.ELOOP:
                return False
        return not Path(os.path.realpath(path)).is_relative_to(self.root)

    def make_hard_link(self, name: str, target: str) -> None:
        path, first = self._place(name), self._place(target, counts=False)
        if path is None:
            return
        if first is None or first.is_symlink() or not first.is_file():
            raise _refused(name, f"is a hard link to {target[:200]!r}, which is no file before it in the archive")
        if path != first:
            self._make_room(path, name)
            path.hardlink_to(first)

    def _place(self, name: str, *, counts: bool = True) -> Path | None:
        """Where the entry goes; None for one that is left out."""
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\0" in name:
            raise _refused(name, "leads out of the archive")
        if counts:
            self.seen += 1
            if self.seen > self.most:
                raise SourceError(Reason.SOURCE_TOO_LARGE, f"the archive holds more than {self.most} files")
        parts = pure.parts[self.strip :]
        if not parts:
            return None
        self.entries += counts
        path = self.root.joinpath(*parts)
        if path.parent.resolve() != path.parent:
            raise _refused(name, "goes through a link")
        return path

    def _make_room(self, path: Path, name: str) -> None:
        """A later entry of the same name takes the place of an earlier one, as with tar."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            raise _refused(name, "is a folder before it in the archive")

    def _copy(self, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
        while chunk := read(_CHUNK):
            self.bytes_left -= len(chunk)
            if self.bytes_left < 0:
                raise SourceError(
                    Reason.SOURCE_TOO_LARGE, "the archive unpacks to more bytes than are allowed for its size"
                )
            write(chunk)


def _refused(name: str, why: str) -> SourceError:
    return SourceError(Reason.SOURCE_INVALID, f"{name[:200]!r} in the archive {why}")
