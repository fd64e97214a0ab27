"""The requests as they arrive at a server, and the server's answers in the operator's words."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes import aio

from buildandpush.api import meta
from buildandpush.clients.errors import (
    BrokenAnswerError,
    ConflictError,
    DeniedError,
    KubernetesError,
    NotFoundError,
    ThrottledError,
    TroubleError,
    UnavailableError,
)
from buildandpush.clients.kubernetes import transport
from buildandpush.clients.kubernetes.client import KubernetesClient, PodLog
from buildandpush.clients.kubernetes.lists import NAMES_PAGE_SIZE, WHOLE_PAGE_SIZE, Listing
from buildandpush.clients.kubernetes.transport import OnAnswer, Transport
from buildandpush.clients.traffic.circuits import OPENS_AFTER
from buildandpush.core.foreign import MAX_MESSAGE

POD = {"metadata": {"name": "p1", "namespace": "shop"}}
A, B, C, D = ({"metadata": {"namespace": "shop", "name": name, "resourceVersion": "4"}} for name in "abcd")


@dataclass
class Seen:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ApiServer:
    """Records requests and gives the next of its answers, `{}` once they are used up."""

    seen: list[Seen] = field(default_factory=list)
    answers: list[web.StreamResponse] = field(default_factory=list)
    breaks: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.seen.append(
            Seen(
                request.method,
                request.raw_path.partition("?")[0],
                dict(request.query),
                dict(request.headers),
                json.loads(text) if text else None,
            )
        )
        if self.breaks:
            assert request.transport is not None
            request.transport.abort()
        return self.answers.pop(0) if self.answers else web.json_response({})


@pytest.fixture
async def server() -> AsyncIterator[tuple[ApiServer, str]]:
    """An API server on loopback, and its URL."""
    api = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as running:
        yield api, str(running.make_url("")).rstrip("/")


@pytest.fixture
def api(server: tuple[ApiServer, str]) -> ApiServer:
    """The server's side."""
    return server[0]


@asynccontextmanager
async def connect(url: str, on_answer: OnAnswer = lambda verb, status: None) -> AsyncIterator[KubernetesClient]:
    """A client that logs in with a bearer token."""
    configuration = aio.client.Configuration(host=url)
    configuration.api_key["BearerToken"] = "Bearer the-token"
    async with Transport.of(configuration, on_answer) as connected:
        yield KubernetesClient(connected)


@pytest.fixture
async def client(server: tuple[ApiServer, str]) -> AsyncIterator[KubernetesClient]:
    """The client's side."""
    async with connect(server[1]) as connected:
        yield connected


PARTIAL_OR_WHOLE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""As Kubernetes' own clients ask for metadata alone."""

Call = Callable[[KubernetesClient], Awaitable[Any]]
BUILDS = f"/apis/{meta.GROUP}/{meta.VERSION}/namespaces/shop/{meta.BUILD_PLURAL}"

