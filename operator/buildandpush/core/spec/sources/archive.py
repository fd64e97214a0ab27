"""What is refused in an archive."""

from buildandpush.api.sources.archive import ArchiveSource
from buildandpush.core.errors import SpecInvalidError


def check_archive(archive: ArchiveSource) -> None:
    """Raise SpecInvalidError for an archive that cannot be used."""
    if not archive.url.startswith("https://"):
        raise SpecInvalidError("source.archive.url", "it is no https address; write https://<host>/<path>")
    if bool(archive.sha256) == bool(archive.unverified):
        raise SpecInvalidError(
            "source.archive", "give the archive's sha256, or unverified: true if its content may change"
        )
