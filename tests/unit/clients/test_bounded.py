"""Answers of strangers: whatever they send, reading it costs little, and nothing of it is taken for more than it is."""

import ast
import gzip
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from buildandpush import clients
from buildandpush.clients.azure.readback import AcrReader
from buildandpush.clients.bounded import MAX_ANSWER, TooLongError, read_bounded
from buildandpush.clients.outside import Outside
from buildandpush.core.azure.login import NULL_GUID, Credentials
from buildandpush.core.facts import ReadBack
from tests.pinned import LOOPBACK
from tests.unit.clients.fake_registry import make_certificates, serve

DIGEST = "sha256:" + "a" * 64


class Stream:
    """Some chunks, as a connection brings them."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


async def read(*chunks: bytes, cut: bool = False) -> bytes:
    """What is read of them, ten bytes at most."""
    stream: Any = Stream(*chunks)
    return await read_bounded(stream, 10, cut=cut)


async def test_an_answer_is_read_to_its_end_however_it_is_cut() -> None:
    assert await read(b"01", b"234", b"56789") == b"0123456789"
    assert await read() == b""


async def test_an_answer_without_end_is_refused_or_cut() -> None:
    with pytest.raises(TooLongError):
        await read(b"0123456789", b"0")
    assert await read(b"0123456", b"789abc", b"d", cut=True) == b"0123456789"


async def fetch(body: bytes, headers: Mapping[str, str]) -> tuple[str, bytes, str]:
    """What a session outside reads: the content type, the body, and the text of it."""

    async def handle(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=body, headers=headers)

    outside = Outside(rules=LOOPBACK)
    try:
        async with (
            serve(handle) as host,
            (await outside.session(make_certificates()[0])).get(f"https://{host}/") as response,
        ):
            return response.headers["Content-Type"], await response.read(), await response.text()
    finally:
        await outside.close()


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("application/json", "application/json; charset=utf-8"),
        ("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.index.v1+json; charset=utf-8"),
        ("Text/HTML", "text/html; charset=utf-8"),
        ("application/json; charset=punycode", "application/json; charset=utf-8"),
        ("application/xml", "text/plain; charset=utf-8"),
        ("image/svg+xml; charset=utf-16", "text/plain; charset=utf-8"),
    ],
)
async def test_an_answer_is_utf_8_and_no_xml_whatever_it_says(said: str, taken: str) -> None:
    assert await fetch("é".encode(), {"Content-Type": said}) == (taken, "é".encode(), "é")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"x" * (MAX_ANSWER + 1), {}, id="long"),
        pytest.param(gzip.compress(b"\0" * 10_000_000), {"Content-Encoding": "gzip"}, id="compressed"),
        pytest.param(b"[" + b"[]," * 100_000 + b"1]", {}, id="of many values"),
    ],
)
async def test_an_answer_that_takes_too_much_is_refused(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(TooLongError):
        await fetch(body, headers)
    found = await read_back(body, headers)
    assert found.problem.rpartition(": ")[2].startswith("the answer ")
    assert not found.passing, "asked again at once, it would be the same"


async def read_back(body: bytes, headers: dict[str, str]) -> ReadBack:
    """What Azure's own client finds."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": "application/json", **headers})

    outside = Outside(rules=LOOPBACK)
    try:
        async with serve(handle) as host:
            credentials = Credentials((host,), NULL_GUID, "an-opaque-refresh-token", make_certificates()[0])
            return await AcrReader(outside).read_back(
                f"{host}/shop/web", ("latest",), "sha256:" + "a" * 64, credentials
            )
    finally:
        await outside.close()


def test_no_client_reads_an_answer_past_its_bound() -> None:
    """read(), text() and json() of an answer read all of it; `read_bounded` and BoundedResponse do not."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(clients.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call) and path.name != "bounded.py"
        if isinstance(node.value.func, ast.Attribute) and node.value.func.attr in ("read", "text", "json")
        if not (isinstance(node.value.func.value, ast.Attribute) and node.value.func.value.attr == "_secrets")
    ]
    assert found == []
