"""Fetches what a source object of Flux holds: downloads the artifact, compares its digest, and only then unpacks it.

The address and the digest are those of the object's status.artifact:
https://fluxcd.io/flux/components/source/gitrepositories/#artifact
"""

import tempfile
from pathlib import Path
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.archive.unpack import unpack
from buildandpush.source.facts import SourceFacts
from buildandpush.source.network.connection import PLAIN, VERIFIED, without_query
from buildandpush.source.network.download import Access, download
from buildandpush.source.network.egress import write_trust
from buildandpush.source.report import SourceError

_GONE: Final = frozenset({404, 410})


def fetch_flux(flux: dict[str, Any], root: Path, limits: SourceLimits = USUAL_LIMITS) -> SourceFacts:
    """Fetch what the request's `fluxSource` names into the root. Flux serves its artifacts over http; the digest, which
    the API server has told, stands for the content."""
    url, named = flux["url"], f"the artifact of {flux['kind']} {flux['name']}"
    print(f"Downloading {named}, {without_query(url)}", flush=True)
    folder = Path(tempfile.gettempdir())
    access = Access(
        trust=write_trust(folder),
        tls=PLAIN if url.startswith("http://") else VERIFIED,
        what=named,
        explain=lambda status, _: _explain(status, named),
    )
    file = folder / "artifact"
    try:
        found = f"sha256:{download(url, file, access, limits)}"
        if found != flux["digest"]:
            message = f"{named} has the digest {found} and not {flux['digest']}, which the object's status names"
            raise SourceError(Reason.SOURCE_CHECKSUM, message)
        unpack(file, root, 0, limits)
        return SourceFacts(digest=found)
    finally:
        file.unlink(missing_ok=True)


def _explain(status: int, named: str) -> SourceError | None:
    """Once Flux has a newer artifact, it keeps the older one for a while only."""
    if status not in _GONE:
        return None
    message = f"Flux answers {status}: it no longer has {named} that this run began with"
    return SourceError(Reason.REVISION_NOT_FOUND, f"{message}. Once it has fetched a newer one, a new run builds that")
