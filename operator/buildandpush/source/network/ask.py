"""One request to a server's API, and its answer up to a limit. A redirect is an answer like others."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from buildandpush.api.addresses import AddressRules
from buildandpush.api.reasons import Reason
from buildandpush.source.network.connection import VERIFIED, connect, escape, host_of, telling_of
from buildandpush.source.report import SourceError

MAX_BYTES: Final = 1024 * 1024
SECONDS: Final = 300.0
"""For a request and its answer."""
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
    seconds: float = SECONDS,
) -> Answer:
    """Send the request and read the answer. `trust` is a file of certificates; None for the usual ones. The default of
    `rules` is what builds may not fetch from.

    Raises SourceError if there is no answer, or one of more than `max_bytes`, or of more than `seconds` once the server
    has begun to listen.
    """
    host, port = host_of(request.url, request.what, tls)
    parts = urlsplit(request.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with telling_of(host), contextlib.closing(connect(host, port, trust, tls, rules)) as connection:
        connection.connect()
        with _ending(connection.sock, seconds):
            return _exchange(connection, request, escape(path), host, max_bytes)


def _exchange(connection: HTTPConnection, request: Request, path: str, host: str, max_bytes: int) -> Answer:
    try:
        connection.request(request.method, path, request.body, {**_FIXED, **request.headers})
    except ValueError:  # which names the header's value, and that may be a secret
        message = f"a header for {host} holds a character that no request can carry"
        raise SourceError(Reason.SOURCE_INVALID, message) from None
    with connection.getresponse() as answer:
        return Answer(answer.status, answer.headers, _read(answer, host, max_bytes))


@contextlib.contextmanager
def _ending(opened: socket.socket, seconds: float) -> Iterator[None]:
    """Ends the connection once its time is over: a server that sends a byte now and then would hold it for ever."""
    over = threading.Event()
    told = f"no whole answer within {seconds:g} s"

    def end() -> None:
        over.set()
        with contextlib.suppress(OSError):
            # Not that of ssl, which would read on without it.
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException, SourceError) as error:
        if over.is_set():
            raise TimeoutError(told) from error
        raise
    finally:
        timer.cancel()
    if over.is_set():  # an answer without a length seems to be whole
        raise TimeoutError(told)


def _read(answer: HTTPResponse, host: str, max_bytes: int) -> bytes:
    body = answer.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise SourceError(Reason.SOURCE_INVALID, f"{host} answers with more than {max_bytes} bytes")
    announced = answer.headers.get("Content-Length", "")
    if announced.isdigit() and len(body) != int(announced):
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"{host} broke off after {len(body)} of {announced} bytes")
    return body