CALLS: dict[str, tuple[Call, str, str]] = {
    "read_pod": (lambda c: c.read_pod("shop", "p1"), "GET", "/api/v1/namespaces/shop/pods/p1"),
    "create_pod": (lambda c: c.create_pod(POD), "POST", "/api/v1/namespaces/shop/pods"),
    "try_pod": (lambda c: c.try_pod(POD), "POST", "/api/v1/namespaces/shop/pods"),
    "patch_pod_deadline": (
        lambda c: c.patch_pod_deadline("shop", "p1", "u1", 1),
        "PATCH",
        "/api/v1/namespaces/shop/pods/p1",
    ),
    "delete_pod": (lambda c: c.delete_pod("shop", "p1", "u1"), "DELETE", "/api/v1/namespaces/shop/pods/p1"),
    "read_pod_log": (
        lambda c: c.read_pod_log("shop", "p1", "kaniko", lines=20, limit_bytes=1000),
        "GET",
        "/api/v1/namespaces/shop/pods/p1/log",
    ),
    "read_secret": (lambda c: c.read_secret("shop", "s1"), "GET", "/api/v1/namespaces/shop/secrets/s1"),
    "create_secret": (lambda c: c.create_secret(POD), "POST", "/api/v1/namespaces/shop/secrets"),
    "patch_secret": (
        lambda c: c.patch_secret("shop", "s1", {"data": {"a": None}}),
        "PATCH",
        "/api/v1/namespaces/shop/secrets/s1",
    ),
    "create_event": (lambda c: c.create_event(POD), "POST", "/api/v1/namespaces/shop/events"),
    "list_pod_events": (lambda c: c.list_pod_events("shop", "u1"), "GET", "/api/v1/namespaces/shop/events"),
    "read_custom": (lambda c: c.read_custom(meta.BUILD_PLURAL, "shop", "web"), "GET", f"{BUILDS}/web"),
    "replace_custom_status": (
        lambda c: c.replace_custom_status(meta.BUILD_PLURAL, "shop", "web", "7", {"phase": "Running"}),
        "PUT",
        f"{BUILDS}/web/status",
    ),
    "list_pods": (lambda c: c.list_pods("shop"), "GET", "/api/v1/namespaces/shop/pods"),
    "list_custom": (lambda c: c.list_custom(meta.BUILD_PLURAL, "shop"), "GET", BUILDS),
}


def refuse(status: int, *, reason: str = "", message: str = "refused") -> web.Response:
    """A Status as the API server sends it."""
    return web.json_response(
        {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status}, status=status
    )


@pytest.mark.parametrize("name", CALLS)
async def test_request_has_its_verb_path_and_login(name: str, api: ApiServer, client: KubernetesClient) -> None:
    call, method, path = CALLS[name]
    await call(client)
    (seen,) = api.seen
    assert (seen.method, seen.path) == (method, path)
    assert seen.headers["Authorization"] == "Bearer the-token"


@pytest.mark.parametrize("name", [name for name, (_, method, _) in CALLS.items() if method in ("POST", "PUT", "PATCH")])
async def test_every_write_says_who_writes(name: str, api: ApiServer, client: KubernetesClient) -> None:
    await CALLS[name][0](client)
    assert api.seen[0].query["fieldManager"] == meta.COMPONENT


@pytest.mark.parametrize("name", [name for name, (_, method, _) in CALLS.items() if method == "PATCH"])
async def test_every_patch_is_a_merge_patch(name: str, api: ApiServer, client: KubernetesClient) -> None:
    await CALLS[name][0](client)
    assert api.seen[0].headers["Content-Type"] == "application/merge-patch+json"


async def test_events_are_asked_for_one_pod_and_never_for_many(api: ApiServer, client: KubernetesClient) -> None:
    await client.list_pod_events("shop", "u1")
    assert api.seen[0].query["fieldSelector"] == "involvedObject.uid=u1"
    assert int(api.seen[0].query["limit"]) <= 100


async def test_null_in_a_patch_arrives_since_it_removes_a_field(api: ApiServer, client: KubernetesClient) -> None:
    await client.patch_secret("shop", "s1", {"data": {"gone": None}})
    assert api.seen[0].body == {"data": {"gone": None}}


async def test_a_status_is_only_for_the_version_it_was_decided_on(api: ApiServer, client: KubernetesClient) -> None:
    await client.replace_custom_status(meta.BUILD_PLURAL, "shop", "web", "7", {"phase": "Running"})
    assert api.seen[0].body == {
        "apiVersion": meta.API_VERSION,
        "kind": meta.BUILD_KIND,
        "metadata": {"namespace": "shop", "name": "web", "resourceVersion": "7"},
        "status": {"phase": "Running"},
    }


