"""Certificates are checked as kaniko, git and kubectl do it, also with a Python that checks more."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web
from kubernetes import aio

from buildandpush.clients import outside
from buildandpush.clients.errors import BrokenAnswerError
from buildandpush.clients.kubernetes.transport import Transport
from buildandpush.handlers.informers.kopfsession import Sessions
from buildandpush.source.network import connection
from tests.pinned import LOOPBACK
from tests.unit.clients.fake_registry import make_certificates, serve
from tests.webserver import make_certificate


@dataclass(frozen=True)
class Server:
    """It answers everything with an object. Its authority has no key identifier, as that of many a cluster."""

    url: str
    host: str
    port: int
    authority: str
    """In PEM form."""
    file: Path
    """With the same."""


Ask = Callable[[Server], Awaitable[None]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Answer"})

    async with serve(handle) as address:
        host, _, port = address.partition(":")
        file = tmp_path / "authority.crt"
        file.write_text(make_certificates()[0])
        yield Server(f"https://{address}", host, int(port), file.read_text(), file)


@pytest.fixture(params=["as this Python does", "as Python 3.13 does"])
def usual_checks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a context checks if nobody says anything."""
    connection._context.cache_clear()
    outside._CONTEXTS.drop(lambda place: True)
    if request.param == "as this Python does":
        return
    usual = ssl.create_default_context

    def create(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = usual(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", create)


async def ask_api_server(server: Server) -> None:
    configuration = aio.client.Configuration(host=server.url)
    configuration.ssl_ca_cert = str(server.file)
    async with Transport.of(configuration) as transport:
        assert await transport.request("GET", "/api") == {"kind": "Answer"}


async def ask_api_server_for_kopf(server: Server) -> None:
    info = kopf.ConnectionInfo(server=server.url, ca_path=str(server.file))
    async with Sessions(lambda verb, status: None).open(info).aiohttp_session as session:
        assert (await session.get(f"{server.url}/api")).status == 200


async def ask_outside(server: Server) -> None:
    opened = outside.Outside(rules=LOOPBACK)
    try:
        session = await opened.session(server.authority)
        assert (await session.get(f"{server.url}/v2/")).status == 200
    finally:
        await opened.close()


async def ask_outside_for_installer(server: Server) -> None:
    opened = outside.Outside(str(server.file), rules=LOOPBACK)
    try:
        assert (await (await opened.session()).get(f"{server.url}/v2/")).status == 200
    finally:
        await opened.close()


async def ask_in_build_pod(server: Server) -> None:
    def ask() -> int:
        connected = connection.connect(server.host, server.port, server.file, rules=LOOPBACK)
        with closing(connected):
            connected.request("GET", "/shop.tar")
            return connected.getresponse().status

    assert await asyncio.to_thread(ask) == 200


ALL = (ask_api_server, ask_api_server_for_kopf, ask_outside, ask_outside_for_installer, ask_in_build_pod)


@pytest.mark.usefixtures("usual_checks")
@pytest.mark.parametrize("ask", ALL, ids=lambda ask: ask.__name__)
async def test_an_authority_without_key_identifiers_is_taken(ask: Ask, server: Server) -> None:
    await ask(server)


@pytest.mark.usefixtures("usual_checks")
@pytest.mark.parametrize("ask", ALL, ids=lambda ask: ask.__name__)
async def test_a_server_of_another_name_or_authority_is_refused(ask: Ask, server: Server, tmp_path: Path) -> None:
    elsewhere = replace(server, url=server.url.replace("127.0.0.1", "localhost"), host="localhost")
    other = make_certificate(tmp_path, "IP:127.0.0.1").certificate
    stranger = replace(server, authority=other.read_text(), file=other)
    for wrong in (elsewhere, stranger):
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED") as caught:
            await ask(wrong)
        assert not isinstance(caught.value, AssertionError)


@asynccontextmanager
async def connect_operator(server: Server) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    configuration = aio.client.Configuration(host=server.url)
    configuration.ssl_ca_cert = str(server.file)
    async with Transport.of(configuration) as transport:
        yield lambda: transport.request("GET", "/api")


@asynccontextmanager
async def connect_watch(server: Server) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    configuration = aio.client.Configuration(host=server.url)
    configuration.ssl_ca_cert = str(server.file)

    async def watch(transport: Transport) -> None:
        with suppress(BrokenAnswerError):  # the server is none of watches
            async for _ in transport.watch("/api", "1", {}):
                pass

    async with Transport.of(configuration) as transport:
        yield lambda: watch(transport)


@asynccontextmanager
async def connect_kopf(server: Server) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    info = kopf.ConnectionInfo(server=server.url, ca_path=str(server.file))
    async with Sessions(lambda verb, status: None).open(info).aiohttp_session as session:
        yield lambda: session.get(f"{server.url}/api")


@pytest.mark.parametrize(
    "connect", [connect_operator, connect_watch, connect_kopf], ids=lambda connect: connect.__name__
)
async def test_a_new_authority_of_the_cluster_is_trusted_once_its_file_is_there(
    connect: Callable[[Server], AbstractAsyncContextManager[Callable[[], Awaitable[Any]]]],
    server: Server,
    tmp_path: Path,
) -> None:
    """A cluster may change its authority while the operator runs. The kubelet brings the new file, soon or late."""
    (tmp_path / "old").mkdir()
    old = make_certificate(tmp_path / "old", "IP:127.0.0.1").certificate
    async with connect(replace(server, file=old)) as ask:
        for _ in range(2):
            with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
                await ask()
        old.unlink()
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            await ask()
        old.write_text(server.authority)
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            await ask()  # it finds out
        await ask()
