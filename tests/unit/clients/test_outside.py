"""Connections to the outside: certificates as users write them, answers that do not end, sessions that come and go."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer
from yarl import URL

from buildandpush.api.addresses import AddressRules
from buildandpush.clients import outside as module
from buildandpush.clients.outside import ForbiddenAddressError, Outside
from buildandpush.clients.recent import Recent
from buildandpush.clients.resolver import Resolver
from buildandpush.clients.traffic import circuits
from buildandpush.clients.traffic.circuits import OPENS_AFTER
from buildandpush.clients.traffic.places import Limits
from tests.pinned import LOOPBACK, PinnedResolver
from tests.unit.clients.fake_registry import make_certificates

AUTHORITIES = [make_certificates.__wrapped__()[0] for _ in range(7)]
CA, OTHER_CA = AUTHORITIES[:2]


def subjects(context: ssl.SSLContext) -> list[Any]:
    """Whom a context trusts."""
    return [found["subject"] for found in context.get_ca_certs()]


@pytest.mark.parametrize(
    "bundle",
    [
        CA,
        f"# Zertifizierungsstelle für Bücher\n{CA}\n# Ende ✓\n",
        CA.replace("\n", "\r\n"),
        f"{CA}{CA}",
        CA.replace("CERTIFICATE", "TRUSTED CERTIFICATE") + CA,
    ],
)
async def test_certificates_are_found_between_comments(bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONTEXTS", Recent())  # OpenSSL loads the usual ones into a context once it is used
    assert len(subjects(await Outside().trust(bundle))) == 1


@pytest.mark.parametrize(
    "bundle",
    [
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nno end",
        f"{CA}-----BEGIN CERTIFICATE-----\nno end",
        f"-----BEGIN CERTIFICATE-----\n{CA}",
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nünsinn\n-----END CERTIFICATE-----",
    ],
)
async def test_certificates_that_are_none_are_told(bundle: str) -> None:
    with pytest.raises(ssl.SSLError):
        await Outside().trust(bundle)


async def test_certificates_are_read_once_good_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual ones take some 50 ms to read, and connectors are looked at again and again."""
    made: list[ssl.SSLContext] = []
    usual = ssl.create_default_context

    def make() -> ssl.SSLContext:
        made.append(usual())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", make)
    monkeypatch.setattr(module, "_CONTEXTS", Recent())
    nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    outside = Outside()
    for bundle in (CA, f"# once\n{CA}", CA.replace("\n", "\r\n"), nonsense) * 3:
        with suppress(ssl.SSLError):
            await outside.trust(bundle)
    assert len(made) == 2


async def test_bundles_with_the_same_certificates_share_a_session() -> None:
    outside = Outside()
    sessions = [await outside.session(bundle) for bundle in (CA, f"{CA}# once more", f"{CA}{CA}", OTHER_CA)]
    assert sessions[0] is sessions[1] is sessions[2] is not sessions[3]
    await outside.close()


async def test_nothing_stands_still_while_certificates_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many who come meanwhile wait for the same reading."""
    loop, reading, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    usual, made = ssl.create_default_context, []

    def make() -> ssl.SSLContext:
        loop.call_soon_threadsafe(reading.set)
        made.append(go_on.wait(20))
        return usual()

    monkeypatch.setattr(module, "_CONTEXTS", Recent())
    monkeypatch.setattr(ssl, "create_default_context", make)
    outside = Outside()
    waiting = asyncio.gather(*(outside.session(CA) for _ in range(3)))
    await reading.wait()
    go_on.set()
    assert len(set(await waiting)) == 1
    assert made == [True], "read once, and while this test went on"
    await outside.close()


@pytest.mark.parametrize("path", ["/no/such/file", __file__])
async def test_a_file_of_certificates_that_cannot_be_read_is_told(path: str) -> None:
    with pytest.raises(ssl.SSLError):
        await Outside(path).trust()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sessions at most beside the usual one, and nobody uses one for longer than a moment."""
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    monkeypatch.setattr(module, "RETIREMENT_SECONDS", 0.01)