async def test_pods_are_changed_and_deleted_only_if_they_are_still_the_same(
    api: ApiServer, client: KubernetesClient
) -> None:
    await client.patch_pod_deadline("shop", "p1", "u1", 1)
    await client.delete_pod("shop", "p1", "u1")
    patch, delete = api.seen
    assert patch.body == {"metadata": {"uid": "u1"}, "spec": {"activeDeadlineSeconds": 1}}
    assert delete.body["preconditions"] == {"uid": "u1"}


async def test_a_pod_that_is_only_tried_is_stored_nowhere(api: ApiServer, client: KubernetesClient) -> None:
    await client.try_pod(POD)
    await client.create_pod(POD)
    assert [seen.query.get("dryRun") for seen in api.seen] == ["All", None]


async def test_manifest_arrives_as_it_was(api: ApiServer, client: KubernetesClient) -> None:
    manifest = {**POD, "spec": {"args": ["--label=a=日本, \n\t🚀", ""], "n": 0, "flag": False, "none": None}}
    await client.create_pod(manifest)
    assert api.seen[0].body == manifest


async def test_end_of_a_log_is_read_as_text(api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(web.Response(body=b"one\n\xff two \xe6\x97\xa5"))
    log = await client.read_pod_log("shop", "p1", "kaniko", lines=20, limit_bytes=1000)
    assert log == PodLog("one\n\ufffd two 日", is_cut=False)
    assert api.seen[0].query["container"] == "kaniko"
    assert api.seen[0].query["tailLines"] == "20"
    assert api.seen[0].query["limitBytes"] == "1000"


async def test_a_log_without_end_is_read_to_its_limit(api: ApiServer, client: KubernetesClient) -> None:
    """The limit is asked for, and kept where the server does not keep it."""
    api.answers.append(web.Response(body=b"x" * 3 * 2**20))
    assert await client.read_pod_log("shop", "p1", "kaniko", lines=20, limit_bytes=1000) == PodLog("x" * 1000, True)
    assert await client.read_pod("shop", "p1") == {}, "the connection is still good for another request"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"x" * (17 * 2**20)])
