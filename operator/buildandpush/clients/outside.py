"""Connections to hosts outside of the cluster: which certificates are trusted, and one session for each set of them.

Users name these hosts, and the operator stands inside the cluster's network. So no session connects to an address that
the rules refuse, whatever name or redirect led there, and users are told of public hosts alone how they answer.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver
from aiohttp.helpers import get_env_proxy_for_url
from aiohttp.typedefs import LooseHeaders
from azure.core.pipeline.transport import AioHttpTransport
from yarl import URL

from buildandpush.api.addresses import AddressRules
from buildandpush.clients.bounded import BoundedResponse
from buildandpush.clients.recent import Recent
from buildandpush.clients.resolver import Resolver, WatchedResolver
from buildandpush.clients.shared import Shared
from buildandpush.clients.traffic.buckets import Buckets
from buildandpush.clients.traffic.circuits import OUTSIDE_LIMITS, Asked, Circuits, RefusedError
from buildandpush.core.azure.certificates import find_certificates
from buildandpush.core.azure.cloud import is_cloud_registry
from buildandpush.tls import check_as_others_do

# Not `connect`, which also limits the wait for one of the host's connections.
TIMEOUT: Final = aiohttp.ClientTimeout(total=20, sock_connect=5)
ANSWER_SECONDS: Final = 30.0
"""How long the body of an answer may take. Nobody waits for one any longer."""
CONNECTIONS_PER_HOST: Final = 32
MAX_SESSIONS: Final = 64
"""Sets of certificates of connectors' own that connections are kept for."""
RETIREMENT_SECONDS: Final = 300.0
"""How long a session that no new request gets is left to those that have it: longer than any of them lasts."""

_MAX_HOSTS: Final = 4096
"""Hosts whose proxy is remembered."""
_RESOLVE_SECONDS: Final = 5.0

ONE_TRY: Final[dict[str, Any]] = {"retry_total": 0, "permit_redirects": False}
"""Settings of Azure's clients. The queue asks again after a time of its own; a retry here would only hold a worker."""
ODD_ANSWERS: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What Azure's clients stumble with over answers that are not Azure's, such as a proxy's page."""


def is_passing(error: object) -> bool:
    """Whether an error of a connection is one of the moment: it broke off, rather than never came to be."""
    if isinstance(error, RefusedError):
        return error.passing
    broken = isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | ConnectionResetError)
    return broken and not isinstance(error, aiohttp.ClientConnectorError | TimeoutError)


class ForbiddenAddressError(PermissionError):
    """The rules refuse the address that a host has."""


