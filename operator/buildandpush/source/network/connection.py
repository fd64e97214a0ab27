"""Connections to checked addresses alone or through the pod's proxy: over https, and over http for who says so."""

import base64
import contextlib
import functools
import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from buildandpush.api.addresses import AddressRules
from buildandpush.api.reasons import Reason
from buildandpush.source.network.address import refuse_address, refuse_odd_name, resolve_host
from buildandpush.source.network.egress import find_proxy
from buildandpush.source.report import SourceError, is_disk_full
from buildandpush.tls import check_as_others_do

VERIFIED: Final = "verified"
UNVERIFIED: Final = "unverified"
"""TLS without a look at the certificate."""
PLAIN: Final = "plain"
"""http, and no TLS."""

_TIMEOUT_SECONDS: Final = 60.0
"""For each step, so that a server that stops in the middle is noticed."""
_MOST_ADDRESSES: Final = 16
"""Of one host, that are tried."""
_LEFT_AS_THEY_ARE: Final = "!#$%&'()*+,/:;=?@[]~"
"""What an address may hold beside letters, digits and -._"""


def host_of(url: str, what: str, tls: str = VERIFIED) -> tuple[str, int]:
    """Host and port of an https address, or with `tls` PLAIN of an http address. `what` names it in the SourceError for
    anything else."""
    scheme, usual_port = ("http", 80) if tls == PLAIN else ("https", 443)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SourceError(Reason.SOURCE_INVALID, f"{what} is no URL: its host or port cannot be read") from error
    if parts.scheme != scheme or not host or "@" in parts.netloc:
        message = f"{what}, {without_query(url)!r}, is no {scheme} address without a login"
        raise SourceError(Reason.SOURCE_INVALID, message)
    refuse_odd_name(host)
    return host, port or usual_port


def without_query(url: str) -> str:
    """The address as it may be told: a query may hold a signature, and what stands before an @ a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def escape(url: str | bytes) -> str:
    """The address with what no request can carry in its escaped form. http.client would name the whole address."""
    return quote(url, safe=_LEFT_AS_THEY_ARE)


@contextlib.contextmanager
def telling_of(host: str) -> Iterator[None]:
    """Raises SourceError for what goes wrong on the way to a host, or with the file that is written meanwhile."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise SourceError(Reason.CERTIFICATE_NOT_TRUSTED, f"{host}: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = Reason.NODE_DISK_FULL if is_disk_full(error) else Reason.SOURCE_UNREACHABLE
        raise SourceError(reason, f"{host}: {error or type(error).__name__}") from error


def connect(
    host: str, port: int, trust: Path | None, tls: str = VERIFIED, rules: AddressRules | None = None
) -> http.client.HTTPConnection:
    """A connection through the proxy, if there is one for this host, or else to a checked address. The default of
    `rules` is what builds may not fetch from."""
    context = None if tls == PLAIN else _context(trust, tls)
    # A dot at the end makes a name absolute. NO_PROXY lists names without it.
    proxy = urlsplit(find_proxy("http" if tls == PLAIN else "https", host.rstrip("."), port))
    if proxy.hostname:
        refuse_address(host, rules=rules)
        # The proxy itself is spoken to in the clear, as the variable's http:// says; TLS begins in its tunnel.
        tunnel = _open(proxy.hostname, proxy.port or 80, context)
        tunnel.set_tunnel(host, port, _proxy_login(proxy.username, proxy.password))
        return tunnel
    return _PinnedConnection(host, port, resolve_host(host, port, rules), context)


@functools.lru_cache(maxsize=4)
def _context(trust: Path | None, tls: str) -> ssl.SSLContext:
    """Kept, since it takes a while to read the usual certificates."""
    context = check_as_others_do(ssl.create_default_context(cafile=str(trust) if trust else None))
    if tls == UNVERIFIED:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _open(host: str, port: int, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if context is None:
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)


def _proxy_login(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    login = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


class _PinnedConnection(http.client.HTTPConnection):
    """To an address that was checked, whatever DNS says a moment later. The certificate is still the host's."""

    def __init__(self, host: str, port: int, addresses: list[str], context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=_TIMEOUT_SECONDS)
        self.default_port = 80 if context is None else 443  # which the header Host leaves out
        self._addresses, self._context_of_host = addresses, context

    def connect(self) -> None:
        """Open the connection, and TLS over it."""
        connected, context = self._connect_to_any(), self._context_of_host
        try:
            self.sock = connected if context is None else context.wrap_socket(connected, server_hostname=self.host)
        except BaseException:
            connected.close()
            raise

    def _connect_to_any(self) -> socket.socket:
        """A host may have addresses that this network does not lead to, such as IPv6 ones. They share the time: DNS may
        name thousands that say nothing."""
        *others, last = self._addresses[:_MOST_ADDRESSES]
        seconds = _TIMEOUT_SECONDS / (len(others) + 1)
        for address in others:
            with contextlib.suppress(OSError):
                return self._connect_to(address, seconds)
        return self._connect_to(last, seconds)

    def _connect_to(self, address: str, seconds: float) -> socket.socket:
        connected = socket.create_connection((address, self.port), seconds)
        connected.settimeout(self.timeout)
        return connected
