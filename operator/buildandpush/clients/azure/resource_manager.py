"""Finds a registry in the resource manager, for links to the portal. A failure only costs the links."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, HttpResponseError
from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient
from azure.mgmt.resource.subscriptions.aio import SubscriptionClient

from buildandpush.api.connector import GUID_PATTERN
from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.entra import EntraClient
from buildandpush.clients.outside import ODD_ANSWERS, ONE_TRY, Outside
from buildandpush.clients.recent import Recent
from buildandpush.clients.traffic.pauses import Pauses, read_pause_of
from buildandpush.core.azure.cloud import Cloud, find_cloud
from buildandpush.core.azure.credential import Resolved, UserPassword
from buildandpush.core.azure.errors import LoginError, clip_foreign
from buildandpush.core.azure.portal import build_tag_urls
from buildandpush.core.build.questions import AskLinks
from buildandpush.core.facts import Links
from buildandpush.core.settings import PortalSettings

_KEPT: Final = timedelta(minutes=10)
_KEPT_UNFOUND: Final = timedelta(minutes=1)
_MAX_FOUND: Final = 256
"""Subscriptions that are remembered: one may have thousands of registries, and its name is any text."""
_TIMEOUT_SECONDS: Final = 20.0


_Key = tuple[str, str]
"""A connector's uid and what a build calls a subscription."""


@dataclass(frozen=True)
class _Found:
    registries: dict[str, str]
    """Resource id by login server."""
    until: datetime


class _NotFoundError(Exception):
    """The identity cannot see the subscription."""


class ResourceManager:
    """Looks up registries. A result is kept for ten minutes, so many builds cost one request."""

    def __init__(
        self, outside: Outside, entra: EntraClient, settings: PortalSettings, clock: Callable[[], datetime]
    ) -> None:
        self._outside = outside
        self._entra = entra
        self._settings = settings
        self._clock = clock
        self._found: Recent[_Key, _Found] = Recent(_MAX_FOUND)
        self._locks: Recent[_Key, asyncio.Lock] = Recent(_MAX_FOUND, is_idle=lambda lock: not lock.locked())
        self._pauses: Pauses[str, Links] = Pauses()
        """By connector's uid."""

    async def find_links(self, resolved: Resolved, question: AskLinks) -> Links:
        """The portal's links of some tags, or the reason why there are none. It raises nothing for Azure's failures."""
        cloud = find_cloud(resolved.connector.spec)
        if isinstance(resolved.credential, UserPassword):
            detail = "the connector has a user name and password, which the resource manager does not know"
            return Links(Reason.LINKS_UNAVAILABLE, detail)
        if not cloud.resource_manager or not cloud.portal:
            return Links(Reason.LINKS_UNAVAILABLE, "the cloud names no resourceManagerEndpoint or no portalUrl")
        host, path = question.repository.split("/", 1)
        paused = self._pauses.find(resolved.connector.uid)
        if paused is not None:
            return paused[0]
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                registries = await self._registries(resolved, cloud, question.subscription, host)
        except LoginError as error:
            return Links(Reason.LINKS_UNAVAILABLE, error.problem.detail)
        except _NotFoundError:
            return Links(Reason.SUBSCRIPTION_NOT_FOUND, question.subscription)
        except HttpResponseError as error:
            if error.status_code in (401, 403, 404):
                return Links(Reason.REGISTRY_NOT_LISTED, clip_foreign(str(error.message)))
            busy = Links(Reason.LINKS_UNAVAILABLE, clip_foreign(str(error.message)))
            self._pauses.note(resolved.connector.uid, read_pause_of(error), busy)
            return busy
        except (AzureError, TimeoutError, OSError, *ODD_ANSWERS) as error:
            return Links(Reason.LINKS_UNAVAILABLE, clip_foreign(str(error) or type(error).__name__))
        registry_id = registries.get(host.lower())
        if registry_id is None:
            return Links(Reason.REGISTRY_NOT_LISTED, f"{host} in subscription {question.subscription}")
        return Links(Reason.LINKS_RESOLVED, "", build_tag_urls(cloud, registry_id, path, question.tags, self._settings))

    def forget(self, connector_uid: str) -> None:
        """Drop what was found for a connector that is gone."""
        self._found.drop(lambda key: key[0] == connector_uid)
        self._locks.drop(lambda key: key[0] == connector_uid)

    async def _registries(self, resolved: Resolved, cloud: Cloud, subscription: str, host: str) -> dict[str, str]:
        key = (resolved.connector.uid, subscription)
        async with self._locks.get(key) or self._locks.put(key, asyncio.Lock()):
            known = self._found.get(key)
            if known is not None and self._clock() < known.until:
                return known.registries
            token = await self._entra.fetch_token(resolved, cloud.resource_manager_audience or "")
            subscription_id = await self._find_subscription(cloud, token, subscription)
            registries = await self._list_registries(cloud, token, subscription_id)
            kept = _KEPT if host.lower() in registries else _KEPT_UNFOUND
            self._found.put(key, _Found(registries, self._clock() + kept))
            return registries

    async def _find_subscription(self, cloud: Cloud, token: str, subscription: str) -> str:
        """The id of a subscription that is named by its id or its display name."""
        if re.fullmatch(GUID_PATTERN, subscription):
            return subscription
        async with SubscriptionClient(_HeldToken(token), **await self._arguments(cloud)) as client:
            async for item in client.subscriptions.list():
                if (item.display_name or "").lower() == subscription.lower() and item.subscription_id:
                    return str(item.subscription_id)
        raise _NotFoundError

    async def _list_registries(self, cloud: Cloud, token: str, subscription_id: str) -> dict[str, str]:
        client = ContainerRegistryManagementClient(_HeldToken(token), subscription_id, **await self._arguments(cloud))
        async with client:
            return {
                item.properties.login_server.lower(): str(item.id)
                async for item in client.registries.list()
                if item.properties is not None and item.properties.login_server
            }

    async def _arguments(self, cloud: Cloud) -> dict[str, Any]:
        return {
            "base_url": cloud.resource_manager,
            "credential_scopes": [f"{cloud.resource_manager_audience}/.default"],
            "transport": await self._outside.transport(),
            **ONE_TRY,
        }


class _HeldToken:
    """A token that exists already, as a credential for the Azure clients."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        """The token; the clients are made anew before it ends."""
        return AccessToken(self._token, 2**31)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> "_HeldToken":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None
