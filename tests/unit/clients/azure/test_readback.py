"""Reading back with Azure's own client: what fails for a moment is told apart from what fails."""

import socket
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from buildandpush.clients.azure.readback import AcrReader
from buildandpush.clients.outside import Outside
from buildandpush.clients.registry import RegistryClient
from buildandpush.core.azure.login import NULL_GUID, Credentials
from buildandpush.core.facts import ReadBack
from tests.pinned import LOOPBACK
from tests.unit.clients.fake_registry import make_certificates, serve

DIGEST = "sha256:" + "a" * 64
PASSWORD = "an-opaque-refresh-token"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering(status: int, body: str = "", kind: str = "application/json", retry_after: str = "0") -> Handler:
    """Answer everything so; 0: the connection breaks off."""

    async def handle(request: web.Request) -> web.Response:
        if not status and request.transport is not None:
            request.transport.abort()
        headers = {"Retry-After": retry_after}
        return web.Response(status=status or 499, text=body, content_type=kind, headers=headers)

    return handle


async def read(host: str) -> ReadBack:
    """What a reader of its own finds."""
    outside = Outside(rules=LOOPBACK)
    credentials = Credentials((host,), NULL_GUID, PASSWORD, make_certificates()[0])
    try:
        return await AcrReader(outside).read_back(f"{host}/shop/web", ("latest",), DIGEST, credentials)
    finally:
        await outside.close()


@pytest.mark.parametrize(
    ("status", "passing"), [(429, True), (500, True), (503, True), (0, True), (403, False), (400, False)]
)
async def test_a_moments_trouble_is_known_as_such(status: int, passing: bool) -> None:
    async with serve(answering(status)) as host:
        found = await read(host)
    assert found.problem
    assert found.passing is passing


async def test_a_registry_that_cannot_be_reached_is_no_moments_trouble() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = await read(f"127.0.0.1:{closed.getsockname()[1]}")
    assert found.problem
    assert not found.passing


@pytest.mark.parametrize("body", ["[" * 60_000, "{", "null", "5", '"text"', "[]", "<html>"])
async def test_an_answer_that_is_none_is_a_problem(body: str) -> None:
    for kind in ("application/json", "text/html"):
        async with serve(answering(200, body, kind)) as host:
            assert (await read(host)).problem


async def test_a_login_that_comes_back_as_an_echo_is_told_to_nobody() -> None:
    async with serve(answering(400, f"you sent {PASSWORD}", "text/plain")) as host:
        assert PASSWORD not in (await read(host)).problem


async def test_a_moments_trouble_is_waited_out() -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        if request.path.startswith("/acr/"):
            asked.append(request.path)
        return web.Response(status=503 if len(asked) == 1 else 403)

    found = await read_back(handle, lag_seconds=(0.0,))
    assert len(asked) == 2
    assert "403" in found.problem


async def read_back(handle: Handler, *, lag_seconds: tuple[float, ...] = ()) -> ReadBack:
    """What a registry's client of its own finds."""
    outside = Outside(rules=LOOPBACK)
    async with serve(handle) as host:
        credentials = Credentials((host,), NULL_GUID, PASSWORD, make_certificates()[0])
        client = RegistryClient(outside, lag_seconds=lag_seconds)
        found = await client.read_back(f"{host}/shop/web", ("latest",), DIGEST, credentials)
    await outside.close()
    return found


def without_metadata(tag: str, *, there: bool = True, status: int = 503) -> Handler:
    """An ACR that does not answer for its metadata. Its tag names this digest; DIGEST is there or not."""

    async def handle(request: web.Request) -> web.Response:
        if request.path.startswith("/acr/"):
            return web.Response(status=status)
        if request.path.endswith(DIGEST):
            headers = {"Docker-Content-Digest": DIGEST} if there else {}
            return web.Response(status=200 if there else 404, headers=headers, text="{}")
        return web.Response(headers={"Docker-Content-Digest": tag})

    return handle


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_an_acr_whose_metadata_cannot_be_read_confirms_by_the_registry_api(status: int) -> None:
    found = await read_back(without_metadata(DIGEST, status=status))
    assert (found.problem, found.digest_found, dict(found.tags)) == ("", True, {"latest": DIGEST})


@pytest.mark.parametrize(("tag", "there"), [("sha256:" + "b" * 64, True), ("sha256:" + "b" * 64, False)])
async def test_an_acr_whose_metadata_cannot_be_read_denies_nothing(tag: str, there: bool) -> None:
    """An image may be new to the part that answers."""
    found = await read_back(without_metadata(tag, there=there))
    assert "503" in found.problem
    assert not found.digest_found


async def test_a_registry_that_asks_for_a_pause_is_not_asked_in_its_other_place() -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=429, headers={"Retry-After": "120"})

    outside = Outside(rules=LOOPBACK)
    try:
        async with serve(handle) as host:
            credentials = Credentials((host,), NULL_GUID, PASSWORD, make_certificates()[0])
            client = RegistryClient(outside, lag_seconds=(60.0,))
            first = await client.read_back(f"{host}/shop/web", ("latest",), DIGEST, credentials)
            assert (first.passing, first.retry_after_seconds) == (True, 120)
            assert len(asked) == 1
            await client.read_back(f"{host}/shop/web", ("latest",), DIGEST, credentials)
            assert len(asked) == 1
    finally:
        await outside.close()
