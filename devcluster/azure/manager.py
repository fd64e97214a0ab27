"""The resource manager's lists of subscriptions and registries.

Shapes: https://learn.microsoft.com/rest/api/resources/subscriptions/list and
https://learn.microsoft.com/rest/api/container-registry/registries/list
"""

import re
from typing import Any

from aiohttp import web

from devcluster.azure.answers import manager_error
from devcluster.azure.entra import MANAGER_AUDIENCES
from devcluster.azure.model import Principal, Registry, Subscription, World, may_read
from devcluster.azure.tokens import Tokens

_PAGE = 2
"""Small, so that whoever lists has to follow the pages."""
_REGISTRIES = re.compile(r"/subscriptions/([^/]+)/providers/Microsoft[.]ContainerRegistry/registries", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)")


class Manager:
    """What the resource manager shows to each principal."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens

    def answer(self, request: web.Request, host: str) -> tuple[web.Response, str]:
        """The answer to one GET, and who asked; raises AnswerError."""
        principal = self._caller(request, host)
        if "api-version" not in request.query:
            raise manager_error(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        path = request.path.rstrip("/")
        visible = [item for item in self._world.subscriptions if item.manager == host and self._sees(principal, item)]
        if path == "/subscriptions":
            return _page(request, host, [_describe_subscription(item) for item in visible]), principal.client_id
        match = _REGISTRIES.fullmatch(path) or _SUBSCRIPTION.fullmatch(path)
        if match is None:
            raise manager_error(404, "NotFound", f"There is nothing at {path}.")
        known = [item for item in self._world.subscriptions if item.id == match[1].lower() and item.manager == host]
        if not known:
            raise manager_error(404, "SubscriptionNotFound", f"The subscription '{match[1]}' could not be found.")
        if match.re is _SUBSCRIPTION:
            if known[0] not in visible:
                raise manager_error(403, "AuthorizationFailed", _denied(principal, "subscriptions/read", path))
            return web.json_response(_describe_subscription(known[0])), principal.client_id
        registries = [item for item in self._world.registries if item.subscription == known[0].id]
        whole = may_read(principal, known[0].id)
        shown = [_describe_registry(item) for item in registries if whole or may_read(principal, item.host)]
        return _page(request, host, shown), principal.client_id

    def _caller(self, request: web.Request, host: str) -> Principal:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        claims = self._tokens.read(token, [*MANAGER_AUDIENCES, f"https://{host}"])
        principal = self._world.principal(claims["appid"], claims["tid"]) if claims else None
        if principal is None:
            raise manager_error(401, "InvalidAuthenticationToken", "The access token is invalid.")
        return principal

    def _sees(self, principal: Principal, subscription: Subscription) -> bool:
        """A principal sees a subscription if it may read the subscription or anything in it."""
        inside = [item.host for item in self._world.registries if item.subscription == subscription.id]
        return any(may_read(principal, scope) for scope in (subscription.id, *inside))


def _denied(principal: Principal, action: str, scope: str) -> str:
    return (
        f"The client '{principal.client_id}' with object id '{principal.client_id}' does not have authorization to "
        f"perform action 'Microsoft.Resources/{action}' over scope '{scope}' or the scope is invalid."
    )


def _describe_subscription(item: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{item.id}",
        "subscriptionId": item.id,
        "displayName": item.name,
        "tenantId": item.tenant,
        "state": "Enabled",
    }


def _describe_registry(item: Registry) -> dict[str, Any]:
    return {
        "id": item.resource_id,
        "name": item.name,
        "type": "Microsoft.ContainerRegistry/registries",
        "location": "westeurope",
        "sku": {"name": "Premium", "tier": "Premium"},
        "properties": {
            "loginServer": item.host,
            "creationDate": "2026-01-01T00:00:00Z",
            "provisioningState": "Succeeded",
            "adminUserEnabled": bool(item.admin),
            "roleAssignmentMode": "AbacRepositoryPermissions" if item.abac else "LegacyRegistryPermissions",
        },
    }


def _page(request: web.Request, host: str, items: list[dict[str, Any]]) -> web.Response:
    start = int(request.query.get("$skiptoken", "0"))
    body: dict[str, Any] = {"value": items[start : start + _PAGE]}
    if start + _PAGE < len(items):
        version = request.query["api-version"]
        body["nextLink"] = f"https://{host}{request.path}?api-version={version}&$skiptoken={start + _PAGE}"
    return web.json_response(body)
