"""One request to a server's API, and its answer up to a limit. A redirect is an answer like others."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from buildandpush.api.addresses import AddressRules
from buildandpush.api.reasons import Reason
from buildandpush.source.network.connection import VERIFIED, connect, escape, host_of, telling_of
from buildandpush.source.report import SourceError

MAX_BYTES: Final = 1024 * 1024
_FIXED: Final = {"Accept-Encoding": "identity", "User-Agent": "buildandpush"}


@dataclass(frozen=True)
class Request:
    """What is asked. `what` names the address in errors."""

    method: str
    url: str
    what: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """What the server says, well or not."""

    status: int
    headers: HTTPMessage = field(repr=False)
    body: bytes = field(repr=False)

    def read_object(self) -> dict[str, Any]:
        """The JSON object that the body holds; empty if it holds none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def ask(
    request: Request,
    trust: Path | None = None,
    max_bytes: int = MAX_BYTES,
    tls: str = VERIFIED,
    rules: AddressRules | None = None,
) -> Answer:
    """Send the request and read the answer. `trust` is a file of certificates; None for the usual ones. The default of
    `rules` is what builds may not fetch from.

    Raises SourceError if there is no answer, or one of more than `max_bytes`.
    """
    host, port = host_of(request.url, request.what, tls)
    parts = urlsplit(request.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with telling_of(host), contextlib.closing(connect(host, port, trust, tls, rules)) as connection:
        connection.connect()
        try:
            connection.request(request.method, escape(path), request.body, {**_FIXED, **request.headers})
        except ValueError:  # which names the header's value, and that may be a secret
            message = f"a header for {host} holds a character that no request can carry"
            raise SourceError(Reason.SOURCE_INVALID, message) from None
        with connection.getresponse() as answer:
            return Answer(answer.status, answer.headers, _read(answer, host, max_bytes))


def _read(answer: HTTPResponse, host: str, max_bytes: int) -> bytes:
    body = answer.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise SourceError(Reason.SOURCE_INVALID, f"{host} answers with more than {max_bytes} bytes")
    announced = answer.headers.get("Content-Length", "")
    if announced.isdigit() and len(body) != int(announced):
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"{host} broke off after {len(body)} of {announced} bytes")
    return body
