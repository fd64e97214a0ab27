"""kopf's requests are counted, it lists nothing, and it knows a login that was refused."""

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import unquote

import aiohttp
import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from buildandpush.handlers.informers.kopfsession import Sessions

Counted = list[tuple[str, int | None]]


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """An API server that takes one token."""

    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers.get("Authorization") == "Bearer good" else 401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as running:
        yield running


def login(server: TestServer, token: str = "good") -> kopf.ConnectionInfo:
    return kopf.ConnectionInfo(server=str(server.make_url("")).rstrip("/"), token=token, default_namespace="shop")


async def test_each_request_is_counted_by_its_verb(server: TestServer) -> None:
    counted: Counted = []
    info = replace(login(server), priority=3)
    opened = Sessions(lambda verb, status: counted.append((verb, status))).open(info)
    assert (opened.server, opened.default_namespace, opened.priority) == (info.server, "shop", 3)
    async with opened.aiohttp_session as session:
        await session.get(f"{opened.server}/api")
        await session.get(f"{opened.server}/api/v1/pods", params={"watch": "true"})
        await session.patch(f"{opened.server}/api", headers={"Authorization": "Bearer bad"})
        await server.close()
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{opened.server}/api")
    assert counted == [("GET", 200), ("WATCH", 200), ("PATCH", 401), ("GET", None)]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/apis/buildandpush.dev/v1alpha1/azureconnectors", "azureconnectors"),
        ("/apis/buildandpush.dev/v1alpha1/namespaces/shop/azureconnectors", "azureconnectors in namespace shop"),
    ],
)
async def test_the_answer_to_each_watch_is_told(path: str, what: str, server: TestServer) -> None:
    told: list[tuple[str, int | None]] = []
    opened = Sessions(lambda verb, status: None, lambda what, status: told.append((what, status))).open(login(server))
    async with opened.aiohttp_session as session:
        await session.get(opened.server + path)
        await session.get(opened.server + path, params={"watch": "true"})
        await session.get(opened.server + path, params={"watch": "true"}, headers={"Authorization": "Bearer bad"})
        await server.close()
        with pytest.raises(aiohttp.ClientError):
            await session.get(opened.server + path, params={"watch": "true"})
    assert told == [(what, 200), (what, 401), (what, None)]


async def test_a_list_asks_for_no_object_and_says_that_it_is_time_for_another() -> None:
    asked: list[str] = []
    statuses = iter((200, 500, 200))

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(status=next(statuses, 200))

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    lists: list[int] = []
    path = "/apis/buildandpush.dev/v1alpha1/namespaces/shop/buildandpushacrs"
    async with TestServer(app) as server:
        sessions = Sessions(lambda verb, status: None, on_list=lambda: lists.append(len(asked)))
        opened = sessions.open(login(server))
        async with opened.aiohttp_session as session:
            await session.get(f"{opened.server}{path}?limit=100")
            await session.get(f"{opened.server}{path}")
            await session.get(f"{opened.server}{path}?watch=true&resourceVersion=7")
            await session.get(f"{opened.server}/apis/buildandpush.dev/v1alpha1")
    nothing = "fieldSelector=metadata.name=-&resourceVersion=0"
    assert [unquote(one) for one in asked] == [
        f"{path}?limit=100&{nothing}",
        f"{path}?{nothing}",
        f"{path}?watch=true&resourceVersion=7",
        "/apis/buildandpush.dev/v1alpha1",
    ]
    assert lists == [1], "a list that failed is none"


async def test_a_login_that_was_refused_is_known_again(server: TestServer) -> None:
    """kopf compares what it gets with what was refused. Something new each time would be tried without end."""
    sessions = Sessions(lambda verb, status: None)
    first = sessions.open(login(server, "bad"))
    await first.aiohttp_session.close()
    assert sessions.open(login(server, "bad")) == first
    other = sessions.open(login(server))
    assert other != first
    assert not other.aiohttp_session.closed
    await other.aiohttp_session.close()
