"""What is refused in an archive."""

import re

from buildandpush.api.sources.archive import ArchiveSource
from buildandpush.api.urls import AZURE_BLOB_URL
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.redact import show_value


def check_archive(archive: ArchiveSource) -> None:
    """Raise SpecInvalidError for an archive that cannot be used."""
    if not archive.url.startswith("https://"):
        raise SpecInvalidError("source.archive.url", "it is no https address; write https://<host>/<path>")
    if bool(archive.sha256) == bool(archive.unverified):
        raise SpecInvalidError(
            "source.archive", "give the archive's sha256, or unverified: true if its content may change"
        )
    logins = {"sasSecretRef": archive.sas_secret_ref, "connectorRef": archive.connector_ref}
    given = [name for name, value in {"headersRef": archive.headers_ref, **logins}.items() if value]
    if len(given) > 1:
        raise SpecInvalidError("source.archive", f"{' and '.join(given)} are given; give one of them")
    if given and given != ["headersRef"] and not re.fullmatch(AZURE_BLOB_URL, archive.url):
        raise SpecInvalidError(
            f"source.archive.{given[0]}",
            "it logs in to Azure Blob Storage alone, not to "
            f"{show_value(archive.url.partition('?')[0])}; for other servers use headersRef",
        )
