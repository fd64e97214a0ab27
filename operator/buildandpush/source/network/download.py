"""Downloads a file over https, from checked addresses and by redirects to such."""

import base64
import contextlib
import hashlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from buildandpush.api.reasons import Reason
from buildandpush.source.network.address import refuse_address, refuse_odd_name, resolve_host
from buildandpush.source.network.egress import find_proxy
from buildandpush.source.report import SourceError, is_disk_full

_TIMEOUT_SECONDS: Final = 60.0
"""For each step, so that a server that stops in the middle is noticed."""
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 5
_CHUNK: Final = 1024 * 1024
MAX_BYTES: Final = 4 * 1024**3
_LEFT_AS_THEY_ARE: Final = "!#$%&'()*+,/:;=?@[]~"
"""What an address may hold beside letters, digits and -._"""
_REASONS: Final = {401: Reason.SOURCE_DENIED, 403: Reason.SOURCE_DENIED, 429: Reason.SOURCE_THROTTLED}


@dataclass(frozen=True)
class Access:
    """How a server is trusted and what it is sent, beside what the installer of the operator says."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the host of the first URL alone."""
    trust: Path | None = None
    """File of the certificates; None for the usual ones."""


def download(url: str, target: Path, access: Access, max_bytes: int = MAX_BYTES) -> str:
    """Write the file to the target and give back its SHA-256 as hexadecimal digits; raises SourceError."""
    first = _host_of(url)
    for _ in range(_MOST_REDIRECTS + 1):
        host, port = _host_of(url)
        headers = access.headers if (host, port) == first else {}
        try:
            with (
                contextlib.closing(_connect(host, port, access.trust)) as connection,
                _ask(connection, url, headers) as answer,
            ):
                if answer.status not in _REDIRECTS:
                    _check_status(answer.status, url)
                    return _receive(answer, target, max_bytes)
                url = urljoin(url, _escape(answer.headers.get("Location", "").encode("latin-1")))
        except ssl.SSLCertVerificationError as error:
            raise SourceError(Reason.CERTIFICATE_NOT_TRUSTED, f"{host}: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = Reason.NODE_DISK_FULL if is_disk_full(error) else Reason.SOURCE_UNREACHABLE
            raise SourceError(reason, f"{host}: {error or type(error).__name__}") from error
    raise SourceError(
        Reason.SOURCE_INVALID, f"{without_query(url)} is the end of more than {_MOST_REDIRECTS} redirects"
    )


def without_query(url: str) -> str:
    """The address as it may be told: a query may hold a signature, and what stands before an @ a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _escape(url: str | bytes) -> str:
    """The address with what no request can carry in its escaped form. http.client would name the whole address."""
    return quote(url, safe=_LEFT_AS_THEY_ARE)


def _host_of(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SourceError(Reason.SOURCE_INVALID, f"the archive's address is no URL: {error}") from error
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        raise SourceError(Reason.SOURCE_INVALID, f"{without_query(url)!r} is no https address without a login")
    refuse_odd_name(host)
    return host, port or 443


def _connect(host: str, port: int, trust: Path | None) -> http.client.HTTPSConnection:
    """A connection through the proxy, if there is one for this host, or else to a checked address."""
    context = ssl.create_default_context(cafile=str(trust) if trust else None)
    proxy = urlsplit(find_proxy("https", host, port))
    if proxy.hostname:
        refuse_address(host)
        # The proxy itself is spoken to in the clear, as the variable's http:// says; TLS begins in its tunnel.
        tunnel = http.client.HTTPSConnection(
            proxy.hostname, proxy.port or 80, timeout=_TIMEOUT_SECONDS, context=context
        )
        tunnel.set_tunnel(host, port, _proxy_login(proxy.username, proxy.password))
        return tunnel
    return _PinnedConnection(host, port, resolve_host(host, port), context)


def _proxy_login(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    login = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


class _PinnedConnection(http.client.HTTPSConnection):
    """To an address that was checked, whatever DNS says a moment later. The certificate is still the host's."""

    def __init__(self, host: str, port: int, addresses: list[str], context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=_TIMEOUT_SECONDS, context=context)
        self._addresses, self._context_of_host = addresses, context

    def connect(self) -> None:
        """Open the connection, and TLS over it."""
        connected = self._connect_to_any()
        try:
            self.sock = self._context_of_host.wrap_socket(connected, server_hostname=self.host)
        except BaseException:
            connected.close()
            raise

    def _connect_to_any(self) -> socket.socket:
        """A host may have addresses that this network does not lead to, such as IPv6 ones."""
        *others, last = self._addresses
        for address in others:
            with contextlib.suppress(OSError):
                return socket.create_connection((address, self.port), self.timeout)
        return socket.create_connection((last, self.port), self.timeout)


def _ask(connection: http.client.HTTPSConnection, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fixed = {"Accept-Encoding": "identity", "User-Agent": "buildandpush"}
    connection.request("GET", _escape(path), headers={**fixed, **headers})
    return connection.getresponse()


def _check_status(status: int, url: str) -> None:
    if status == 200:
        return
    reason = _REASONS.get(
        status, Reason.SOURCE_UNREACHABLE if status >= 500 or status == 408 else Reason.SOURCE_INVALID
    )
    raise SourceError(reason, f"{without_query(url)} is answered with {status}")


def _receive(answer: http.client.HTTPResponse, target: Path, max_bytes: int) -> str:
    digest, size, announced = hashlib.sha256(), 0, answer.headers.get("Content-Length", "")
    with target.open("wb") as opened:
        while chunk := answer.read(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise SourceError(Reason.SOURCE_TOO_LARGE, f"the archive has more than {max_bytes} bytes")
            digest.update(chunk)
            opened.write(chunk)
    if announced.isdigit() and size != int(announced):
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"the server broke off after {size} of {announced} bytes")
    return digest.hexdigest()
