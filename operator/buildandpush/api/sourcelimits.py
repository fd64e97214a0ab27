"""How much a source may bring: the installer's limits, which the operator hands to the source's container."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

_FREE_BYTES: Final = 64 * 1024**2
"""What a small archive may unpack to, whatever its ratio: a file of zeros shrinks to a thousandth."""


@dataclass(frozen=True)
class SourceLimits:
    """Limits of all kinds of source but git, inline files and ConfigMaps, which have limits of their own."""

    max_bytes: int = 8 * 1024**3
    """Of all files together."""
    max_files: int = 200_000
    """Files, folders and links."""
    max_ratio: int = 200
    """Bytes for each byte of an archive, above the first 64 MiB."""
    max_download_bytes: int = 4 * 1024**3
    """Of the archive itself, as it is downloaded or uploaded."""

    @classmethod
    def from_request(cls, limits: Mapping[str, int]) -> Self:
        """Those of a request; the usual ones where it names none."""
        return cls(**limits)

    def to_request(self) -> dict[str, Any]:
        """Those that are not the usual ones."""
        usual = asdict(USUAL_LIMITS)
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def room(self, archive_bytes: int) -> int:
        """How many bytes an archive of this size may unpack to."""
        return min(self.max_bytes, _FREE_BYTES + self.max_ratio * archive_bytes)

    def tell_room(self, archive_bytes: int) -> str:
        """Which limit gives the room, in words."""
        room = self.room(archive_bytes)
        return self.tell_bytes() if room == self.max_bytes else _tell(room, "bytes", "maxRatio")

    def tell_files(self) -> str:
        """The limit of files, in words."""
        return _tell(self.max_files, "files, folders and links", "maxFiles")

    def tell_bytes(self) -> str:
        """The limit of bytes, in words."""
        return _tell(self.max_bytes, "bytes", "maxBytes")

    def tell_download(self) -> str:
        """The limit of an archive's own size, in words."""
        return _tell(self.max_download_bytes, "bytes", "maxDownloadBytes")


USUAL_LIMITS: Final = SourceLimits()


def _tell(most: int, unit: str, name: str) -> str:
    return f"more than {most} {unit}, the limit source.{name} in the values of the operator's chart"