async def test_an_answer_without_bounds_is_no_answer(body: bytes, api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(web.Response(body=body))
    with pytest.raises(BrokenAnswerError):
        await client.read_pod("shop", "p1")


async def test_a_page_that_is_too_long_is_asked_for_in_smaller_ones(api: ApiServer, client: KubernetesClient) -> None:
    long = json.dumps({"metadata": {}, "items": ["x" * 2**20] * 17})
    api.answers += [web.Response(text=long), web.json_response({"metadata": {"resourceVersion": "5"}, "items": [A]})]
    assert (await client.list_pods("shop")).items == [A]
    first, second = (seen.query for seen in api.seen)
    assert int(second["limit"]) < int(first["limit"])


async def test_a_webhooks_refusal_is_foreign_text(api: ApiServer, client: KubernetesClient) -> None:
    words = "\x1b[31mdenied\x1b[0m: see https://bot:hunter22@policy.example/" + " and more" * 100_000
    api.answers.append(refuse(403, message=words))
    with pytest.raises(KubernetesError) as caught:
        await client.create_pod(POD)
    assert caught.value.message.startswith("denied: see https://***@policy.example/")
    assert len(caught.value.message) <= MAX_MESSAGE


@pytest.mark.parametrize("name", ["a/b", "a?b=c", "a#b", "a b", "ä", "%2e%2e", "a/../../secrets/x"])
async def test_name_stays_one_part_of_the_path(name: str, api: ApiServer, client: KubernetesClient) -> None:
    await client.read_secret("shop", name)
    assert api.seen[0].path.count("/") == "/api/v1/namespaces/shop/secrets/x".count("/")
    assert api.seen[0].query == {}


async def test_a_page_names_the_next_one(api: ApiServer, client: KubernetesClient) -> None:
    pages = [({"continue": "t1"}, [A, B]), ({"continue": "t2"}, [C]), ({}, [D])]
    for metadata, items in pages:
        api.answers.append(web.json_response({"metadata": {"resourceVersion": "5", **metadata}, "items": items}))
    assert await client.list_pods("shop") == Listing([A, B], "5", "t1")
    assert await client.list_pods("shop", "t1") == Listing([C], "5", "t2")
    assert await client.list_pods("shop", "t2") == Listing([D], "5", "")
    assert [seen.query.get("continue") for seen in api.seen] == [None, "t1", "t2"]
    assert {seen.query["labelSelector"] for seen in api.seen} == {f"{meta.LABEL_MANAGED_BY}={meta.COMPONENT}"}


async def test_all_pages_of_a_path_are_read(api: ApiServer, client: KubernetesClient) -> None:
    for version, metadata, items in (("5", {"continue": "t1"}, [A, B]), ("6", {}, [C])):
        api.answers.append(web.json_response({"metadata": {"resourceVersion": version, **metadata}, "items": items}))
    assert await client.list_path("/apis/x/v1/things") == Listing([A, B, C], "5")


@pytest.mark.parametrize("names_only", [False, True])
async def test_a_list_comes_in_pages_and_is_never_answered_from_a_cache_that_may_lag(
    names_only: bool, api: ApiServer, client: KubernetesClient
) -> None:
    """Asked for version 0, the API server answers from its cache, and with everything at once."""
    await client.list_pods("shop", names_only=names_only)
    await client.list_custom(meta.BUILD_PLURAL, "shop", names_only=names_only)
    for seen in api.seen:
        assert "resourceVersion" not in seen.query
        assert 0 < int(seen.query["limit"]) <= 500


async def test_a_list_of_names_asks_for_no_bodies_and_keeps_no_more_than_versions(
    api: ApiServer, client: KubernetesClient
) -> None:
    name = {"namespace": "shop", "name": "web", "resourceVersion": "4"}
    body = {"metadata": {**name, "managedFields": [{"fieldsV1": {}}]}}
    page = {"kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "5", "continue": "t"}, "items": [body]}
    api.answers.append(web.json_response(page))
    listing = await client.list_custom(meta.BUILD_PLURAL, None, names_only=True)
    assert listing == Listing([{"metadata": name}], "5", "t")
    assert api.seen[0].headers["Accept"] == PARTIAL_OR_WHOLE


async def test_a_server_that_knows_no_metadata_alone_sends_whole_objects_in_pages_of_their_own_size(
    api: ApiServer, client: KubernetesClient
) -> None:
    """It would answer 406 if nothing else were taken."""
    name = {"namespace": "shop", "name": "web", "resourceVersion": "4"}
    pod = {"metadata": {**name, "labels": {"a": "b"}}, "spec": {"containers": [{"name": "kaniko"}]}}
    whole = {"kind": "PodList", "metadata": {"resourceVersion": "5", "continue": "t"}, "items": [pod]}
    partial = {**whole, "kind": "PartialObjectMetadataList", "items": []}
    api.answers += [web.json_response(page) for page in (whole, whole, partial, partial)]
    first = await client.list_pods("shop", names_only=True)
    assert (first.items, first.resource_version, first.token) == ([{"metadata": name}], "5", "t")
    for _ in range(3):
        await client.list_pods("shop", "t", names_only=True)
    await client.list_pods("other", names_only=True)
    assert [int(seen.query["limit"]) for seen in api.seen] == [
        *(NAMES_PAGE_SIZE, WHOLE_PAGE_SIZE, WHOLE_PAGE_SIZE),
        NAMES_PAGE_SIZE,  # an upgraded server
        NAMES_PAGE_SIZE,  # another list may come from another server
    ]


async def test_objects_of_the_largest_size_fit_into_a_page_of_names_too(
    api: ApiServer, client: KubernetesClient
) -> None:
    largest = 3 * 2**20
    body = {"metadata": {"namespace": "shop", "name": "web", "resourceVersion": "4"}, "data": "x" * largest}
    for number in (6, 6, 5):
        page = {"kind": "PodList", "metadata": {"resourceVersion": "5"}, "items": [body] * number}
        api.answers.append(web.json_response(page))
    listing = await client.list_pods("shop", names_only=True)
    assert len(listing.items) == int(api.seen[-1].query["limit"]) == 5


@pytest.mark.parametrize("body", ["[]", "", '{"items":[{}]}', '{"items":[{"metadata":{"name":1}}]}', "[" * 100_000])
async def test_what_is_no_list_of_names_is_no_answer(body: str, api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(web.Response(text=body))
    with pytest.raises(UnavailableError):
        await client.list_pods("shop", names_only=True)


async def test_list_of_all_namespaces(api: ApiServer, client: KubernetesClient) -> None:
    await client.list_pods(None)
    await client.list_custom(meta.CONNECTOR_PLURAL, None)
    assert [seen.path for seen in api.seen] == ["/api/v1/pods", f"/apis/{meta.API_VERSION}/{meta.CONNECTOR_PLURAL}"]


@pytest.mark.parametrize(("namespace", "path"), [(None, "/api/v1/pods"), ("shop", "/api/v1/namespaces/shop/pods")])
async def test_a_watch_tells_of_build_pods_alone_and_how_far_it_has_come(
    namespace: str | None, path: str, api: ApiServer, client: KubernetesClient
) -> None:
    events = [
        {"type": "ADDED", "object": A},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}},
    ]
    api.answers = [web.Response(text="".join(json.dumps(event) + "\n" for event in events))]
    assert [event async for event in client.watch_pods(namespace, "7")] == events
    query = {**api.seen[0].query}
    assert int(query.pop("timeoutSeconds")) > 0
    assert api.seen[0].path == path
    assert query == {
        "watch": "true",
        "resourceVersion": "7",
        "labelSelector": f"{meta.LABEL_MANAGED_BY}={meta.COMPONENT}",
        "allowWatchBookmarks": "true",
    }


async def test_the_answer_to_a_watch_is_told_before_its_first_event(api: ApiServer, client: KubernetesClient) -> None:
    told: list[int | None] = []
    api.answers = [web.Response(text=""), refuse(403)]
    assert [event async for event in client.watch_pods(None, "7", told.append)] == []
    with pytest.raises(KubernetesError):
        await anext(client.watch_pods(None, "7", told.append))
    api.breaks = True
    with pytest.raises(UnavailableError):
        await anext(client.watch_pods(None, "7", told.append))
    assert told == [200, 403, None]


async def test_list_whose_items_are_null_is_empty(api: ApiServer, client: KubernetesClient) -> None:
    api.answers += [web.json_response({"metadata": {"resourceVersion": "5"}, "items": None}) for _ in range(2)]
    assert (await client.list_pods("shop")).items == []
    assert (await client.list_pods("shop", names_only=True)).items == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, KubernetesError),
        (401, KubernetesError),
        (403, KubernetesError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, KubernetesError),
        (422, KubernetesError),
        (429, ThrottledError),
        (500, TroubleError),
        (503, UnavailableError),
        (504, UnavailableError),
    ],
)
@pytest.mark.parametrize("name", ["read_pod", "create_pod", "replace_custom_status", "list_pods", "read_pod_log"])
async def test_refusal_is_told_in_the_operators_words(
    name: str, status: int, kind: type[Exception], api: ApiServer, client: KubernetesClient
) -> None:
    api.answers.append(refuse(status, reason="Why", message="because of this"))
    with pytest.raises((KubernetesError, UnavailableError)) as caught:
        await CALLS[name][0](client)
    # Nothing of an installation stands in the way of a reading: its trouble is the server's own, and passes.
    expected = BrokenAnswerError if kind is TroubleError and name.startswith(("read", "list")) else kind
    assert type(caught.value) is expected
    assert "because of this" in str(caught.value)
    if isinstance(caught.value, KubernetesError):
        assert (caught.value.status, caught.value.reason) == (status, "Why")


