"""Connections over https, to checked addresses alone or through the pod's proxy."""

import base64
import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from buildandpush.api.reasons import Reason
from buildandpush.source.network.address import refuse_address, refuse_odd_name, resolve_host
from buildandpush.source.network.egress import find_proxy
from buildandpush.source.report import SourceError, is_disk_full

_TIMEOUT_SECONDS: Final = 60.0
"""For each step, so that a server that stops in the middle is noticed."""
_LEFT_AS_THEY_ARE: Final = "!#$%&'()*+,/:;=?@[]~"
"""What an address may hold beside letters, digits and -._"""


def host_of(url: str, what: str) -> tuple[str, int]:
    """Host and port of an https address; `what` names it in the SourceError for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SourceError(Reason.SOURCE_INVALID, f"{what} is no URL: {error}") from error
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        raise SourceError(Reason.SOURCE_INVALID, f"{what}, {without_query(url)!r}, is no https address without a login")
    refuse_odd_name(host)
    return host, port or 443


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


def connect(host: str, port: int, trust: Path | None) -> http.client.HTTPSConnection:
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