class Outside:
    """Sessions by the certificates they trust beside the usual ones. To be closed at the end."""

    def __init__(
        self,
        ca_file: str = "",
        resolver: AbstractResolver | None = None,
        rules: AddressRules | None = None,
        *,
        verifies: bool = True,
        on_answer: Callable[[str, int | None], None] | None = None,
        circuits: Circuits | None = None,
        buckets: Buckets | None = None,
    ) -> None:
        """`ca_file` names certificates in PEM form that are trusted for every host, such as those of a proxy.
        `resolver` finds hosts otherwise than by the machine's own settings. `rules` widen or narrow the usual ones.
        Without `verifies` every certificate is taken, as the installer may allow for some registries. `on_answer` is
        called with the host of each request and the status of its answer, or with None if it did not answer."""
        self._ca_file = ca_file
        self._verifies = verifies
        self._rules = rules or AddressRules()
        self._resolver = WatchedResolver(resolver or Resolver(), self._rules.is_public)
        self._traces = [_make_trace(on_answer)] if on_answer else []
        self._circuits = circuits or Circuits(OUTSIDE_LIMITS)
        self._buckets = buckets or Buckets()
        self._node: aiohttp.ClientSession | None = None
        self._loading: Shared[str, ssl.SSLContext | str] = Shared()
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        """By the certificates that are trusted beside the usual ones. The one used last at the end."""
        self._retired: dict[aiohttp.ClientSession, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def trust(self, ca_bundle: str = "") -> ssl.SSLContext:
        """The certificates that count; raises ssl.SSLError for ones that cannot be used."""
        return await self._load(_certificates_in(ca_bundle))

    async def session(self, ca_bundle: str = "") -> aiohttp.ClientSession:
        """The session for hosts that these certificates are trusted for. Bundles that hold the same certificates share
        one. Raises ssl.SSLError for certificates that cannot be used."""
        certificates = _certificates_in(ca_bundle)
        trusted = await self._load(certificates)
        found = self._sessions.pop(certificates, None)
        if found is None or found.closed:
            found = self._make(trusted)
        self._sessions[certificates] = found
        # The usual certificates' is never retired: clients of Azure's keep it.
        own = [bundle for bundle in self._sessions if bundle]
        for bundle in own[: max(len(own) - MAX_SESSIONS, 0)]:
            self._retire(self._sessions.pop(bundle))
        return found

    async def _load(self, certificates: str) -> ssl.SSLContext:
        """The context that trusts these certificates too, read once in a thread: that takes some 50 ms."""
        found = _CONTEXTS.get((self._ca_file, certificates))
        if found is None:
            found = await self._loading.ask(certificates, partial(self._read, certificates))
        if isinstance(found, str):
            raise ssl.SSLError(found)
        return found

    async def _read(self, certificates: str) -> ssl.SSLContext | str:
        place = (self._ca_file, certificates)
        known = _CONTEXTS.get(place)  # read while this one waited for its turn
        return known or _CONTEXTS.put(place, await asyncio.to_thread(_load_trust, *place))

    def _make(self, trusted: ssl.SSLContext) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=trusted if self._verifies else False,
            limit=0,  # no host waits for the connections of another
            limit_per_host=CONNECTIONS_PER_HOST,
            keepalive_timeout=30,
            resolver=self._resolver,
            # It sees each address before a connection is made: those that URLs name, and those that DNS finds.
            socket_factory=partial(_open_socket, self._rules),
        )
        return _make_session(connector, self._traces, _ProxiedRequest, (self._ask,))

    async def _ask(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Every request passes here: one to a server that does not answer is refused, one too many waits a moment."""
        await self._buckets.wait(request.url.authority, request.url.path)
        asked = await self._circuits.begin(_endpoint_of(request.url))
        try:
            response = await handler(request)
        except BaseException as error:
            asked.end(error)
            raise
        _end_with(response, asked)
        return response

    def _retire(self, session: aiohttp.ClientSession) -> None:
        def close() -> None:
            del self._retired[session]
            self._close_soon(session)

        self._retired[session] = asyncio.get_running_loop().call_later(RETIREMENT_SECONDS, close)
        # Whoever changes certificates faster than sessions retire breaks off his own requests, and fills no memory.
        for oldest in list(self._retired)[: max(len(self._retired) - MAX_SESSIONS, 0)]:
            self._retired.pop(oldest).cancel()
            self._close_soon(oldest)

    def _close_soon(self, session: aiohttp.ClientSession) -> None:
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def transport(self, ca_bundle: str = "") -> AioHttpTransport:
        """The same session for Azure's clients, which leave it open."""
        return AioHttpTransport(session=await self.session(ca_bundle), session_owner=False)

    def node_transport(self) -> AioHttpTransport:
        """A session for the node's metadata service. It connects to any address and knows no proxy, so nobody but the
        client of that service may have it."""
        if self._node is None or self._node.closed:
            self._node = _make_session(aiohttp.TCPConnector(limit=4), self._traces, aiohttp.ClientRequest)
        return AioHttpTransport(session=self._node, session_owner=False)

    async def may_tell(self, host: str) -> bool:
        """Whether everybody may learn how a host, with or without a port, answers: Azure's registries, and what is not
        at a private address. Otherwise whoever may create a connector could explore the cluster's network with it."""
        name = host.partition(":")[0]
        if is_cloud_registry(name):
            return True
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                await self._resolver.resolve(name, 443, socket.AF_UNSPEC)
            return not self._resolver.was_inside(name)
        except (OSError, ValueError, TimeoutError):  # ValueError: no host name, or an address that is none
            return False

    def note_inside(self, host: str) -> None:
        """Heed from now on that a host was found at a private address by a client that has no session of this one."""
        self._resolver.note_inside(host)

    async def close(self) -> None:
        """Close all sessions."""
        for timer in self._retired.values():
            timer.cancel()
        for session in (*self._sessions.values(), *self._retired, *((self._node,) if self._node else ())):
            await session.close()
        self._sessions.clear()
        self._retired.clear()
        await self._resolver.close()


def _open_socket(rules: AddressRules, found: AddrInfoType) -> socket.socket:
    """A socket for an address that is about to be connected to; raises ForbiddenAddressError."""
    family, kind, protocol, _, place = found
    if rules.refuses(str(place[0])):
        raise ForbiddenAddressError(f"the operator may not connect to {place[0]}")
    return socket.socket(family=family, type=kind, proto=protocol)


def _end_with(response: aiohttp.ClientResponse, asked: Asked) -> None:
    """End a request with the last byte of its answer: a server that drips holds its readers up as one that is silent.
    An answer that somebody forgot ends after a while."""
    if not isinstance(response, BoundedResponse):
        asked.end()
        return
    timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, asked.end, asyncio.CancelledError())

    def told(whole: bool) -> None:
        timer.cancel()
        asked.end(None if whole else asyncio.CancelledError())

    response.tell_end(told)


