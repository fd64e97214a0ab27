"""Reading back with Azure's own client: what fails for a moment is told apart from what fails."""

import gc
import hashlib
import socket
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from buildandpush.clients.azure import readback
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


async def read(host: str, *tags: str, digest: str = DIGEST) -> ReadBack:
    """What a reader of its own finds of these tags, by default of `latest`."""
    outside = Outside(rules=LOOPBACK)
    credentials = Credentials((host,), NULL_GUID, PASSWORD, make_certificates()[0])
    try:
        return await AcrReader(outside).read_back(f"{host}/shop/web", tags or ("latest",), digest, credentials)
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


MANIFEST = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
THERE = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


class Acr:
    """An ACR that holds one image, asks for tokens, and takes those that it has given out and not withdrawn."""

    def __init__(self, tags: dict[str, bytes] | None = None) -> None:
        """`tags` are manifests."""
        self.tags = {"latest": MANIFEST, THERE: MANIFEST} if tags is None else tags
        self.asked: list[str] = []
        self.given: set[str] = set()
        self.refusal = 401

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append("token" if request.path == "/oauth2/token" else request.path.split("/")[1])
        if request.path == "/oauth2/token":
            form = dict(parse_qsl((await request.content.read()).decode()))  # of any length
            token = f"{form['refresh_token']} {form['scope']} {len(self.given)}"
            self.given.add(f"Bearer {token}")
            return web.json_response({"access_token": token})
        scope = f"repository:shop/web:{'metadata_read' if request.path.startswith('/acr/') else 'pull'}"
        authorization = request.headers.get("Authorization", "")
        if authorization not in self.given or scope not in authorization:
            challenge = f'Bearer realm="https://{request.host}/oauth2/token",service="{request.host}",scope="{scope}"'
            status = self.refusal if authorization else 401
            return web.Response(status=status, headers={"WWW-Authenticate": challenge})
        if request.path.startswith("/v2/"):
            manifest = self.tags.get(request.path.rpartition("/")[2])
            if manifest is None:
                return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)
            headers = {"Docker-Content-Digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}"}
            return web.Response(
                body=manifest, headers=headers, content_type="application/vnd.oci.image.manifest.v1+json"
            )
        if not request.path.endswith(THERE):
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)
        moment = "2026-01-01T00:00:00Z"
        times = {"createdTime": moment, "lastUpdateTime": moment, "changeableAttributes": {"readEnabled": True}}
        return web.json_response({"manifest": {"digest": THERE, "imageSize": 5, **times}})


async def read_one_by_one(acr: Acr, *passwords: str, between: Callable[[], None] = lambda: None) -> list[list[str]]:
    """What a registry is asked in each reading, one with each of these logins."""
    asked: list[list[str]] = []
    outside = Outside(rules=LOOPBACK)
    reader = AcrReader(outside)
    try:
        async with serve(acr.answer) as host:
            for password in passwords:
                credentials = Credentials((host,), NULL_GUID, password, make_certificates()[0])
                found = await reader.read_back(f"{host}/shop/web", ("latest",), THERE, credentials)
                assert (found.problem, found.digest_found, dict(found.tags)) == ("", True, {"latest": THERE})
                asked.append(acr.asked)
                acr.asked = []
                between()
    finally:
        await outside.close()
    return asked


async def test_tokens_that_a_registry_has_just_taken_are_used_again() -> None:
    first, second = await read_one_by_one(Acr(), "one", "one")
    assert first == ["acr", "token", "acr", "v2", "token", "v2"]
    assert second == ["acr", "v2"]


OTHER = MANIFEST + b"\n"
ELSEWHERE = f"sha256:{hashlib.sha256(OTHER).hexdigest()}"


async def read_tags(acr: Acr, *tags: str, digest: str = THERE) -> ReadBack:
    """What a reader of its own finds of these tags of an ACR."""
    async with serve(acr.answer) as host:
        return await read(host, *tags, digest=digest)


async def test_each_tag_names_what_whoever_pulls_it_gets() -> None:
    acr = Acr({"moved": OTHER, "latest": MANIFEST, THERE: MANIFEST})
    found = await read_tags(acr, "moved", "latest", "none")
    assert (found.problem, found.digest_found, found.size_bytes) == ("", True, 5)
    assert list(found.tags.items()) == [("moved", ELSEWHERE), ("latest", THERE), ("none", None)]
    assert acr.asked == ["acr", "token", "acr", "v2", "token", "v2", "v2", "v2"], "none of them twice"


