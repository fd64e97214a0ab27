"""Objects of Flux: which version is asked, what is made of the answers, and what a watch tells."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes import aio

from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.clients.flux import ABSENT_SECONDS, FluxClient
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Transport
from buildandpush.clients.kubernetes.watchstream import read_events
from buildandpush.core.facts import FluxArtifact, Waiting

GROUP = "/apis/source.toolkit.fluxcd.io"
ARTIFACT = {"url": "http://flux.example/1.tar.gz", "digest": "sha256:" + "1" * 64, "revision": "main"}
FOUND = FluxArtifact(ARTIFACT["url"], ARTIFACT["digest"], "main")


def body(name: str = "web", **status: Any) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": name, "resourceVersion": "7"}
    return {"metadata": metadata, "spec": {"url": "x"}, "status": status}


def group(*versions: str) -> dict[str, Any]:
    return {"versions": [{"version": one} for one in versions], "preferredVersion": {"version": versions[-1]}}


def resources(*plurals: str) -> dict[str, Any]:
    return {"resources": [{"name": plural} for plural in plurals]}


V1 = {GROUP: group("v1beta2", "v1"), f"{GROUP}/v1": resources("gitrepositories", "gitrepositories/status")}
OLD_OCI = {**V1, f"{GROUP}/v1beta2": resources("gitrepositories", "ocirepositories")}
WEB = f"{GROUP}/v1/namespaces/shop/gitrepositories/web"


class ApiServer:
    """Answers by path: a value as JSON, a list as the lines of a watch, a number as a refusal."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.now = 0.0
        self.goes_on: asyncio.Event | None = None
        """Holds each watch back behind its first event until it is set."""

    async def stream(self, request: web.Request, goes_on: asyncio.Event) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(json.dumps({"type": "ADDED", "object": body(artifact=ARTIFACT)}).encode() + b"\n")
        await goes_on.wait()
        return response

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if "watch" in request.query:
            if self.goes_on is not None:
                return await self.stream(request, self.goes_on)
            lines = self.answers[f"watch {request.query['resourceVersion']}"]
            return web.Response(text="".join(f"{json.dumps(line)}\n" for line in lines))
        answer = self.answers.get(request.path)
        if answer is None:
            return web.Response(status=404, text="404 page not found")
        if isinstance(answer, int):
            reason = {404: "NotFound", 403: "Forbidden"}.get(answer, "")
            return web.json_response({"reason": reason, "message": "cannot get it"}, status=answer)
        return web.json_response(answer)


@pytest.fixture
async def server() -> AsyncIterator[tuple[ApiServer, FluxClient]]:
    """An API server on loopback, and a client."""
    api = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as running:
        url = str(running.make_url("")).rstrip("/")
        async with Transport.of(aio.client.Configuration(host=url)) as transport:
            yield api, FluxClient(KubernetesClient(transport), lambda: api.now)


Server = tuple[ApiServer, FluxClient]


async def test_one_object_is_read_by_the_version_that_is_served(server: Server) -> None:
    api, flux = server
    api.answers = {**V1, WEB: body(artifact=ARTIFACT)}
    assert await flux.find_artifact("shop", "GitRepository", "web") == FOUND
    assert await flux.find_artifact("shop", "GitRepository", "web") == FOUND
    assert api.asked == [GROUP, f"{GROUP}/v1", WEB, WEB]


async def test_a_kind_that_the_preferred_version_lacks_is_read_by_another(server: Server) -> None:
    api, flux = server
    path = f"{GROUP}/v1beta2/namespaces/shop/ocirepositories/web"
    api.answers = {**OLD_OCI, path: body(artifact=ARTIFACT)}
    assert await flux.find_artifact("shop", "OCIRepository", "web") == FOUND


@pytest.mark.parametrize("answers", [{}, V1])
async def test_a_kind_that_is_not_installed_is_looked_for_again_after_a_minute(
    server: Server, answers: dict[str, Any]
) -> None:
    api, flux = server
    api.answers = answers
    found = await flux.find_artifact("shop", "Bucket", "web")
    assert isinstance(found, Waiting)
    assert found.message == "this cluster has no kind Bucket of source.toolkit.fluxcd.io"
    asked = len(api.asked)
    api.answers = {GROUP: group("v1"), f"{GROUP}/v1": resources("buckets")}
    api.answers[f"{GROUP}/v1/namespaces/shop/buckets/web"] = body(artifact=ARTIFACT)
    assert await flux.find_artifact("shop", "Bucket", "web") == found
    assert len(api.asked) == asked
    api.now += ABSENT_SECONDS
    assert await flux.find_artifact("shop", "Bucket", "web") == FOUND


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "GitRepository 'web' does not exist in namespace 'shop'"),
        (403, "the operator may not read GitRepository 'web': cannot get it"),
    ],
)
async def test_what_cannot_be_read_is_waited_for(server: Server, status: int, words: str) -> None:
    api, flux = server
    api.answers = {**V1, WEB: status}
    found = await flux.find_artifact("shop", "GitRepository", "web")
    assert isinstance(found, Waiting)
    assert (found.reason, found.message) == (Reason.SOURCE_NOT_READY, words)