@pytest.mark.parametrize(("status", "name"), [(429, "read_pod"), (503, "list_pods"), (500, "create_pod")])
async def test_the_api_server_says_when_it_may_be_asked_again(
    status: int, name: str, api: ApiServer, client: KubernetesClient
) -> None:
    answer = refuse(status)
    answer.headers["Retry-After"] = "7"
    api.answers.append(answer)
    with pytest.raises(UnavailableError) as caught:
        await CALLS[name][0](client)
    assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
@pytest.mark.parametrize("reason", ["", "AlreadyExists", "Conflict", "NotFound"])
async def test_a_webhooks_denial_is_one_whatever_it_calls_itself(
    status: int, reason: str, api: ApiServer, client: KubernetesClient
) -> None:
    api.answers.append(
        refuse(status, reason=reason, message='admission webhook "x.y" denied the request: already exists')
    )
    with pytest.raises(DeniedError) as caught:
        await CALLS["create_pod"][0](client)
    assert (caught.value.status, caught.value.reason) == (status, reason)


async def test_a_list_whose_state_is_gone_has_to_be_begun_again(api: ApiServer, client: KubernetesClient) -> None:
    """The API server keeps it for some minutes."""
    api.answers.append(refuse(410, reason="Expired"))
    with pytest.raises(UnavailableError, match="Expired"):
        await client.list_pods("shop", "t")


