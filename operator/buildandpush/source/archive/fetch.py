"""Fetches an archive: downloads it, checks its checksum, and only then unpacks it."""

import tempfile
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPMessage
from pathlib import Path
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.archive.azureblob import BlobLogin, explain_blob, read_blob_login
from buildandpush.source.archive.unpack import unpack
from buildandpush.source.facts import SourceFacts
from buildandpush.source.hidden import hide
from buildandpush.source.network.connection import without_query
from buildandpush.source.network.download import Access, download
from buildandpush.source.network.egress import write_trust
from buildandpush.source.report import SourceError

HEADERS_MOUNT: Final = Path(meta.DOWNLOAD_HEADERS_MOUNT)
_SET_BY_US: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


def fetch_archive(
    archive: dict[str, Any], root: Path, limits: SourceLimits = USUAL_LIMITS, headers_folder: Path = HEADERS_MOUNT
) -> SourceFacts:
    """Fetch what the request's `archive` names into the root."""
    print(f"Downloading {without_query(archive['url'])}", flush=True)
    folder = Path(tempfile.gettempdir())
    login = read_blob_login(archive)
    headers = read_headers(headers_folder) if "headersRef" in archive else login.headers
    trust = write_trust(folder, archive.get("caBundle", ""))
    access = Access(headers, trust, explain=partial(_explain, login))
    file = folder / "archive"
    try:
        found = _download(login, file, access, limits)
        wanted = archive.get("sha256")
        if wanted and found != wanted:
            raise SourceError(Reason.SOURCE_CHECKSUM, f"its SHA-256 is {found} and not {wanted}")
        unpack(file, root, archive.get("stripComponents", 0), limits)
        return SourceFacts(digest=f"sha256:{found}")
    finally:
        file.unlink(missing_ok=True)


def _download(login: BlobLogin, file: Path, access: Access, limits: SourceLimits) -> str:
    try:
        return download(login.url, file, access, limits)
    except SourceError as error:
        raise SourceError(error.reason, hide(str(error), (*access.headers.values(), *login.secrets))) from None


def _explain(login: BlobLogin, status: int, headers: HTTPMessage) -> SourceError | None:
    return explain_blob(status, headers.get("x-ms-error-code", ""), login, datetime.now(UTC))


def read_headers(folder: Path) -> dict[str, str]:
    """The headers that the Secret holds; raises SourceError for one that no request can carry. Never names a value."""
    headers = {}
    for file in sorted(folder.iterdir()):
        if not file.is_file() or file.name.startswith(".."):
            continue
        value = file.read_text(errors="replace").strip()
        if (
            not file.name.replace("-", "").isalnum()
            or file.name.lower() in _SET_BY_US
            or not (value.isprintable() and value.isascii())
        ):
            raise SourceError(
                Reason.SOURCE_DENIED, f"{file.name!r} in the Secret of headersRef is no header; correct it"
            )
        headers[file.name] = value
    return headers