async def test_after_an_upgrade_that_ends_a_version_the_new_one_is_found(server: Server) -> None:
    api, flux = server
    api.answers = {GROUP: group("v1beta2"), f"{GROUP}/v1beta2": resources("gitrepositories")}
    api.answers[f"{GROUP}/v1beta2/namespaces/shop/gitrepositories/web"] = body(artifact=ARTIFACT)
    assert await flux.find_artifact("shop", "GitRepository", "web") == FOUND
    api.answers = {**V1, WEB: body(artifact=ARTIFACT)}
    await flux.find_artifact("shop", "GitRepository", "web")
    assert await flux.find_artifact("shop", "GitRepository", "web") == FOUND


async def test_a_server_that_is_away_is_no_answer(server: Server) -> None:
    api, flux = server
    api.answers = {**V1, WEB: 503}
    with pytest.raises(UnavailableError):
        await flux.find_artifact("shop", "GitRepository", "web")


@pytest.mark.parametrize("namespace", [None, "shop"])
async def test_a_list_and_its_watch_keep_the_artifacts_alone(server: Server, namespace: str | None) -> None:
    api, flux = server
    path = f"{GROUP}/v1/{f'namespaces/{namespace}/' if namespace else ''}gitrepositories"
    api.answers = {**V1, path: {"metadata": {"resourceVersion": "7"}, "items": [body(artifact=ARTIFACT)]}}
    listing = await flux.list_kind("GitRepository", namespace)
    assert listing is not None
    assert (listing.found, listing.version) == ({("shop", "web"): FOUND}, "7")
    api.answers["watch 7"] = [
        {"type": "ADDED", "object": body("api")},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}},
        {"type": "DELETED", "object": body()},
    ]
    seen = [event async for event in flux.watch_kind("GitRepository", namespace, "7")]
    waiting = Waiting(Reason.SOURCE_NOT_READY, "GitRepository 'api' has no artifact yet")
    assert seen == [(("shop", "api"), waiting), (("shop", "web"), None)]


async def test_a_change_is_told_while_the_watch_goes_on(server: Server) -> None:
    api, flux = server
    api.answers, api.goes_on = V1, asyncio.Event()
    await flux.find_version("GitRepository")
    async for _, found in flux.watch_kind("GitRepository", None, "7"):
        assert found == FOUND
        api.goes_on.set()
    assert api.goes_on.is_set()


async def test_a_kind_that_is_not_there_cannot_be_listed(server: Server) -> None:
    assert await server[1].list_kind("GitRepository", None) is None


async def test_a_version_that_is_too_old_ends_the_watch(server: Server) -> None:
    api, flux = server
    api.answers = {**V1, "watch 7": [{"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "old"}}]}
    await flux.find_version("GitRepository")
    with pytest.raises(KubernetesError) as refused:
        _ = [event async for event in flux.watch_kind("GitRepository", None, "7")]
    assert refused.value.status == 410


async def chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_events_are_read_whatever_the_pieces_are_that_they_come_in() -> None:
    events: list[dict[str, Any]] = [{"type": "ADDED", "object": body(name)} for name in ("a", "b", "c")]
    text = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    for size in (1, 7, 150, len(text)):
        parts = [text[begin : begin + size] for begin in range(0, len(text), size)]
        assert [event async for event in read_events(chunks(parts))] == events


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b'{"type": "ADDED"}\n', b'{"type": "ERROR", "object": 1}\n'])
async def test_what_is_no_event_ends_the_watch(line: bytes) -> None:
    with pytest.raises(UnavailableError, match="no event"):
        _ = [event async for event in read_events(chunks([line]))]


@pytest.mark.parametrize(
    "answers",
    [
        {GROUP: {"versions": [{}]}},
        {GROUP: {"versions": "v1"}},
        {GROUP: {"preferredVersion": "v1"}},
        {GROUP: group("v1"), f"{GROUP}/v1": {"resources": ["gitrepositories"]}},
    ],
)
async def test_discovery_that_some_proxy_answers_is_no_answer(answers: dict[str, Any], server: Server) -> None:
    api, flux = server
    api.answers = answers
    with pytest.raises(UnavailableError):
        await flux.list_kind("GitRepository", None)