@pytest.mark.usefixtures("few")
async def test_the_session_used_longest_ago_is_closed_once_nobody_can_use_it() -> None:
    outside = Outside()
    usual = await outside.session()
    first, second = [await outside.session(ca) for ca in AUTHORITIES[:2]]
    assert await outside.session(AUTHORITIES[0]) is first
    await outside.session(AUTHORITIES[2])
    assert not second.closed, "somebody may be reading from it"
    await asyncio.sleep(0.05)
    assert [session.closed for session in (usual, first, second)] == [False, False, True]
    await outside.close()
    assert usual.closed
    assert first.closed


async def test_sessions_that_are_retired_are_closed_at_the_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 1)
    outside = Outside()
    sessions: list[aiohttp.ClientSession] = [await outside.session(ca) for ca in AUTHORITIES[:3]]
    assert not any(session.closed for session in sessions)
    await outside.close()
    assert all(session.closed for session in sessions)


async def test_whoever_changes_certificates_all_the_time_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    outside = Outside()
    sessions: list[aiohttp.ClientSession] = [await outside.session(ca) for ca in AUTHORITIES]
    await asyncio.gather(*outside._closing)
    assert [session.closed for session in sessions] == [True] * 3 + [False] * 4
    await outside.close()


class Connections:
    """A server on loopback that counts who comes."""

    def __init__(self) -> None:
        self.count = 0
        self.port = 0

    async def __aenter__(self) -> "Connections":
        def come(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.count += 1
            writer.close()

        self._server = await asyncio.start_server(come, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "contoso.azurecr.io"])
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_no_name_and_no_address_leads_to_a_forbidden_address(scheme: str, host: str) -> None:
    async with Connections() as server:
        resolver = PinnedResolver("127.0.0.1", server.port) if host.endswith(".io") else None
        outside = Outside(resolver=resolver)
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await (await outside.session()).get(f"{scheme}://{host}:{server.port}/")
        await outside.close()
        assert isinstance(caught.value.os_error, ForbiddenAddressError)
        assert server.count == 0


async def test_the_installer_may_allow_an_address() -> None:
    async with Connections() as server:
        outside = Outside(rules=LOOPBACK)
        with pytest.raises(aiohttp.ClientError):
            await (await outside.session()).get(f"http://127.0.0.1:{server.port}/")
        await outside.close()
        assert server.count


