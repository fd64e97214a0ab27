"""Pointers of Git LFS: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.git.way import Way, run_git
from buildandpush.source.report import SourceError

_BEGIN: Final = b"version https://git-lfs.github.com/spec/v1\n"
_MAX_BYTES: Final = 1024
_OID: Final = re.compile(r"sha256:([0-9a-f]{64})")
_SIZE: Final = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Pointer:
    """A file that is a pointer."""

    path: str
    """Relative to the repository's root."""
    oid: str
    """SHA-256 of the content, in hexadecimal digits."""
    size: int
    """Of the content, in bytes."""


def find_pointers(root: Path, way: Way) -> list[Pointer]:
    """The files that .gitattributes gives to Git LFS and that are checked out as pointers; raises SourceError."""
    listed = run_git(root, way, "ls-files", "-t", "-z", "--", ":(attr:filter=lfs)").split("\0")
    # S stands for a file beside source.git.paths.
    paths = [entry[2:] for entry in listed if entry.startswith("H ")]
    found = (_read(root, path) for path in paths)
    return [pointer for pointer in found if pointer is not None]


def _read(root: Path, path: str) -> Pointer | None:
    try:
        status = (root / path).lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            return None
        return parse_pointer(path, (root / path).read_bytes())
    except OSError as error:
        raise SourceError(Reason.SOURCE_INVALID, f"{path!r} of Git LFS: {error.strerror}") from error


def parse_pointer(path: str, raw: bytes) -> Pointer | None:
    """The pointer that a file is; None for another file. Raises SourceError for a pointer that cannot be followed."""
    if not raw.startswith(_BEGIN):
        return None
    pairs = [line.partition(" ") for line in raw.decode(errors="replace").splitlines()]
    values = {key: value for key, _, value in pairs}
    oid, size = _OID.fullmatch(values.get("oid", "")), _SIZE.fullmatch(values.get("size", ""))
    if oid is None or size is None or any(key.startswith("ext-") for key in values):
        raise SourceError(Reason.SOURCE_INVALID, f"{path!r} is a pointer of Git LFS of a kind that cannot be followed")
    return Pointer(path, oid[1], int(size[0]))
