"""What the emulated Azure passes on to the registry behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web

from devcluster.azure.upstream import Upstream

PUT = b"PUT /v2/shop/web/manifests/latest HTTP/1.1\r\nHost: contoso.azurecr.io\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def serve(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    """A server like the emulator's, which ends no handler when its client goes. Gives the port."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_a_push_is_counted_though_whoever_made_it_is_gone() -> None:
    """The registry has taken it all the same."""
    asked, goes_on = asyncio.Event(), asyncio.Event()
    statuses: asyncio.Queue[int] = asyncio.Queue()
    passed_on: list[web.BaseRequest] = []

    async def take(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        asked.set()
        await goes_on.wait()
        return web.Response(status=201)

    async def pass_on(request: web.BaseRequest) -> web.StreamResponse:
        passed_on.append(request)
        asked_of = cast("web.Request", request)  # which the emulator's own handlers are given, too
        return await upstream.forward(asked_of, "contoso.azurecr.io", {}, on_status=statuses.put_nowait)

    async with serve(take) as registry, serve(pass_on) as front:
        upstream = Upstream(f"127.0.0.1:{registry}")
        await upstream.open()
        _, writer = await asyncio.open_connection("127.0.0.1", front)
        writer.write(PUT)
        await asyncio.wait_for(asked.wait(), 10)
        writer.transport.abort()
        async with asyncio.timeout(10):
            while passed_on[0].transport is not None:  # noqa: ASYNC110 - aiohttp tells of it in no other way
                await asyncio.sleep(0)
        goes_on.set()
        assert await asyncio.wait_for(statuses.get(), 10) == 201
        await upstream.close()
