"""kopf's connection to the API server, made here so that its requests are counted and its lists are empty.

https://docs.kopf.dev/en/stable/authentication/#custom-http-sessions
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import aiohttp
import kopf

from buildandpush.api import meta
from buildandpush.clients.kubernetes.transport import OnAnswer
from buildandpush.tls import check_as_others_do, trust_anew

OnWatch = Callable[[str, int | None], None]
"""Takes what is watched, such as pods in namespace shop, and the status of the answer; None if nobody answered."""
OnList = Callable[[], None]
"""Called when kopf has listed a kind, whose changes it watches from there on."""
_PLURALS: Final = frozenset({meta.BUILD_PLURAL, meta.CONNECTOR_PLURAL})
_NOTHING: Final = {"fieldSelector": "metadata.name=-", "resourceVersion": "0"}
"""Of a list: no object has this name, and the API server looks for it in its cache."""
_Request = aiohttp.TraceRequestEndParams | aiohttp.TraceRequestExceptionParams


class Sessions:
    """Sessions by the login that they are made with."""

    def __init__(
        self,
        on_answer: OnAnswer,
        on_watch: OnWatch = lambda what, status: None,
        on_list: OnList = lambda: None,
    ) -> None:
        """`on_answer` is called with the verb of each request and the status of its answer, or with None if nobody
        answered; `on_watch` for each watch with what is watched instead.

        kopf's lists tell no more than the version that its watches begin with. It would make a task and several copies
        for each object that there is, and `listing` brings them all in any case: `on_list` says that it is time to.
        """
        self._on_answer = on_answer
        self._on_watch = on_watch
        self._on_list = on_list
        self._last: tuple[kopf.ConnectionInfo, kopf.AiohttpSession] | None = None

    def open(self, info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
        """The session for a login. kopf closes it.

        The same login has the same session, even after its end. So kopf knows a login again that the API server has
        refused, and does not try it for ever.
        """
        if self._last is None or self._last[0] != info:
            self._last = (info, self._make(info))
        return self._last[1]

    def _make(self, info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
        trusted = check_as_others_do(info.as_ssl_context())
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trusted),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            trace_configs=[self._make_trace(partial(trust_anew, trusted, info.ca_path))],
            middlewares=(self._list_nothing,),
        )
        return kopf.AiohttpSession(
            server=info.server,
            aiohttp_session=session,
            default_namespace=info.default_namespace,
            priority=info.priority,
            expiration=info.expiration,
        )

    async def _list_nothing(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        url = request.url
        if request.method != "GET" or url.name not in _PLURALS or "watch" in url.query:
            return await send(request)
        request.url = url.update_query(_NOTHING)
        response = await send(request)
        if response.ok:
            self._on_list()
        return response

    def _make_trace(self, on_distrust: Callable[[], None]) -> aiohttp.TraceConfig:
        async def answered(_: Any, __: Any, request: aiohttp.TraceRequestEndParams) -> None:
            self._tell(request, request.response.status)

        async def failed(_: Any, __: Any, request: aiohttp.TraceRequestExceptionParams) -> None:
            self._tell(request, None)
            # kopf goes on with the same session for as long as nobody answers.
            if isinstance(request.exception, aiohttp.ClientConnectorCertificateError):
                on_distrust()

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(answered)
        trace.on_request_exception.append(failed)
        return trace

    def _tell(self, request: _Request, status: int | None) -> None:
        verb = _verb_of(request)
        self._on_answer(verb, status)
        if verb == "WATCH":
            self._on_watch(_subject_of(request), status)


def _verb_of(request: _Request) -> str:
    return "WATCH" if request.url.query.get("watch") == "true" else request.method


def _subject_of(request: _Request) -> str:
    """What a request is about: the last part of its path, and the namespace in it."""
    *before, plural = request.url.path.strip("/").split("/")
    return name_watched(plural, before[-1] if before[-2:-1] == ["namespaces"] else None)


def name_watched(plural: str, namespace: str | None) -> str:
    """How people are told what is watched."""
    return f"{plural} in namespace {namespace}" if namespace else plural
