"""All emulated hosts behind one address: the request's Host header says which of them is asked."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from devcluster.azure import faults
from devcluster.azure.access import Access, find_need
from devcluster.azure.answers import AnswerError, new_key, registry_error
from devcluster.azure.control import build_control
from devcluster.azure.entra import Entra
from devcluster.azure.faults import Action, Entry, Faults, RequestLog
from devcluster.azure.manager import Manager
from devcluster.azure.metadata import Metadata
from devcluster.azure.model import Registry, World, read_world
from devcluster.azure.repos import Repos
from devcluster.azure.storage import Storage, storage_error
from devcluster.azure.tokens import Tokens
from devcluster.azure.upstream import Upstream

LOGIN_HOSTS = ("login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn")
MANAGER_HOSTS = ("management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn")
REPOS_HOST = "dev.azure.com"
REGISTRY_SUFFIXES = (".azurecr.io", ".azurecr.us", ".azurecr.cn")
BLOB_SUFFIXES = (".blob.core.windows.net", ".blob.core.usgovcloudapi.net", ".blob.core.chinacloudapi.cn")


class Address(BaseModel):
    """Where a server listens."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int


class ServerConfig(BaseModel):
    """What the emulator is started with, as a JSON file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    world: Path
    secrets: dict[str, Path] = {}
    """Files of the secrets that the world names."""
    certificate: Path
    key: Path
    service_account_key: Path
    """Public key of the tokens of service accounts."""
    signing_key: Path
    """Where the key of the emulator's own tokens is kept, so that they outlive a restart."""
    upstream: str
    """host:port of the registry behind."""
    repositories: Path
    """Folder of the git repositories of Azure Repos."""
    address_host: str
    """The host that requests by address are taken for."""
    public: Address
    control: Address
    node: Address


