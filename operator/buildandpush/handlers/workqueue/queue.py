"""A work queue of keys: deduplicating, each key once at a time, bounded concurrency, backoff, due times.

kopf's own event handlers drop an object whose handler failed; a key in this queue stays until its work succeeds.
Namespaces have their turns one after the other (turns.py). So none waits behind the many or slow keys of another.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeVar

import structlog

from buildandpush.clients.errors import KubernetesError, ThrottledError, UnavailableError
from buildandpush.core.backoff import doubled_seconds
from buildandpush.handlers.workqueue.turns import Turns

K = TypeVar("K", bound=Hashable)

_log = structlog.get_logger(__name__)

FIRST_BACKOFF_SECONDS: Final = 0.5
LAST_BACKOFF_SECONDS: Final = 60.0
LEAST_PAUSE_SECONDS: Final = 1.0
"""For an API server that has too many requests and does not say for how long. It says 1 s itself where it does."""
OUTAGE_LOG_SECONDS: Final = 60.0
"""How often it is said that the API server is away."""
_HEAP_SLACK: Final = 64


class WorkQueue(Generic[K]):
    """Calls `work(key)` for every added key, at most `workers` at a time and never twice at once for one key. At most a
    quarter of the workers, and at least one, are for the keys of one namespace.

    `work` returns the seconds after which it wants to be called again, or None. If it raises, it is called again
    after a backoff that doubles from 0.5 s to 60 s, and not before the API server wants to be asked again.
    """

    def __init__(
        self,
        work: Callable[[K], Awaitable[float | None]],
        *,
        workers: int,
        clock: Callable[[], float] | None = None,
        namespace_of: Callable[[K], Hashable] = lambda key: key,
        on_done: Callable[[K, float, BaseException | None], None] = lambda key, seconds, error: None,
    ) -> None:
        """`clock` gives seconds; by default the event loop's own, which never jumps. `namespace_of` tells whose a key
        is; by default each key stands for itself. `on_done` is called after each call of `work` with the seconds that
        it took and the error that it raised."""
        self._work = work
        self._clock = clock
        self._on_done = on_done
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._turns: Turns[K] = Turns(workers, namespace_of, lambda item: self._due.get(item[2]) != item[0])
        self._moved_at = 0.0
        """When work on a key began or ended last."""
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._draining = False
        self._stopped = False
        self._paused_until = -math.inf
        """The API server wants no requests before."""
        self._told_at: float | None = None
        """When it was last said that the API server is away."""
        self._unanswered = 0
        """How many calls of `work` have failed for that since then."""
        self.completed = 0
        """How many calls of `work` have ended, well or not."""

    def add(self, key: K, delay_seconds: float = 0.0) -> None:
        """Ask for work on a key, after a delay. The earliest of several wishes holds."""
        when = self._now() + delay_seconds
        if key in self._due and self._due[key] <= when:
            return
        self._due[key] = when
        heapq.heappush(self._heap, (when, next(self._order), key))
        if len(self._heap) > 2 * len(self._due) + _HEAP_SLACK:
            self._forget_old_wishes()
        self._changed.set()

    def _forget_old_wishes(self) -> None:
        """An earlier wish for a key leaves the later one on the heap, perhaps for days."""
        self._heap = [item for item in self._heap if self._due.get(item[2]) == item[0]]
        heapq.heapify(self._heap)

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    def stalled_seconds(self) -> float:
        """For how many seconds no work has begun or ended while some is under way."""
        return self._now() - self._moved_at if self._turns.running else 0.0

    def backlog(self) -> tuple[int, float]:
        """How many keys are due and wait for a worker, and for how many seconds the first of them has waited."""
        now = self._now()
        due = [when for when in self._due.values() if when <= now]
        return len(due), now - min(due, default=now)

    def __len__(self) -> int:
        return len(self._due) + len(self._turns.running)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            try:
                await self._hand_out(group)
            finally:
                self._stopped = True  # before the group cancels the workers

    async def _hand_out(self, group: asyncio.TaskGroup) -> None:
        while True:
            key = self._claim()
            if key is not None:
                worker = group.create_task(self._run_once(key), name=f"work on {key}")
                worker.add_done_callback(partial(self._note_end, key))
                await asyncio.sleep(0)  # everything else has its turn between the beginnings of two passes
                continue
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_until_due()):
                    await self._changed.wait()

    async def drain(self, timeout_seconds: float) -> None:
        """Start nothing new, and wait until all work has ended or the time is over."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._turns.running:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            _log.warning("queue.drain_timed_out", running=[str(key) for key in self._turns.running])

    async def rest(self) -> None:
        """Wait until no key is worked on, and none waits for that."""
        while len(self):
            self._idle.clear()
            await self._idle.wait()

    def _note_end(self, key: K, worker: asyncio.Task[None]) -> None:
        if worker.cancelled() and not self._stopped:  # before it began
            self.add(key)
        self._release(key)

    async def _run_once(self, key: K) -> None:
        began = self._now()
        try:
            delay = await self._work(key)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and self._stopped:
                raise  # else somebody else has cancelled it: kopf does, at its end, to all tasks made while it ran
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            asked = error.retry_after_seconds if isinstance(error, UnavailableError) else 0
            doubled = doubled_seconds(failures - 1, FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS)
            delay = min(max(doubled, asked), LAST_BACKOFF_SECONDS)
            if isinstance(error, ThrottledError):
                self._pause(min(max(asked, LEAST_PAUSE_SECONDS), LAST_BACKOFF_SECONDS))
            self._log_failure(key, error, failures, delay)
            self._on_done(key, self._now() - began, error)
        else:
            self._failures.pop(key, None)
            self._on_done(key, self._now() - began, None)
        if delay is not None:
            self.add(key, delay)

    def _pause(self, seconds: float) -> None:
        """Begin no work for so long: any other request would be one too many as well."""
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def _log_failure(self, key: K, error: BaseException, failures: int, delay: float) -> None:
        """An API server that is away fails every key, so that is said once a minute and not for each. What it refuses
        is said in its words. Only what nobody foresaw needs a traceback."""
        if isinstance(error, UnavailableError):
            self._unanswered += 1
            if self._told_at is None or self._now() >= self._told_at + OUTAGE_LOG_SECONDS:
                _log.warning("queue.server_away", key=str(key), error=str(error), failed=self._unanswered)
                self._told_at, self._unanswered = self._now(), 0
        elif isinstance(error, KubernetesError):
            _log.warning("queue.work_refused", key=str(key), error=str(error), failures=failures, retry_seconds=delay)
        else:
            _log.warning("queue.work_failed", key=str(key), failures=failures, retry_seconds=delay, exc_info=True)

    def _claim(self) -> K | None:
        """Take the key whose turn it is; None if none may begin now."""
        now = self._now()
        while self._heap and self._heap[0][0] <= now:
            item = heapq.heappop(self._heap)
            if self._due.get(item[2]) == item[0]:  # otherwise an earlier wish took its place
                self._turns.add(item)
        key = None if self._draining or now < self._paused_until else self._turns.take()
        if key is not None:
            del self._due[key]
            self._moved_at = now
        return key

    def _release(self, key: K) -> None:
        """Work on a key that was taken has ended."""
        self._turns.end(key)
        self._moved_at = self._now()
        self.completed += 1
        self._changed.set()
        self._idle.set()

    def _seconds_until_due(self) -> float | None:
        """When to look again: at the next due time. None: not before something changes."""
        left = self._paused_until - self._now()
        if left > 0:
            return left
        if self._draining or self._turns.is_full or not self._heap:
            return None
        return max(0.0, self._heap[0][0] - self._now())
