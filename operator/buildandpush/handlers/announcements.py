"""Writes Events beside the passes. An Event tells a person what a status says already, so no build waits for one.

In a burst Events would be a third of what is written. They have their turn one after the other for each namespace, with
pauses: the busier the API server is, the later they come, and the sooner the statuses. A request beside nothing else
takes the operator three times the processor time that it takes among others, so short ones come some in a row.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.recent import Recent
from buildandpush.core import naming
from buildandpush.core.build.world import Announce
from buildandpush.core.facts import Owner
from buildandpush.handlers.workqueue.queue import WorkQueue

_log = structlog.get_logger(__name__)

WRITERS: Final = 4
"""Events that are written at once. A namespace has one of them, so a slow webhook of one holds up none of another."""
ROW_SECONDS: Final = 0.05
"""When the API server has taken so long for Events of a namespace, one or some, their writer pauses."""
PAUSES: Final = 4
"""It pauses for so many times as long as the API server took for them."""
LONGEST_PAUSE_SECONDS: Final = 1.0
MOST_WAITING: Final = 10_000
"""Some MiB. Whoever has one more writes it itself."""
MOST_TRIES: Final = 4
"""An Event that the API server does not answer is given up after so many, which take some seconds and more."""

Place = tuple[str, str]
"""Namespace and name of an Event."""
Tell = Callable[[Owner, Announce, datetime], Awaitable[None]]
"""Has an Event written about a resource: what it says, and when that was so."""


class Announcements:
    """Events that are to be written."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._waiting: dict[Place, tuple[Manifest, int]] = {}
        """With how often it was tried."""
        self._taken: Recent[str, float] = Recent()
        """Seconds that the API server has taken for Events of a namespace since the last pause."""
        self._hurries = False
        self._queue: WorkQueue[Place] = WorkQueue(self._write, workers=WRITERS, namespace_of=lambda place: place[0])

    async def tell(self, owner: Owner, action: Announce, now: datetime) -> None:
        """Have an Event written soon. It waits only where too many wait already."""
        event = build_event(owner, action, now)
        if len(self._waiting) >= MOST_WAITING:
            await self._send(event)
            return
        place = (owner.namespace, event["metadata"]["name"])
        self._waiting.setdefault(place, (event, 0))
        self._queue.add(place)

    async def write(self, owner: Owner, action: Announce, now: datetime) -> None:
        """Write an Event at once."""
        await self._send(build_event(owner, action, now))

    async def run(self) -> None:
        """Write until cancelled."""
        await self._queue.run()

    async def flush(self, timeout_seconds: float) -> None:
        """Wait until all that was told is written, or the time is over."""
        waiting, self._hurries = len(self._waiting), True
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._queue.rest()
        except TimeoutError:
            _log.warning("events.not_written", waiting=len(self._waiting), before=waiting)

    def count_waiting(self) -> int:
        """How many Events wait to be written."""
        return len(self._waiting)

    async def _write(self, place: Place) -> None:
        found = self._waiting.get(place)
        if found is None:
            return  # it was told again, or its writer was cancelled, when it had just been written
        event, tries = found
        began = asyncio.get_running_loop().time()
        try:
            await self._send(event, is_last=tries + 1 == MOST_TRIES)
        except UnavailableError:
            self._waiting[place] = (event, tries + 1)
            raise  # the queue calls again
        del self._waiting[place]
        await self._pause(place[0], asyncio.get_running_loop().time() - began)

    async def _pause(self, namespace: str, seconds: float) -> None:
        """Leave time to others, once the API server has taken enough for this namespace."""
        taken = (self._taken.get(namespace) or 0.0) + seconds
        pauses = taken >= ROW_SECONDS
        self._taken.put(namespace, 0.0 if pauses else taken)
        if pauses and not self._hurries:
            await asyncio.sleep(min(PAUSES * taken, LONGEST_PAUSE_SECONDS))

    async def _send(self, event: Manifest, *, is_last: bool = True) -> None:
        """Write an Event. What the API server refuses, because the namespace is going or has too many Events, is given
        up. Without an answer it is given up at the last try, and raises UnavailableError before."""
        try:
            await self._client.create_event(event)
        except (KubernetesError, UnavailableError) as error:
            if isinstance(error, UnavailableError) and not is_last:
                raise
            about = event["involvedObject"]
            _log.info("event.refused", namespace=about["namespace"], build=about["name"], error=str(error))


def build_event(owner: Owner, action: Announce, now: datetime) -> Manifest:
    """The Event that says it. Its name says what it is about, so a second one of the same is refused."""
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": naming.event_name(owner.name, owner.uid, action.key, action.reason),
            "namespace": owner.namespace,
        },
        "involvedObject": {
            "apiVersion": meta.API_VERSION,
            "kind": meta.BUILD_KIND,
            "name": owner.name,
            "namespace": owner.namespace,
            "uid": owner.uid,
        },
        "type": "Warning" if action.warning else "Normal",
        "reason": action.reason,
        "message": action.message,
        "source": {"component": meta.COMPONENT},
        "reportingComponent": meta.COMPONENT,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
