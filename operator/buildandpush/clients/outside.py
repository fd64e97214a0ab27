"""Connections to hosts outside of the cluster: which certificates are trusted, and one session for each set of them."""

import ssl
from functools import lru_cache
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from azure.core.pipeline.transport import AioHttpTransport

TIMEOUT: Final = aiohttp.ClientTimeout(total=20, connect=5)
_MAX_SESSIONS: Final = 64


class Outside:
    """Sessions by the certificates they trust beside the usual ones. To be closed at the end."""

    def __init__(self, ca_file: str = "", resolver: AbstractResolver | None = None) -> None:
        """`ca_file` names certificates in PEM form that are trusted for every host, such as those of a proxy.
        `resolver` finds hosts otherwise than by the machine's own settings."""
        self._ca_file = ca_file
        self._resolver = resolver
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def trust(self, ca_bundle: str = "") -> ssl.SSLContext:
        """The certificates that count; raises ssl.SSLError or OSError for ones that cannot be read."""
        return _load_trust(self._ca_file, ca_bundle)

    def session(self, ca_bundle: str = "") -> aiohttp.ClientSession:
        """The session for hosts that these certificates are trusted for."""
        found = self._sessions.get(ca_bundle)
        if found is None or found.closed:
            connector = aiohttp.TCPConnector(
                ssl=self.trust(ca_bundle), limit=32, keepalive_timeout=30, resolver=self._resolver
            )
            # The Azure clients decompress for themselves.
            found = aiohttp.ClientSession(
                connector=connector,
                timeout=TIMEOUT,
                trust_env=True,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._sessions[ca_bundle] = found
        return found

    def transport(self, ca_bundle: str = "") -> AioHttpTransport:
        """The same session for Azure's clients, which leave it open."""
        return AioHttpTransport(session=self.session(ca_bundle), session_owner=False)

    async def close(self) -> None:
        """Close all sessions."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


@lru_cache(maxsize=_MAX_SESSIONS)
def _load_trust(ca_file: str, ca_bundle: str) -> ssl.SSLContext:
    # Reading the usual certificates takes some 50 ms, in which nothing else would run.
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    if ca_bundle:
        context.load_verify_locations(cadata=ca_bundle)
    return context
