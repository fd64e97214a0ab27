"""Opens an archive for reading, whatever it is compressed with, with no more memory than a bound."""

import bz2
import contextlib
import gzip
import io
import lzma
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_MEMORY_MIB: Final = 128
"""For the window of a decompression. The program zstd reads no larger ones either, unless it is told to."""
_CHUNK: Final = 256 * 1024
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPED: Final = b"\x2a\x4d\x18"
"""What follows the first byte of a frame that is skipped, which some programs begin with.
https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2"""


class NotDecompressedError(Exception):
    """An archive is damaged, or needs more memory than the bound. Holds why, in words."""


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[IO[bytes]]:
    """The archive's bytes without their compression, to be read once from the beginning to the end.

    What has no compression that is known comes as it is. Reading raises NotDecompressedError, or EOFError, OSError,
    ValueError and zlib.error of Python's own readers.
    """
    with path.open("rb") as opened:
        begin = opened.read(6)
    with path.open("rb") as opened:  # anew, since a program would begin where this reader's buffer ends
        if begin.startswith(b"\x1f\x8b"):
            with gzip.open(opened) as found:
                yield found  # type: ignore[misc]
        elif begin.startswith(b"BZh"):
            with bz2.open(opened) as found:
                yield found
        elif begin.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
            with io.BufferedReader(_Xz(opened), _CHUNK) as found:
                yield found
        elif begin.startswith(_ZSTD) or (begin[1:4] == _ZSTD_SKIPPED and begin[0] >> 4 == 5):
            with io.BufferedReader(_Zstd(opened), _CHUNK) as found:
                yield found
        else:
            yield opened


class _Decompressed(io.RawIOBase):
    """Bytes that come in pieces."""

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read the next piece into the buffer; 0 at the end."""
        piece = self._next(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def _next(self, most: int) -> bytes:
        raise NotImplementedError


class _Xz(_Decompressed):
    """As lzma.open, but with a bound for the memory: an archive says itself how much its window takes."""

    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened
        self._decompressor = _new_xz()

    def _next(self, most: int) -> bytes:
        while True:
            given = b""
            if self._decompressor.eof:
                given = self._begin_of_next()
                if not given:
                    return b""
                self._decompressor = _new_xz()
            elif self._decompressor.needs_input:
                given = self._opened.read(_CHUNK)
                if not given:
                    raise EOFError("it ends in the middle")
            try:
                piece = self._decompressor.decompress(given, most)
            except lzma.LZMAError as error:
                raise NotDecompressedError(str(error)) from error
            if piece:
                return piece

    def _begin_of_next(self) -> bytes:
        """The beginning of the stream that follows, after zeros; empty for none."""
        given = self._decompressor.unused_data.lstrip(b"\0")
        while not given:
            read = self._opened.read(_CHUNK)
            if not read:
                return b""
            given = read.lstrip(b"\0")
        return given


def _new_xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_MEMORY_MIB * 1024**2)


class _Zstd(_Decompressed):
    """By the program zstd: Python before 3.14 has no reader of its own."""

    def __init__(self, opened: IO[bytes]) -> None:
        command = ["zstd", "--decompress", "--stdout", "--quiet", f"--memory={_MEMORY_MIB}MiB"]
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this
        self._process = subprocess.Popen(command, stdin=opened, stdout=subprocess.PIPE, stderr=self._words)

    def _next(self, most: int) -> bytes:
        piece: bytes = self._process.stdout.read1(most)  # type: ignore[union-attr]
        if not piece and self._process.wait() != 0:
            self._words.seek(0)
            words = self._words.read(400).decode(errors="replace").replace("/*stdin*\\ : ", "")
            raise NotDecompressedError(" ".join(words.split()) or f"zstd ended with {self._process.returncode}")
        return piece

    def close(self) -> None:
        """End the program, whatever is left to be read."""
        if not self.closed:
            self._process.kill()
            with self._process, self._words:
                super().close()
