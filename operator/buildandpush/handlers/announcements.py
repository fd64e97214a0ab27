"""Writes Events beside the passes. An Event tells a person what a status says already, so no build waits for one.

In a burst Events would be a third of what is written. Each namespace has some of them written, and then a pause: the
busier the API server is, the later they come, and the sooner the statuses. A single request beside nothing else takes
the operator three times the processor time that it takes among others, so they come a few at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

import structlog

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.clients.errors import KubernetesError, ThrottledError, TroubleError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.recent import Recent
from buildandpush.core import naming
from buildandpush.core.backoff import doubled_seconds
from buildandpush.core.build.world import Announce
from buildandpush.core.facts import Owner
from buildandpush.handlers.workqueue.queue import FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS, WorkQueue

_log = structlog.get_logger(__name__)

NAMESPACES: Final = 4
"""Namespaces whose Events are written at the same time. A slow webhook of one holds up none of another."""
AT_ONCE: Final = 4
"""Events of a namespace that are written at the same time."""
IN_A_ROW: Final = 20
"""Events of a namespace that are written before a pause."""
PAUSES: Final = 4
"""A pause is so many times as long as the API server took for these Events, one after the other."""
LONGEST_PAUSE_SECONDS: Final = 1.0
"""For each of them."""
MOST_WAITING: Final = 10_000
"""Some MiB. Whoever has one more writes it itself."""
MOST_TRIES: Final = 6
"""An Event that the API server does not answer is given up after so many, which take some seconds and more."""

Tell = Callable[[Owner, Announce, datetime], Awaitable[None]]
"""Has an Event written about a resource: what it says, and when that was so."""


@dataclass
class _Row:
    """Events of a namespace that are written before a pause."""

    left: deque[str]
    """Their names, as long as nobody has begun with them."""
    spent: float = 0.0
    """Seconds that the API server took for them, one after the other."""
    unanswered: UnavailableError | None = None


class Announcements:
    """Events that are to be written."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._waiting: dict[str, dict[str, tuple[Manifest, int]]] = {}
        """By namespace and name, with how often each was tried."""
        self._count = 0
        """Of all that wait."""
        self._hurries = False
        self._paused_until: Recent[str, float] = Recent()
        """When the pauses of namespaces end, by the event loop's clock."""
        self._queue: WorkQueue[str] = WorkQueue(self._write_row, workers=NAMESPACES)

    async def tell(self, owner: Owner, action: Announce, now: datetime) -> None:
        """Have an Event written soon. It waits only where too many wait already."""
        event = build_event(owner, action, now)
        if self._count >= MOST_WAITING:
            await self._send(event)
            return
        if owner.namespace not in self._waiting:  # else it has its turn already, perhaps after a pause or a failure
            self._waiting[owner.namespace] = {}
            left = (self._paused_until.get(owner.namespace) or 0.0) - asyncio.get_running_loop().time()
            self._queue.add(owner.namespace, max(0.0, left))
        waiting, name = self._waiting[owner.namespace], event["metadata"]["name"]
        self._count += name not in waiting
        waiting.setdefault(name, (event, 0))

    async def write(self, owner: Owner, action: Announce, now: datetime) -> None:
        """Write an Event at once."""
        await self._send(build_event(owner, action, now))

    async def run(self) -> None:
        """Write until cancelled."""
        await self._queue.run()

    async def flush(self, timeout_seconds: float) -> None:
        """Wait until all that was told is written, or the time is over."""
        waiting, self._hurries = self._count, True
        for namespace in self._waiting:
            self._queue.add(namespace)  # without the rest of its pause
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._queue.rest()
        except TimeoutError:
            _log.warning("events.not_written", waiting=self._count, before=waiting)

    def count_waiting(self) -> int:
        """How many Events wait to be written."""
        return self._count

    async def _write_row(self, namespace: str) -> float | None:
        """Write the Events of a namespace that wait longest. Returns the seconds until the next row."""
        row = _Row(deque(islice(self._waiting.get(namespace, ()), IN_A_ROW)))
        count = len(row.left)
        writers = (self._write_in_turn(namespace, row) for _ in range(min(AT_ONCE, count)))
        for error in await asyncio.gather(*writers, return_exceptions=True):
            if error is not None:
                raise error
        if isinstance(row.unanswered, ThrottledError):
            raise row.unanswered  # the queue has every namespace wait
        pause = 0.0 if self._hurries else min(PAUSES * row.spent, LONGEST_PAUSE_SECONDS * count)
        self._paused_until.put(namespace, asyncio.get_running_loop().time() + pause)
        waiting = self._waiting.get(namespace)
        if waiting is None:
            return None
        tries = next(tries for _, tries in waiting.values())
        if row.left:  # the API server is away
            tries = max(tries, 1)
        return max(pause, doubled_seconds(tries - 1, FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS) if tries else 0.0)

    async def _write_in_turn(self, namespace: str, row: _Row) -> None:
        """Write what is left of a row. What gets no answer goes behind all that waits, and may fare better then. Where
        the API server gives none at all, the rest of the row is left alone."""
        loop = asyncio.get_running_loop()
        while row.left and _goes_on(row):
            name, began = row.left.popleft(), loop.time()
            event, tries = self._waiting[namespace][name]
            try:
                await self._send(event, is_last=tries + 1 == MOST_TRIES)
            except UnavailableError as error:
                del self._waiting[namespace][name]
                self._waiting[namespace][name] = (event, tries + 1)
                if row.unanswered is None or isinstance(row.unanswered, TroubleError):
                    row.unanswered = error
            else:
                self._drop(namespace, name)
            row.spent += loop.time() - began

    def _drop(self, namespace: str, name: str) -> None:
        """An Event needs to wait no longer."""
        waiting = self._waiting[namespace]
        del waiting[name]
        self._count -= 1
        if not waiting:
            del self._waiting[namespace]

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


def _goes_on(row: _Row) -> bool:
    return row.unanswered is None or isinstance(row.unanswered, TroubleError)


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