async def test_refusal_on_a_later_page_is_told(api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(refuse(403, reason="Forbidden"))
    with pytest.raises(KubernetesError, match="Forbidden"):
        await client.list_pods("shop", "t")


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b"null", b'"x"', b"\xff\xfe", b"{"])
@pytest.mark.parametrize(
    ("status", "kind"), [(403, KubernetesError), (404, BrokenAnswerError), (502, UnavailableError)]
)
async def test_refusal_in_any_form_is_told(
    body: bytes, status: int, kind: type[Exception], api: ApiServer, client: KubernetesClient
) -> None:
    api.answers.append(web.Response(status=status, body=body))
    with pytest.raises(kind):
        await client.read_pod("shop", "p1")


@pytest.mark.parametrize("name", ["read_pod", "create_pod", "patch_pod_deadline", "delete_pod", "read_secret"])
@pytest.mark.parametrize("body", [b"", b"<html>no site</html>", b"404 page not found\n", b"{}"])
async def test_only_the_api_servers_own_word_says_that_an_object_does_not_exist(
    body: bytes, name: str, api: ApiServer, client: KubernetesClient
) -> None:
    """A proxy that has lost its way answers 404, too. A pod would count as lost by that, and another be made."""
    api.answers.append(web.Response(status=404, body=body))
    with pytest.raises(UnavailableError, match="404"):
        await CALLS[name][0](client)


async def test_a_group_that_is_not_installed_is_not_found(api: ApiServer, client: KubernetesClient) -> None:
    """Of a path that it does not know, the API server says so without a Status."""
    api.answers.append(web.Response(status=404, body=b"404 page not found\n"))
    with pytest.raises(NotFoundError):
        await client.get("/apis/source.toolkit.fluxcd.io")


