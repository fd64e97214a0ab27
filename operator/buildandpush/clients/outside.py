"""Connections to hosts outside of the cluster: which certificates are trusted, and one session for each set of them."""

import asyncio
import ssl
from functools import lru_cache
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from azure.core.pipeline.transport import AioHttpTransport

from buildandpush.clients.bounded import BoundedResponse

TIMEOUT: Final = aiohttp.ClientTimeout(total=20, connect=5)
MAX_SESSIONS: Final = 64
"""Sets of certificates of connectors' own that connections are kept for."""
RETIREMENT_SECONDS: Final = 300.0
"""How long a session that no new request gets is left to those that have it: longer than any of them lasts."""

ONE_TRY: Final[dict[str, Any]] = {"retry_total": 0, "permit_redirects": False}
"""Settings of Azure's clients. The queue asks again after a time of its own; a retry here would only hold a worker."""
ODD_ANSWERS: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What Azure's clients stumble with over answers that are not Azure's, such as a proxy's page."""

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


def is_passing(error: object) -> bool:
    """Whether an error of a connection is one of the moment: it broke off, rather than never came to be."""
    broken = isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | ConnectionResetError)
    return broken and not isinstance(error, aiohttp.ClientConnectorError | TimeoutError)


class Outside:
    """Sessions by the certificates they trust beside the usual ones. To be closed at the end."""

    def __init__(self, ca_file: str = "", resolver: AbstractResolver | None = None, *, verifies: bool = True) -> None:
        """`ca_file` names certificates in PEM form that are trusted for every host, such as those of a proxy.
        `resolver` finds hosts otherwise than by the machine's own settings. Without `verifies` every certificate is
        taken, as the installer may allow for some registries."""
        self._ca_file = ca_file
        self._verifies = verifies
        self._resolver = resolver
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        """The one used last at the end."""
        self._retired: dict[aiohttp.ClientSession, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def trust(self, ca_bundle: str = "") -> ssl.SSLContext:
        """The certificates that count; raises ssl.SSLError for ones that cannot be used."""
        found = _load_trust(self._ca_file, ca_bundle)
        if isinstance(found, str):
            raise ssl.SSLError(found)
        return found

    def session(self, ca_bundle: str = "") -> aiohttp.ClientSession:
        """The session for hosts that these certificates are trusted for."""
        found = self._sessions.pop(ca_bundle, None)
        if found is None or found.closed:
            found = self._make(ca_bundle)
        self._sessions[ca_bundle] = found
        # The usual certificates' is never retired: clients of Azure's keep it.
        own = [bundle for bundle in self._sessions if bundle]
        for bundle in own[: max(len(own) - MAX_SESSIONS, 0)]:
            self._retire(self._sessions.pop(bundle))
        return found

    def _make(self, ca_bundle: str) -> aiohttp.ClientSession:
        trusted = self.trust(ca_bundle)
        connector = aiohttp.TCPConnector(
            ssl=trusted if self._verifies else False, limit=32, keepalive_timeout=30, resolver=self._resolver
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=TIMEOUT,
            trust_env=True,
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
            response_class=BoundedResponse,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _retire(self, session: aiohttp.ClientSession) -> None:
        def close() -> None:
            del self._retired[session]
            task = asyncio.create_task(session.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        self._retired[session] = asyncio.get_running_loop().call_later(RETIREMENT_SECONDS, close)

    def transport(self, ca_bundle: str = "") -> AioHttpTransport:
        """The same session for Azure's clients, which leave it open."""
        return AioHttpTransport(session=self.session(ca_bundle), session_owner=False)

    async def close(self) -> None:
        """Close all sessions."""
        for timer in self._retired.values():
            timer.cancel()
        for session in (*self._sessions.values(), *self._retired):
            await session.close()
        self._sessions.clear()
        self._retired.clear()


@lru_cache(maxsize=MAX_SESSIONS)
def _load_trust(ca_file: str, ca_bundle: str) -> ssl.SSLContext | str:
    """The certificates that count, or why they cannot be used. Reading the usual ones takes some 50 ms, in which
    nothing else runs, so that failures are remembered, too."""
    try:
        certificates = _certificates_in(ca_bundle) if ca_bundle else ""
        context = ssl.create_default_context()
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
        if certificates:
            context.load_verify_locations(cadata=certificates)
    except OSError as error:  # OpenSSL's errors are OSErrors
        return str(error)
    return context


def _certificates_in(bundle: str) -> str:
    """The certificates without what stands between them. OpenSSL takes ASCII, and comments are in any language."""
    blocks = [
        f"{_BEGIN}{inner}{_END}"
        for inner, found, _ in (part.partition(_END) for part in bundle.split(_BEGIN)[1:])
        if found
    ]
    certificates = "\n".join(blocks)
    if len(blocks) != bundle.count(_BEGIN) or not blocks or not certificates.isascii():
        raise ssl.SSLError("the certificates are not in PEM form")
    return certificates