@pytest.mark.parametrize(("tags", "there"), [({THERE: MANIFEST, "latest": OTHER}, True), ({"latest": OTHER}, False)])
async def test_an_image_whose_tags_have_gone_is_there_or_not(tags: dict[str, bytes], there: bool) -> None:
    found = await read_tags(Acr(tags), "latest")
    assert (found.problem, found.digest_found, dict(found.tags)) == ("", there, {"latest": ELSEWHERE})


async def test_an_older_image_is_not_taken_for_what_a_tag_names_now() -> None:
    """Its digest is forged. It is there, and the tag named it once."""
    found = await read_tags(Acr({"latest": OTHER, THERE: MANIFEST}), "latest")
    assert found.tags["latest"] == ELSEWHERE


async def test_an_image_that_the_metadata_does_not_know_yet_is_there() -> None:
    found = await read_tags(Acr({"latest": OTHER, ELSEWHERE: OTHER}), "latest", digest=ELSEWHERE)
    assert (found.problem, found.digest_found, dict(found.tags)) == ("", True, {"latest": ELSEWHERE})
    assert (found.size_bytes, found.media_type) == (None, "application/vnd.oci.image.manifest.v1+json")


@pytest.mark.parametrize("refusal", [401, 403])
async def test_tokens_that_the_registry_takes_no_longer_are_replaced(refusal: int) -> None:
    acr = Acr()
    acr.refusal = refusal
    _, second = await read_one_by_one(acr, "one", "one", between=acr.given.clear)
    assert second.count("token") == 2


async def test_no_login_uses_the_tokens_of_another() -> None:
    _, second = await read_one_by_one(Acr(), "one", "two")
    assert second.count("token") == 2


async def test_neither_long_tokens_nor_long_logins_fill_the_memory() -> None:
    """Users choose registries, and a user name that makes the operator take a password for an identity's login."""
    size, letters = 2**19, "bcdefghij"
    acr, outside = Acr(), Outside(rules=LOOPBACK)
    reader, client = AcrReader(outside), RegistryClient(outside, lag_seconds=())

    async def read(host: str, letter: str) -> ReadBack:
        login = Credentials((host,), NULL_GUID, letter * size, make_certificates()[0])
        return await reader.read_back(f"{host}/shop/web", ("latest",), THERE, login)

    async def refuse(host: str, letter: str) -> ReadBack:
        login = Credentials((host,), "push", letter * size, make_certificates()[0])
        return await client.read_tags(f"{host}/shop/web", ("latest",), login)

    busy = answering(429, retry_after="120")
    large: dict[str, Any] = {"max_field_size": 8 * size}
    async with serve(acr.answer, **large) as host, serve(busy, **large) as silent:
        assert not (await read(host, "a")).problem
        await refuse(silent, "a")
        tracemalloc.start()
        for letter in letters:
            assert not (await read(host, letter)).problem
            assert (await refuse(silent, letter)).retry_after_seconds == 120
        acr.given.clear()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    await outside.close()
    assert held < len(letters) * size, "what is held does not grow with what was sent"


async def test_of_manifests_that_were_read_nothing_is_held_while_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest may have 4 MiB, one odd character makes it four times as large in memory, and a build has 50 tags."""
    large = MANIFEST[:-1] + ', "x": "\U0001f511{}"}}'.format("x" * 2**21).encode()
    acr, tags, held = Acr({THERE: MANIFEST}), [f"tag{number}" for number in range(12)], list[int]()
    usual = acr.answer

    async def answer(request: web.Request) -> web.Response:
        if request.path.rpartition("/")[2] in tags:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
        return await usual(request)

    acr.tags |= dict.fromkeys(tags, large)
    monkeypatch.setattr(acr, "answer", answer)
    tracemalloc.start()
    found = await read_tags(acr, *tags)
    tracemalloc.stop()
    assert found.problem == ""
    assert held[-1] - held[2] < len(large)


async def test_tokens_are_not_used_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback, "TOKEN_SECONDS", 0.0)
    _, second = await read_one_by_one(Acr(), "one", "one")
    assert second.count("token") == 2