async def test_endless_refusal_is_not_repeated_in_full(api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(web.Response(status=403, body=b"x" * 100_000))
    with pytest.raises(KubernetesError) as caught:
        await client.read_pod("shop", "p1")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("body", [b"", b"<html>captive portal</html>", b"{", b"\xff", b"[]", b"null"])
async def test_good_answer_that_is_no_json_is_no_answer(body: bytes, api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(web.Response(body=body))
    with pytest.raises(BrokenAnswerError):
        await client.read_pod("shop", "p1")


async def test_broken_connection_is_no_answer(api: ApiServer, client: KubernetesClient) -> None:
    api.breaks = True
    with pytest.raises(UnavailableError, match="POST"):
        await client.create_pod(POD)
    assert len(api.seen) == 1, "a write is not sent twice by the client"


async def test_refused_connection_is_no_answer() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with connect(url) as client:
            with pytest.raises(UnavailableError):
                await client.read_pod("shop", "p1")


async def test_unknown_host_is_no_answer() -> None:
    async with connect("http://does-not-exist.invalid") as client:
        with pytest.raises(UnavailableError):
            await client.read_pod("shop", "p1")


async def test_server_that_never_answers_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with connect(f"http://127.0.0.1:{silent.getsockname()[1]}") as client:
            with pytest.raises(UnavailableError) as caught:
                await client.read_pod("shop", "p1")
    assert str(caught.value).strip(": ")


def test_a_webhook_may_take_all_its_time_before_the_api_server_says_so() -> None:
    """It waits up to 30 s for a webhook, and ends a write after 34 s. A client that leaves earlier never hears why."""
    assert transport._TIMEOUT_SECONDS > 34


async def test_event_that_was_told_already_is_no_error(api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(refuse(409, reason="AlreadyExists"))
    await client.create_event(POD)


async def test_each_request_is_told_with_its_verb_and_the_status_of_its_answer(
    server: tuple[ApiServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int | None]] = []
    api, url = server
    async with connect(url, lambda verb, status: told.append((verb, status))) as client:
        await client.read_pod("shop", "p1")
        api.answers.append(refuse(409))
        with pytest.raises(ConflictError):
            await client.guarded(lambda: None).create_pod(POD)
        api.answers.append(refuse(410))
        with pytest.raises(KubernetesError):
            await anext(client.watch_path("/api/v1/pods", "5"))
        api.breaks = True
        with pytest.raises(UnavailableError):
            await client.delete_pod("shop", "p1", "u1")
    assert told == [("GET", 200), ("POST", 409), ("WATCH", 410), ("DELETE", None)]


async def test_token_is_in_no_error(api: ApiServer, client: KubernetesClient) -> None:
    api.answers.append(refuse(403))
    with pytest.raises(KubernetesError) as caught:
        await client.read_secret("shop", "s1")
    assert "the-token" not in repr(caught.value)


async def test_a_request_does_not_wait_behind_hundreds_that_hang() -> None:
    """A leader that cannot renew its lease has to stop."""
    let_go, hanging = asyncio.Event(), asyncio.Barrier(211)

    async def handle(request: web.Request) -> web.Response:
        if "/pods/" in request.path:
            await hanging.wait()
            await let_go.wait()
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as running, connect(str(running.make_url("")).rstrip("/")) as client:
        pods = [asyncio.create_task(client.read_pod("shop", f"p{number}")) for number in range(210)]
        async with asyncio.timeout(30):
            await hanging.wait()
        assert await client.read_lease("ours", "leader") == {}
        let_go.set()
        await asyncio.gather(*pods)


async def test_a_kubelet_that_hangs_holds_up_no_log_of_another_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_TIMEOUT_SECONDS", 0.1)
    asked = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal asked
        if "/pods/dead-" in request.path:
            asked += 1
            await asyncio.sleep(60)
        return web.Response(text="done")

    async def read(name: str, node: str) -> str:
        return (await client.read_pod_log("shop", name, "kaniko", lines=1, limit_bytes=9, node=node)).text

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as running, connect(str(running.make_url("")).rstrip("/")) as client:
        for number in range(OPENS_AFTER):
            with pytest.raises(UnavailableError):
                await read(f"dead-{number}", "one")
        with pytest.raises(UnavailableError, match="the kubelet of node one has given no answer since") as caught:
            await client.guarded(lambda: None).read_pod_log(
                "shop", "dead-9", "kaniko", lines=1, limit_bytes=9, node="one"
            )
        assert caught.value.retry_after_seconds > 0
        assert asked == OPENS_AFTER
        assert await read("alive", "two") == "done"
