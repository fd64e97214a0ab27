"""Downloads a file over https, from checked addresses and by redirects to such."""

import contextlib
import hashlib
import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPMessage
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.network.connection import (
    PLAIN,
    VERIFIED,
    connect,
    escape,
    host_of,
    telling_of,
    without_query,
)
from buildandpush.source.report import SourceError

REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 5
_CHUNK: Final = 1024 * 1024
_REASONS: Final = {401: Reason.SOURCE_DENIED, 403: Reason.SOURCE_DENIED, 429: Reason.SOURCE_THROTTLED}


@dataclass(frozen=True)
class Access:
    """How a server is trusted and what it is sent, beside what the installer of the operator says."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the host of the first URL alone."""
    trust: Path | None = None
    """File of the certificates; None for the usual ones."""
    tls: str = VERIFIED
    """How the host of the first URL is spoken to. Other hosts are always verified."""
    what: str = "the archive"
    """What is downloaded, in words."""
    explain: Callable[[int, HTTPMessage], SourceError | None] = lambda status, headers: None
    """What a status and headers of the first host mean, where that is known better than by the status."""


def download(url: str, target: Path, access: Access, limits: SourceLimits = USUAL_LIMITS) -> str:
    """Write the file to the target and give back its SHA-256 as hexadecimal digits; raises SourceError."""
    what = f"{access.what}'s address"
    first = host_of(url, what, access.tls)
    for _ in range(_MOST_REDIRECTS + 1):
        used = access if _is_at(url, first, what, access.tls) else Access(trust=access.trust, what=access.what)
        host, port = host_of(url, what, used.tls)
        with (
            telling_of(host),
            contextlib.closing(connect(host, port, used.trust, used.tls)) as connection,
            _ask(connection, url, used.headers) as answer,
        ):
            if answer.status not in REDIRECTS:
                _check_status(answer, url, used)
                return _receive(answer, target, limits, access.what)
            url = urljoin(url, escape(answer.headers.get("Location", "").encode("latin-1")))
    raise SourceError(
        Reason.SOURCE_INVALID, f"{without_query(url)} is the end of more than {_MOST_REDIRECTS} redirects"
    )


def _is_at(url: str, first: tuple[str, int], what: str, tls: str) -> bool:
    """Whether an address is at the first host, and of its scheme."""
    return url.startswith("http://" if tls == PLAIN else "https://") and host_of(url, what, tls) == first


def _ask(connection: http.client.HTTPConnection, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fixed = {"Accept-Encoding": "identity", "User-Agent": "buildandpush"}
    connection.request("GET", escape(path), headers={**fixed, **headers})
    return connection.getresponse()


def _check_status(answer: http.client.HTTPResponse, url: str, access: Access) -> None:
    status = answer.status
    if status == 200:
        return
    explained = access.explain(status, answer.headers)
    if explained is not None:
        raise explained
    raise SourceError(reason_of(status), f"{without_query(url)} is answered with {status}")


def reason_of(status: int) -> Reason:
    """What an answer that is no success says of the source."""
    fails = status >= 500 or status == 408
    return _REASONS.get(status, Reason.SOURCE_UNREACHABLE if fails else Reason.SOURCE_INVALID)


def _receive(answer: http.client.HTTPResponse, target: Path, limits: SourceLimits, what: str) -> str:
    digest, size, announced = hashlib.sha256(), 0, answer.headers.get("Content-Length", "")
    with target.open("wb") as opened:
        while chunk := answer.read(_CHUNK):
            size += len(chunk)
            if size > limits.max_download_bytes:
                raise SourceError(Reason.SOURCE_TOO_LARGE, f"{what} has {limits.tell_download()}")
            digest.update(chunk)
            opened.write(chunk)
    if announced.isdigit() and size != int(announced):
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"the server broke off after {size} of {announced} bytes")
    return digest.hexdigest()
