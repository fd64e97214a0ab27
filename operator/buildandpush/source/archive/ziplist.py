"""Opens a zip whose list of files is not too long: zipfile keeps the whole list in memory, and looks at it first."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.report import SourceError

_SIGNATURE: Final = b"PK\1\2"
"""What each file's place in the list begins with.
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT section 4.3.12"""
_BYTES_OF_FILE: Final = 320
"""Of the list for each file that is allowed. A name seldom has more than a hundred."""
_BYTES_OF_END: Final = 128 * 1024
"""What is read to find the list: the end of the zip, with its comment."""


@contextlib.contextmanager
def open_zip(archive: Path, limits: SourceLimits) -> Iterator[zipfile.ZipFile]:
    """The zip, its list read. Raises SourceError for a list that is too long, and BadZipFile."""
    with _Listed(archive, limits) as opened, zipfile.ZipFile(opened) as found:
        opened.is_listing = False
        yield found


class _Listed(io.BufferedReader):
    """The file. zipfile reads the list by one call."""

    def __init__(self, archive: Path, limits: SourceLimits) -> None:
        super().__init__(io.FileIO(archive))
        self._limits = limits
        self.is_listing = True

    def read(self, size: int | None = -1, /) -> bytes:
        """As every file; while it is listing, raise SourceError for a list that is too long."""
        if self.is_listing and size is not None and size > self._limits.max_files * _BYTES_OF_FILE + _BYTES_OF_END:
            raise self._too_many()
        found = super().read(size)
        if self.is_listing and found.count(_SIGNATURE) > self._limits.max_files:
            raise self._too_many()
        return found

    def _too_many(self) -> SourceError:
        return SourceError(Reason.SOURCE_TOO_LARGE, f"the archive holds {self._limits.tell_files()}")
