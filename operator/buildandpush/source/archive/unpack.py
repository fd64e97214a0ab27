"""Unpacks an archive that nobody vouches for: no path out of the folder, no device, and no more than the limits."""

import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Self, cast

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.archive.forms import NotDecompressedError, open_archive
from buildandpush.source.archive.writer import Writer, refused
from buildandpush.source.archive.ziplist import open_zip
from buildandpush.source.report import SourceError, reason_of

_CHUNK: Final = 1024 * 1024
_BROKEN: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error, NotDecompressedError),
    *(RuntimeError, ValueError, LookupError, ArithmeticError),
)
"""The last ones: of a loop of links, and of names, numbers and compressions that Python's readers do not expect."""
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""What a zip begins with. zipfile looks at the end alone, and finds there a zip that is the last file of a tar."""
_ABOUT_ENTRIES: Final = b"xgXLK"
"""Types of tar headers that tell more of the next entry, such as its long name. tarfile reads them as a whole."""
_MOST_ABOUT_ENTRY: Final = 1024**2
_HEADERS_OF_ENTRY: Final = 2048
"""Bytes that an entry of a tar takes beside its content, of those that are decompressed in all."""
_MOST_AT_ONCE: Final = 2 * 1024**2
"""Bytes that the headers of one entry may take. tarfile keeps what they say: long names, and maps of sparse files."""


def unpack(archive: Path, root: Path, strip: int, limits: SourceLimits = USUAL_LIMITS, *, whole: bool = False) -> int:
    """Unpack a tar, compressed or not, or a zip into the root; gives back how many entries. `strip` leading folders of
    each path are left out. `whole`: a tar without the mark at its end is refused, as it may have been cut off between
    two entries. Raises SourceError."""
    size = archive.stat().st_size
    if size == 0:
        raise SourceError(Reason.SOURCE_INVALID, "the archive is empty: it has 0 bytes")
    writer = Writer(root.resolve(), strip, limits, size, bytes_left=limits.room(size))
    try:
        if _begins_as_zip(archive):
            with open_zip(archive, limits) as opened:
                _unpack_zip(opened, writer)
        else:
            _unpack_any_tar(archive, writer, whole=whole)
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

    is_checked: bool = False
    """Whether it came by way of this class."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header of a block. Raises ReadError for a damaged one, and HeaderError at the end."""
        return cls._checked(buf, lambda: super(_Entry, cls).frombuf(buf, encoding, errors))

    @classmethod
    def _frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str, **how: Any) -> Self:
        """The same. Newer releases of Python, those of its older versions too, call this one alone. It is not a part of
        what Python documents, so types do not know it."""
        return cls._checked(buf, lambda: super(_Entry, cls)._frombuf(buf, encoding, errors, **how))  # type: ignore[misc]

    @classmethod
    def _checked(cls, buf: bytes | bytearray, read: Callable[[], Self]) -> Self:
        try:
            found = read()
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(f"{error} of an entry") from error
            raise
        if found.size < 0 or (found.type in _ABOUT_ENTRIES and found.size > _MOST_ABOUT_ENTRY):
            raise tarfile.ReadError(f"an entry's header tells of {found.size} bytes")
        found.is_checked = True
        return found


class _Measured:
    """What is decompressed of a tar: no more than the limits in all, and no more than a bound for one entry's headers.

    tarfile keeps headers in memory, and reads over content that nobody asks for."""

    def __init__(self, opened: IO[bytes], writer: Writer) -> None:
        self._opened, self._writer = opened, writer
        self._left = writer.bytes_left + writer.limits.max_files * _HEADERS_OF_ENTRY
        self.headers_left: int | None = _MOST_AT_ONCE  # the first header is read when the tar is opened
        """None while content is read."""

    def read(self, size: int) -> bytes:
        """As a file; raises SourceError and ReadError."""
        found = self._opened.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise self._writer.too_many_bytes()
        if self.headers_left is not None:
            self.headers_left -= len(found)
            if self.headers_left < 0:
                raise tarfile.ReadError(f"an entry's headers have more than {_MOST_AT_ONCE} bytes")
        return found


def _unpack_any_tar(archive: Path, writer: Writer, *, whole: bool) -> None:
    with open_archive(archive) as opened:
        measured = _Measured(opened, writer)
        # It asks for no more than to be read, and reads once from the beginning to the end.
        stream = cast("IO[bytes]", measured)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Entry, bufsize=64 * 1024) as opened_tar:
            _unpack_tar(opened_tar, measured, writer)
            # tarfile stops at the mark, which it has read then, or where nothing follows.
            if whole and opened_tar.fileobj.tell() == opened_tar.offset:
                raise tarfile.ReadError("it ends without the mark of a tar's end, so a part of it is missing")
        while measured.read(_CHUNK):
            pass  # a checksum of the whole may stand at the end


def _unpack_tar(archive: tarfile.TarFile, measured: _Measured, writer: Writer) -> None:
    while True:
        measured.headers_left = _MOST_AT_ONCE
        member = archive.next()
        measured.headers_left = None
        if member is None:
            return
        if not cast("_Entry", member).is_checked:
            raise tarfile.ReadError("this Python reads the headers of a tar in another way than the operator knows")
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
            raise refused(member.name, "is a device or pipe")


def _unpack_zip(archive: zipfile.ZipFile, writer: Writer) -> None:
    for member in archive.infolist():
        if "\0" in member.orig_filename:  # zipfile gives a name the part before it, which may be none
            raise zipfile.BadZipFile("an entry's name holds a zero byte")
        mode = member.external_attr >> 16
        if member.flag_bits & 0x1:
            raise refused(member.filename, "is encrypted")
        if member.is_dir():
            writer.make_folder(member.filename)
        elif stat.S_ISLNK(mode):
            with archive.open(member) as opened:
                writer.make_link(member.filename, os.fsdecode(opened.read(4096)))
        elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
            with archive.open(member) as opened:
                writer.write(member.filename, opened, mode or 0o644)
        else:
            raise refused(member.filename, "is a device or pipe")
