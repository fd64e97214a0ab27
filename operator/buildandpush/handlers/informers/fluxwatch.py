"""Watches the source objects of Flux, and has the builds looked at that name one which changes.

Nothing is asked of the API server until a build names an object of the kind.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from buildandpush.clients.errors import BrokenAnswerError, KubernetesError, UnavailableError
from buildandpush.clients.flux import FluxClient, Found, Place
from buildandpush.core.backoff import doubled_seconds
from buildandpush.handlers.informers.kept import Fact
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key

_log = structlog.get_logger(__name__)

IDLE_SECONDS: Final = 10.0
"""How often the builds are searched for one that names an object of the kind."""
ABSENT_SECONDS: Final = 60.0
"""How long until a kind is listed again that the cluster does not have, or that the operator may not list."""
FIRST_BACKOFF_SECONDS: Final = 1.0
LAST_BACKOFF_SECONDS: Final = 60.0
_GONE: Final = 410
_FORBIDDEN: Final = 403


class FluxWatch:
    """Follows one kind of object, in one namespace or in all."""

    def __init__(
        self, client: FluxClient, store: Store, wake: Callable[[Key], None], kind: str, namespace: str | None
    ) -> None:
        self._client = client
        self._store = store
        self._wake = wake
        self._kind = kind
        self._namespace = namespace
        self._known: dict[Place, Found] = {}
        self._failures = 0
        self._told_refusal = False

    async def run(self) -> None:
        """Follow the objects for ever."""
        seconds = 0.0
        while True:
            await asyncio.sleep(seconds)
            seconds = await self.follow()

    async def follow(self) -> float:
        """List the objects and watch them until the watch ends. Returns the seconds until the next time."""
        if not self._is_needed():
            return IDLE_SECONDS
        listed = False
        try:
            listing = await self._client.list_kind(self._kind, self._namespace)
            if listing is None:
                return ABSENT_SECONDS
            listed, self._told_refusal = True, False
            self._replace(listing.found)
            async for place, found in self._client.watch_kind(self._kind, self._namespace, listing.version):
                self._note(place, found)
        except (KubernetesError, UnavailableError) as error:
            if listed and not isinstance(error, BrokenAnswerError):
                self._failures = 0  # a watch that was cut
            return self._explain(error)
        self._failures = 0
        return FIRST_BACKOFF_SECONDS

    def _explain(self, error: KubernetesError | UnavailableError) -> float:
        """Log what went wrong. Returns the seconds until the next try."""
        status = error.status if isinstance(error, KubernetesError) else 0
        if status == _GONE:
            return FIRST_BACKOFF_SECONDS
        if status == _FORBIDDEN:
            if not self._told_refusal:
                _log.warning("flux.not_allowed", kind=self._kind, error=str(error))
            self._told_refusal = True
            return ABSENT_SECONDS
        delay = doubled_seconds(self._failures, FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS)
        self._failures += 1
        _log.warning("flux.watch_failed", kind=self._kind, error=str(error), retry_seconds=delay)
        return delay

    def _is_needed(self) -> bool:
        return self._store.has_flux(self._kind, self._namespace)

    def _replace(self, found: dict[Place, Found]) -> None:
        for place in [place for place in self._known if place not in found]:
            self._note(place, None)
        for place, one in found.items():
            self._note(place, one)

    def _note(self, place: Place, found: Found | None) -> None:
        """Have the builds looked at that name the object, if what it has fetched is something else now."""
        if self._known.get(place) == found:
            return
        if found is None:
            del self._known[place]
        else:
            self._known[place] = found
        for key in self._store.find(place[0], Fact.FLUX, self._kind, place[1]):
            self._wake(key)
