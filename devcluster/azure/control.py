"""The control API, plain http on loopback: the world at run time, faults, and the log. See README.md."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError

from devcluster.azure.faults import Fault, Faults, RequestLog
from devcluster.azure.model import World, parse_world
from devcluster.errors import DevclusterError


def build_control(world: World, faults: Faults, log: RequestLog) -> web.Application:
    """The application that answers on the control address."""

    async def merge_world(request: web.Request) -> web.Response:
        try:
            world.merge(parse_world(await _read(request), "the request"))
        except DevclusterError as error:
            return web.Response(status=400, text=str(error))
        return web.json_response({})

    async def add_fault(request: web.Request) -> web.Response:
        try:
            fault = Fault.model_validate(await _read(request))
        except ValidationError as error:
            return web.Response(status=400, text=str(error))
        return web.json_response({"id": faults.add(fault)})

    async def remove_fault(request: web.Request) -> web.Response:
        faults.remove(int(request.match_info["number"]))
        return web.json_response({})

    async def remove_faults(_: web.Request) -> web.Response:
        faults.remove()
        return web.json_response({})

    async def find_requests(request: web.Request) -> web.Response:
        return web.json_response({"requests": log.find(request.query)})

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.add_routes(
        [
            web.post("/world", merge_world),
            web.post("/faults", add_fault),
            web.delete("/faults/{number}", remove_fault),
            web.delete("/faults", remove_faults),
            web.get("/requests", find_requests),
            web.get("/healthz", health),
        ]
    )
    return app


async def _read(request: web.Request) -> Any:
    return await request.json()