class Azure:
    """All emulated services."""

    def __init__(self, config: ServerConfig, upstream: Upstream | None = None) -> None:
        """`upstream` takes the place of the registry that the configuration names."""
        self._config = config
        self.world: World = read_world(config.world, {name: path.read_text() for name, path in config.secrets.items()})
        self.faults = Faults()
        self.log = RequestLog()
        tokens = Tokens(_signing_key(config.signing_key))
        self._entra = Entra(self.world, tokens, config.service_account_key.read_text())
        self._access = Access(self.world, tokens)
        self._manager = Manager(self.world, tokens)
        self._repos = Repos(self.world, tokens, config.repositories)
        self._storage = Storage(self.world, tokens)
        self._upstream = upstream or Upstream(config.upstream)
        self._metadata = Metadata(self._upstream)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._upstream.open()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._config.certificate, self._config.key)
        runners = [
            await _serve(self._handle_public, self._config.public, context),
            await _serve(self._handle_node, self._config.node, None),
            await _serve_app(build_control(self.world, self.faults, self.log), self._config.control),
        ]
        try:
            await asyncio.Event().wait()
        finally:
            for runner in runners:
                await runner.cleanup()
            await self._upstream.close()

    async def _handle_public(self, request: web.Request) -> web.StreamResponse:
        host = request.host.lower().removesuffix(":443")
        if host.replace(".", "").replace(":", "").isdigit():
            host = self._config.address_host
        return await self._recorded(request, host, _kind_of(request, host, self.world))

    async def _handle_node(self, request: web.Request) -> web.StreamResponse:
        return await self._recorded(request, "169.254.169.254", "node")

    async def _recorded(self, request: web.Request, host: str, kind: str) -> web.StreamResponse:
        entry = Entry(kind, host, request.method, request.path)
        self.log.add(entry)
        action = self.faults.find(request, host)
        response: web.StreamResponse | None = None
        if action is not None:
            entry.fault = True
            response = await faults.apply(action, request)
        if response is None:
            try:
                response = await self._answer(request, host, entry, action or Action())
            except AnswerError as error:
                response = error.response
        entry.status = response.status
        return response

    async def _answer(self, request: web.Request, host: str, entry: Entry, action: Action) -> web.StreamResponse:
        response: web.StreamResponse
        if entry.kind == "node":
            response, entry.principal = self._entra.give_node_token(request.headers, request.query)
        elif entry.kind == "entra":
            response, entry.principal = await self._answer_login(request, host)
        elif entry.kind == "repos":
            response, entry.principal = await self._repos.answer(request)
        elif entry.kind == "storage":
            account = self.world.account(host)
            if account is None:
                raise storage_error(404, "ResourceNotFound", "The specified resource does not exist.")
            response, entry.principal = self._storage.answer(request, account)
        elif entry.kind == "manager":
            response, entry.principal = self._manager.answer(request, host)
        else:
            registry = self.world.registry(host)
            if registry is None:
                raise registry_error(404, "NAME_UNKNOWN", f"there is no registry {host}")
            if not registry.open:
                message = f"client with IP '{request.remote}' is not allowed access, refer https://aka.ms/acr/firewall"
                raise registry_error(403, "DENIED", message)
            if action.expired:
                registry = registry.model_copy(update={"refresh_token_seconds": -60, "access_token_seconds": -60})
            response = await self._answer_registry(request, registry, entry, action)
        return response

    async def _answer_login(self, request: web.Request, host: str) -> tuple[web.StreamResponse, str]:
        parts = request.path.strip("/").split("/")
        if request.path == "/common/discovery/instance":
            endpoint = f"https://{host}/common/v2.0/.well-known/openid-configuration"
            known = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
            body = {"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": [known]}
            return web.json_response(body), ""
        if parts[1:] == ["v2.0", ".well-known", "openid-configuration"]:
            return self._entra.describe(host, parts[0]), ""
        if parts[1:] == ["oauth2", "v2.0", "token"] and request.method == "POST":
            return self._entra.give_token(host, parts[0], dict(await request.post()))
        return web.Response(status=404), ""

    async def _answer_registry(
        self, request: web.Request, registry: Registry, entry: Entry, action: Action
    ) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        response: web.StreamResponse
        if request.path == "/oauth2/exchange" and request.method == "POST":
            response, entry.principal = self._access.exchange(registry, dict(await request.post()))
        elif request.path == "/oauth2/token":
            form = await request.post() if request.method == "POST" else request.query
            scopes = [one for given in form.getall("scope", []) for one in str(given).split()]
            response, entry.principal = self._access.give_token(
                registry, request.method, authorization, dict(form), scopes
            )
        else:
            need = find_need(request.method, request.path)
            entry.principal = self._access.authorize(registry, authorization, need, request.host)
            if request.path.startswith("/acr/v1/"):
                response = await self._metadata.answer(request, registry.host, tag_digest=action.tag_digest)
            else:
                response = await self._upstream.forward(
                    _renamed(request, action.tag_digest),
                    registry.host,
                    action.headers,
                    on_status=partial(setattr, entry, "status"),
                    truncate_bytes=action.truncate_bytes,
                )
        return response


def _renamed(request: web.Request, tag_digest: str) -> web.BaseRequest:
    """The request, where it is for a tag's manifest, as one for what the tag is said to name instead."""
    repository, separator, reference = request.path.rpartition("/manifests/")
    if not tag_digest or not separator or ":" in reference:
        return request
    return request.clone(rel_url=request.rel_url.with_path(f"{repository}{separator}{tag_digest}"))


def _kind_of(request: web.Request, host: str, world: World) -> str:
    if host in LOGIN_HOSTS or any(item.authority == host for item in world.tenants):
        return "entra"
    if host in MANAGER_HOSTS or any(item.manager == host for item in world.subscriptions):
        return "manager"
    if host == REPOS_HOST:
        return "repos"
    if host.endswith(BLOB_SUFFIXES):
        return "storage"
    if not host.endswith(REGISTRY_SUFFIXES) and world.registry(host) is None:
        return "foreign"
    for prefix, kind in (("/oauth2/exchange", "exchange"), ("/oauth2/token", "token"), ("/acr/v1/", "metadata")):
        if request.path.startswith(prefix):
            return kind
    return "content"


def _signing_key(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(new_key())
    return path.read_text()


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _serve(handler: _Handler, address: Address, context: ssl.SSLContext | None) -> web.ServerRunner:
    runner = web.ServerRunner(web.Server(handler, access_log=None))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, address.host, address.port, ssl_context=context).start()
    return runner


async def _serve_app(app: web.Application, address: Address) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, address.host, address.port).start()
    return runner


def read_config(path: Path) -> ServerConfig:
    """Read the emulator's configuration."""
    return ServerConfig.model_validate(json.loads(path.read_text()))