def _endpoint_of(url: URL) -> str:
    """What one server's silence is the same for. Entra ID serves each tenant at a path of its own, and users name the
    tenants."""
    host = url.host or ""
    host = host if url.is_default_port() else f"{host}:{url.port}"
    first, _, rest = url.path.strip("/").partition("/")
    return f"{host}/{first}" if rest.startswith("oauth2/") else host


def _make_trace(on_answer: Callable[[str, int | None], None]) -> aiohttp.TraceConfig:
    """Tells of every request of a session, whichever client makes it."""

    async def answered(_: Any, __: Any, request: aiohttp.TraceRequestEndParams) -> None:
        on_answer(request.url.host or "", request.response.status)

    async def failed(_: Any, __: Any, request: aiohttp.TraceRequestExceptionParams) -> None:
        on_answer(request.url.host or "", None)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


class _ProxiedRequest(aiohttp.ClientRequest):
    """A request that goes through the proxy of the environment.

    A session that trusts the environment reads it, and ~/.netrc, in threads at each request. That took more time than
    the request itself. Nor is a login of ~/.netrc ever one of ours.
    """

    def update_proxy(
        self, proxy: URL | None, proxy_auth: aiohttp.BasicAuth | None, proxy_headers: LooseHeaders | None
    ) -> None:
        """Take the proxy of the request's host, unless the caller names one."""
        if proxy is None:
            proxy, proxy_auth = _find_proxy(self.url.scheme, self.url.host or "")
        super().update_proxy(proxy, proxy_auth, proxy_headers)


@lru_cache(maxsize=_MAX_HOSTS)
def _find_proxy(scheme: str, host: str) -> tuple[URL | None, aiohttp.BasicAuth | None]:
    """The proxy of the environment and the login to it, which stay as they are while the process lives."""
    try:
        return get_env_proxy_for_url(URL.build(scheme=scheme, host=host))
    except LookupError:
        return None, None


def _make_session(
    connector: aiohttp.TCPConnector,
    traces: list[aiohttp.TraceConfig],
    request_class: type[aiohttp.ClientRequest],
    middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = (),
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        trace_configs=traces,
        middlewares=middlewares,
        timeout=TIMEOUT,
        request_class=request_class,
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        response_class=BoundedResponse,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


_CONTEXTS: Final[Recent[tuple[str, str], ssl.SSLContext | str]] = Recent(MAX_SESSIONS)
"""The certificates that count, by file and bundle, or why they cannot be used."""


def _load_trust(ca_file: str, certificates: str) -> ssl.SSLContext | str:
    """The certificates that count, or why they cannot be used. OpenSSL reads most of them without Python's lock."""
    try:
        context = check_as_others_do(ssl.create_default_context())
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
        if certificates:
            context.load_verify_locations(cadata=certificates)
    except OSError as error:  # OpenSSL's errors are OSErrors
        return str(error)
    return context


def _certificates_in(bundle: str) -> str:
    """The certificates of a bundle; empty for none. Raises ssl.SSLError."""
    try:
        return find_certificates(bundle)
    except ValueError as error:
        raise ssl.SSLError(str(error)) from error
