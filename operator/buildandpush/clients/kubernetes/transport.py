"""Sends requests to one API server over `kubernetes.aio`, and reads what it answers: objects, pages, watches.

The typed models of that client cost more time than the request itself, so only its transport and login are used.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes import aio

from buildandpush.api import meta
from buildandpush.clients.bounded import TooLongError, read_bounded
from buildandpush.clients.errors import BrokenAnswerError, KubernetesError, UnavailableError
from buildandpush.clients.kubernetes.lists import (
    NAMES_ONLY,
    NAMES_PAGE_SIZE,
    WHOLE_PAGE_SIZE,
    Listing,
    parse_names,
    parse_page,
)
from buildandpush.clients.kubernetes.refusal import classify_refusal
from buildandpush.clients.kubernetes.watchstream import read_events
from buildandpush.clients.traffic.pauses import read_pause
from buildandpush.core.jsonvalue import UnreadableError, parse_object
from buildandpush.tls import check_as_others_do, trust_anew

Object = dict[str, Any]
OnAnswer = Callable[[str, int | None], None]
OnStatus = Callable[[int | None], None]

_TIMEOUT_SECONDS: Final = 40
"""The API server itself ends a write after 34 s, in its own words, and waits up to 30 s of them for a webhook."""
_WATCH_SECONDS: Final = 300
"""For how long the API server keeps a watch."""
_MERGE_PATCH: Final = "application/merge-patch+json"
_MAX_ANSWER: Final = 16 * 2**20
"""Bytes. An object has at most some 3 MiB, and a page that is longer is asked for in smaller ones."""
_FEWER: Final = 10
_GONE: Final = 410
_JSON: Final = "application/json"


def _ignore(verb: str, status: int | None) -> None:
    """Nobody counts requests."""


class Transport:
    """Requests to one API server by their paths. Every method raises NotFoundError, ConflictError, KubernetesError or
    UnavailableError."""

    def __init__(self, api: Any, *, guard: Callable[[], None] = lambda: None, on_answer: OnAnswer = _ignore) -> None:
        """`guard` is called before every write, and raises where the operator may not act any more. `on_answer` is
        called with the verb of each request and the status of its answer, or with None if nobody answered."""
        self._api = api
        self._guard = guard
        self._on_answer = on_answer
        self._whole_lists: set[str] = set()
        """Paths of lists that come with whole objects though names were asked for."""

    def guarded(self, guard: Callable[[], None]) -> Self:
        """The same connection, each write guarded."""
        return type(self)(self._api, guard=guard, on_answer=self._on_answer)

    @classmethod
    async def connect(cls, on_answer: OnAnswer = _ignore) -> Self:
        """Log in as the pod's service account, or by kubeconfig outside of a cluster."""
        configuration = aio.client.Configuration()
        try:
            aio.config.load_incluster_config(client_configuration=configuration)
        except aio.config.ConfigException:
            await aio.config.load_kube_config(client_configuration=configuration)
        return cls.of(configuration, on_answer)

    @classmethod
    def of(cls, configuration: Any, on_answer: OnAnswer = _ignore) -> Self:
        """The transport to an API server that a configuration names and logs in at."""
        # The proxy of the environment is for hosts outside. Reading it costs time at each request.
        configuration.client_session_kwargs = {"trust_env": False}
        # 0: as many connections as there are requests, which the work queue bounds. A request of the lease does not
        # wait behind others that hang.
        configuration.connection_pool_maxsize = 0
        api = aio.client.ApiClient(configuration)
        check_as_others_do(api.rest_client.ssl_context)
        return cls(api, on_answer=on_answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()

    async def request(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Object | None = None
    ) -> Object:
        """The object that the API server answers with."""
        data = await self.send(method, path, query=query, body=body)
        try:
            return parse_object(data, most_values=_MAX_ANSWER)
        except UnreadableError as error:
            raise BrokenAnswerError(f"{method} {path}: {error}") from error

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        limit: int = _MAX_ANSWER,
        cut: bool = False,
        accept: str = _JSON,
    ) -> bytes:
        """The answer's body, of at most `limit` bytes. Of a longer one its beginning with `cut`, else an error."""
        if method != "GET":
            self._guard()
        try:
            response = await self._open(method, path, query=query, body=body, accept=accept)
            data = await _read_answer(response.response, limit, cut=cut)
        except TooLongError as error:
            raise _LongAnswerError(f"{method} {path}: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 400:
            refused = classify_refusal(response.status, data, f"{method} {path}")
            if isinstance(refused, UnavailableError):
                refused.retry_after_seconds = read_pause(response.status, response.response.headers)
            raise refused
        return data

    async def list_page(self, path: str, query: Mapping[str, Any], token: str, *, names_only: bool = False) -> Listing:
        """One page of a list. Objects that are too long together come in a smaller page. So do those of a server that
        sends whole objects where names were asked for."""
        limit = WHOLE_PAGE_SIZE if not names_only or path in self._whole_lists else NAMES_PAGE_SIZE
        accept = NAMES_ONLY if names_only else _JSON
        while True:
            page = {**query, "limit": limit, **({"continue": token} if token else {})}
            try:
                data = await self.send("GET", path, query=page, accept=accept)
                if not names_only:
                    return parse_page(data, most_values=_MAX_ANSWER)
                return self._note_form(path, parse_names(data))
            except _LongAnswerError:
                if limit < _FEWER:
                    raise
                limit //= _FEWER
            except UnreadableError as error:
                raise UnavailableError(f"GET {path}: {error}") from error
            except KubernetesError as error:
                if error.status == _GONE and token:
                    raise UnavailableError(f"GET {path}: {error}") from error
                raise

    async def watch(
        self,
        path: str,
        version: str,
        selector: Mapping[str, str],
        *,
        bookmarks: bool = False,
        on_status: OnStatus = lambda status: None,
    ) -> AsyncIterator[Object]:
        """The changes behind a path after a version, until the API server ends the watch. See `read_events`.

        `on_status` is called with the status of the answer before the first change, or with None if nobody answers."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": _WATCH_SECONDS, **selector}
        query |= {"allowWatchBookmarks": "true"} if bookmarks else {}
        try:
            try:
                response = await self._open("GET", path, query=query, seconds=_WATCH_SECONDS + _TIMEOUT_SECONDS)
            except (TimeoutError, aiohttp.ClientError, OSError):
                on_status(None)
                raise
            on_status(response.status)
            async with response.response as stream:
                if response.status >= 400:
                    raise classify_refusal(
                        response.status, await read_bounded(stream.content, _MAX_ANSWER), f"GET {path}"
                    )
                async for event in read_events(stream.content.iter_any(), bookmarks=bookmarks):
                    yield event
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"GET {path}: {error or type(error).__name__}") from error

    def _note_form(self, path: str, page: Listing) -> Listing:
        """Remember whether the server sends whole objects in this list."""
        if page.is_whole:
            self._whole_lists.add(path)
        else:
            self._whole_lists.discard(path)
        return page

    async def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        body: Object | None = None,
        seconds: int | None = None,
        accept: str = _JSON,
    ) -> Any:
        """The answer, its body not read yet. It has to come within so many seconds, its body too; 40 by default."""
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = _MERGE_PATCH if method == "PATCH" else _JSON
        full_query = {**(query or {})}
        if method in ("POST", "PUT", "PATCH"):
            full_query["fieldManager"] = meta.COMPONENT
        # Without the body: it would be copied value by value, and it is plain JSON already.
        prepared = await self._api.param_serialize(method, path, header_params=headers, auth_settings=["BearerToken"])
        url = f"{prepared[1]}?{urlencode(full_query)}" if full_query else prepared[1]
        status: int | None = None
        try:
            response = await self._api.call_api(
                prepared[0], url, prepared[2], body, prepared[4], _request_timeout=seconds or _TIMEOUT_SECONDS
            )
            status = response.status
            return response
        except aiohttp.ClientConnectorCertificateError:
            trust_anew(self._api.rest_client.ssl_context, self._api.configuration.ssl_ca_cert)
            raise
        finally:
            self._on_answer("WATCH" if full_query.get("watch") else method, status)


class _LongAnswerError(BrokenAnswerError):
    """The answer is longer than any that is one."""


async def _read_answer(response: aiohttp.ClientResponse, limit: int, *, cut: bool) -> bytes:
    async with response:
        return await read_bounded(response.content, limit, cut=cut)