class Listener(Connections):
    """A server on loopback that keeps the heads of requests, and has nothing to say."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[str] = []

    async def __aenter__(self) -> "Listener":
        async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            writer.close()

        self._server = await asyncio.start_server(come, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self


@pytest.fixture
def _fresh_proxies() -> Iterator[None]:
    module._find_proxy.cache_clear()
    yield
    module._find_proxy.cache_clear()


@pytest.mark.usefixtures("_fresh_proxies")
async def test_the_proxy_of_the_environment_is_used_but_for_the_hosts_that_are_excepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Listener() as proxy, Listener() as server:
        monkeypatch.setenv("http_proxy", f"http://user:word@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "near.example.com")
        outside = Outside(resolver=PinnedResolver("127.0.0.1", server.port), rules=LOOPBACK)
        for host in ("far.example.com", "near.example.com"):
            async with (await outside.session()).get(f"http://{host}/") as answer:
                assert answer.status == 204
        await outside.close()
    assert [head.split("\r\n")[0] for head in proxy.heads] == ["GET http://far.example.com/ HTTP/1.1"]
    assert "proxy-authorization: basic dxnlcjp3b3jk" in proxy.heads[0].lower()
    assert [head.split("\r\n")[0] for head in server.heads] == ["GET / HTTP/1.1"]


@pytest.mark.usefixtures("_fresh_proxies")
async def test_the_environment_is_read_once_for_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find(url: URL) -> Any:
        asked.append(str(url.host))
        raise LookupError

    monkeypatch.setattr(module, "get_env_proxy_for_url", find)
    async with Listener() as server:
        outside = Outside(resolver=PinnedResolver("127.0.0.1", server.port), rules=LOOPBACK)
        for host in ("a.example.com", "b.example.com", "a.example.com"):
            async with (await outside.session()).get(f"http://{host}/"):
                pass
        await outside.close()
    assert asked == ["a.example.com", "b.example.com"]


@pytest.mark.usefixtures("_fresh_proxies")
async def test_no_login_of_a_netrc_goes_to_a_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine a.example.com login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with Listener() as server:
        outside = Outside(resolver=PinnedResolver("127.0.0.1", server.port), rules=LOOPBACK)
        async with (await outside.session()).get("http://a.example.com/"):
            pass
        await outside.close()
    assert "authorization" not in server.heads[0].lower()


async def test_the_nodes_metadata_service_is_reached_whatever_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past any proxy as well: it answers to the node alone."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    async with Connections() as server:
        outside = Outside()
        session = outside.node_transport().session
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(f"http://127.0.0.1:{server.port}/")
        await outside.close()
        assert server.count
        assert session.closed


async def test_each_request_is_told_by_its_host_and_the_status_of_its_answer() -> None:
    told: list[tuple[str, int | None]] = []

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.path.strip("/")), headers={"Location": "/200"})

    app = web.Application()
    app.router.add_get("/{status}", answer)
    async with TestServer(app, host="127.0.0.1") as server, Connections() as broken:
        outside = Outside(
            resolver=PinnedResolver("127.0.0.1", int(server.port or 0)),
            rules=LOOPBACK,
            on_answer=lambda host, status: told.append((host, status)),
        )
        for status in (200, 404, 302):
            await (await outside.session()).get(
                f"http://contoso.azurecr.io:{server.port}/{status}", allow_redirects=False
            )
        with pytest.raises(aiohttp.ClientError):
            await (await outside.session()).get(f"http://127.0.0.1:{broken.port}/")
        with pytest.raises(aiohttp.ClientError):
            await outside.node_transport().session.get(f"http://127.0.0.1:{broken.port}/")
        await outside.close()
    assert told == [
        *(("contoso.azurecr.io", status) for status in (200, 404, 302)),
        *(("127.0.0.1", None),) * 2,
    ]


class Found(AbstractResolver):
    """Finds every host at these addresses; at none, it does not exist."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        """The addresses."""
        if not self._addresses:
            raise OSError(f"no such host: {host}")
        return [{"host": address} for address in self._addresses]

    async def close(self) -> None:
        """Nothing to close."""


class NoWay(AddressRules):
    """Rules that let a client connect nowhere."""

    def refuses(self, address: str) -> bool:
        """All is refused."""
        return True


@pytest.mark.parametrize(
    ("host", "addresses", "told"),
    [
        ("registry.example", ["140.82.121.4"], True),
        ("registry.example:5000", ["140.82.121.4", "2606:50c0:8000::153"], True),
        ("registry.corp", ["10.0.0.5"], False),
        ("registry.corp", ["140.82.121.4", "10.0.0.5"], False),
        ("registry.corp", ["127.0.0.1"], True),  # the installer's own word
        ("registry.corp", [], False),
        ("contoso.azurecr.io", ["10.0.0.5"], True),  # a private endpoint
        ("contoso.azurecr.cn", [], True),
        ("contoso.azurecr.io.evil.example", ["10.0.0.5"], False),
    ],
)
async def test_how_a_host_answers_is_told_unless_it_is_inside(host: str, addresses: list[str], told: bool) -> None:
    assert await Outside(resolver=Found(*addresses), rules=LOOPBACK).may_tell(host) is told


class Changing(AbstractResolver):
    """Finds every host at the first address, and at the next one each time it is asked again."""

    def __init__(self, *addresses: str) -> None:
        self._left = list(addresses)

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        """The address of the moment."""
        address = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        found = {"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0}
        return [{**found, "flags": socket.AI_NUMERICHOST}]

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_host_that_was_inside_is_not_told_though_its_name_leads_outside_a_moment_later() -> None:
    """Whoever names a host owns its DNS. It could answer a public address once the operator asks what it may tell."""
    outside = Outside(resolver=Changing("10.0.0.5", "140.82.121.4"), rules=NoWay())
    with pytest.raises(aiohttp.ClientError):
        await (await outside.session()).get("https://registry.Evil.example/v2/")
    assert not await outside.may_tell("Registry.evil.example:443")
    assert await outside.may_tell("another.example")
    await outside.close()


async def test_a_host_that_git_found_inside_is_not_told_by_a_registry_of_the_same_name_either() -> None:
    outside = Outside(resolver=Changing("140.82.121.4"), rules=NoWay())
    outside.note_inside("Git.evil.example.")
    assert not await outside.may_tell("git.evil.example:443")
    assert await outside.may_tell("another.example")


@pytest.mark.parametrize("host", ["contoso.azurecr.io", "contoso.azurecr.us:443"])
async def test_of_azures_registries_everybody_learns_all_though_a_private_link_leads_inside(host: str) -> None:
    outside = Outside(resolver=Changing("10.0.0.5"), rules=NoWay())
    outside.note_inside(host.partition(":")[0])
    assert await outside.may_tell(host)


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1:5000", False), ("140.82.121.4", True), ("a..b", False)])
async def test_addresses_and_bad_names_are_judged_without_a_resolver_of_our_own(host: str, told: bool) -> None:
    assert await Outside().may_tell(host) is told


class Names:
    """DNS as the machine asks it: of names with `silent` in them it says nothing, all others are this machine's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.over = threading.Event()
        self.asked: list[str] = []
        self.crowd = asyncio.Event()
        """Set once so many are looked for as the event loop has threads on the smallest machine."""
        self._loop = asyncio.get_running_loop()
        monkeypatch.setattr(socket, "getaddrinfo", self._find)

    def _find(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        if len(self.asked) >= 5:
            self._loop.call_soon_threadsafe(self.crowd.set)
        if "silent" in host:
            self.over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


async def test_hosts_that_dns_says_nothing_of_hold_up_no_others(
    monkeypatch: pytest.MonkeyPatch, servers: "Servers"
) -> None:
    """Users name hosts, and a lookup holds its thread for long, even once nobody waits for it any more."""
    names = Names(monkeypatch)
    async with AsyncExitStack() as stack:
        stack.callback(names.over.set)
        good = URL(await servers.start(stack, "answers"))
        hanging = [
            asyncio.create_task(servers.ask(str(good.with_host(f"silent{number}.example")), 60))
            for number in range(circuits.OUTSIDE_LIMITS.doubtful - 1)
        ]
        async with asyncio.timeout(10):
            await names.crowd.wait()
        telling = asyncio.create_task(servers.outside.may_tell("silent.example"))
        assert await servers.ask(str(good.with_host("good.example")), 10) == "answered"
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(names.asked.count, "good.example") == 1  # so does who else needs a thread
        names.over.set()
        await asyncio.gather(*hanging, telling)


async def test_addresses_of_both_kinds_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:50c0:8000::153", 443, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("140.82.121.4", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    resolver = Resolver()
    found = await resolver.resolve("registry.example", 443)
    assert [(one["host"], one["port"], one["family"]) for one in found] == [
        ("2606:50c0:8000::153", 443, socket.AF_INET6),
        ("140.82.121.4", 443, socket.AF_INET),
    ]
    await resolver.close()


# ---- servers that hang, drip or have too much to do


class Servers:
    """Registries on loopback, and how the operator's requests to them end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.outside = Outside(rules=LOOPBACK)
        self.crowd = asyncio.Event()
        """Set once a server has as many requests as it has connections."""

    async def start(self, stack: AsyncExitStack, manner: str) -> str:
        """A server that answers at once, hangs before its answer, or never ends it. Returns its address."""
        let_go = asyncio.Event()

        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append(manner)
            if len(self.asked) >= module.CONNECTIONS_PER_HOST:
                self.crowd.set()
            if manner == "hangs":
                await let_go.wait()
            response = web.StreamResponse()
            await response.prepare(request)
            if manner == "drips":
                await response.write(b"d")
                await let_go.wait()
            return response

        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        server = await stack.enter_async_context(TestServer(app))
        stack.callback(let_go.set)
        return str(server.make_url("/v2/"))

    async def ask(self, address: str, seconds: float) -> str:
        """Ask, and wait for so long."""
        try:
            async with asyncio.timeout(seconds), (await self.outside.session()).get(address) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__
        return "answered"


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    made = Servers()
    yield made
    await made.outside.close()


@pytest.mark.parametrize("manner", ["hangs", "drips"])
async def test_a_server_that_does_not_answer_takes_nobody_elses_connections(manner: str, servers: Servers) -> None:
    async with AsyncExitStack() as stack:
        good, bad = await servers.start(stack, "answers"), await servers.start(stack, manner)
        hanging = [asyncio.create_task(servers.ask(bad, 60)) for _ in range(100)]
        async with asyncio.timeout(60):
            await servers.crowd.wait()
        assert await asyncio.gather(*(servers.ask(good, 60) for _ in range(40))) == ["answered"] * 40
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


@pytest.mark.parametrize("manner", ["hangs", "drips"])
async def test_a_server_that_hangs_is_soon_asked_no_more(
    manner: str, monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    monkeypatch.setattr(circuits, "GIVEN_UP_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        good, bad = await servers.start(stack, "answers"), await servers.start(stack, manner)
        ended = [await servers.ask(bad, 0.1) for _ in range(OPENS_AFTER + 5)]
        assert ended == ["TimeoutError"] * OPENS_AFTER + ["RefusedError"] * 5
        assert await servers.ask(good, 60) == "answered"
        assert servers.asked == [manner] * OPENS_AFTER + ["answers"]


async def test_an_answer_that_nobody_reads_to_its_end_is_one(servers: Servers) -> None:
    """A page of an error may be long, and its beginning is enough."""
    async with AsyncExitStack() as stack:
        bad = await servers.start(stack, "drips")
        for _ in range(OPENS_AFTER + 1):
            async with (await servers.outside.session()).get(bad) as response:
                assert response.status == 200
        assert len(servers.asked) == OPENS_AFTER + 1


async def test_an_answer_that_is_forgotten_keeps_its_place_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    servers.outside = Outside(rules=LOOPBACK, circuits=circuits.Circuits(Limits(1, 1, doubtful=1, slow_per_host=1)))
    async with AsyncExitStack() as stack:
        good, bad = await servers.start(stack, "answers"), await servers.start(stack, "drips")
        forgotten = await (await servers.outside.session()).get(bad)
        assert await servers.ask(good, 60) == "answered"
        forgotten.close()


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://contoso.azurecr.io/v2/shop/web/manifests/1", "contoso.azurecr.io"),
        ("https://contoso.azurecr.io/oauth2/exchange", "contoso.azurecr.io"),
        ("https://registry.example:5000/v2/", "registry.example:5000"),
        ("https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", "login.microsoftonline.com/contoso.com"),
    ],
)
def test_each_registry_and_each_tenant_is_an_endpoint(url: str, endpoint: str) -> None:
    """A tenant that one user names must not cut off all the others from Entra ID."""
    assert module._endpoint_of(URL(url)) == endpoint
