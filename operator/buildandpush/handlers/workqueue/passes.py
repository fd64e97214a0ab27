"""Calls the work on each resource, measures for how long it holds the event loop, and keeps suspects apart.

All resources share one event loop. While a pass computes, nothing else goes on: no other build, no renewal of the
lease, no answer to a probe. So a pass that takes long names its resource, and one whose resource held everything up
time and again waits until no other goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable
from functools import partial
from types import coroutine
from typing import Any, Final, Generic, TypeVar

import structlog

from buildandpush.handlers.workqueue.journal import SUSPECT_STRIKES, Journal

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_log = structlog.get_logger(__name__)

SLOW_SECONDS: Final = 2.0
"""Of a pass at work, its waits not counted. Usual are some hundredths."""
STRIKE_SECONDS: Final = 5.0
"""Of a pass at work. The lease is lost after 10 s without a renewal."""
FIRST_PATIENCE_SECONDS: Final = 60.0
LAST_PATIENCE_SECONDS: Final = 3600.0
"""How long a suspect waits for a moment without other passes; with each further strike twice as long."""
_LOOK_AGAIN_SECONDS: Final = 1.0
_QUIET_SECONDS: Final = 0.1
"""Since the end of the last pass. In a shorter time the queue may not have begun what waited for a place."""
_ALONE_SECONDS: Final = 10.0
"""How long the others wait for a suspect, and a suspect for the others that are under way."""


class Passes(Generic[K]):
    """`run` is what the work queue calls."""

    def __init__(
        self,
        work: Callable[[K], Coroutine[Any, Any, float | None]],
        journal: Journal,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`clock` counts seconds and measures the work; waits are measured by the event loop's own."""
        self._work = work
        self._journal = journal
        self._clock = clock
        self._active = 0
        self._quiet = asyncio.Event()
        """Set while no pass is under way."""
        self._quiet.set()
        self._ended_at = -_QUIET_SECONDS
        """When the last pass ended."""
        self._waiting_since: dict[K, float] = {}
        """Suspects that wait for their turn."""
        self._alone: asyncio.Event | None = None
        """While a suspect has its turn: to be set at its end."""

    async def run(self, key: K) -> float | None:
        """One pass over a resource; gives back after how many seconds to come again, if at all."""
        if self._journal.strikes(str(key)) < SUSPECT_STRIKES:
            if self._alone is not None:
                await _wait(self._alone.wait())
            return await self._measure(key)
        if not self._is_its_turn(key):
            return _LOOK_AGAIN_SECONDS
        self._waiting_since.pop(key, None)
        self._alone = turn = asyncio.Event()
        try:
            await _wait(self._quiet.wait())
            _log.warning("pass.alone", key=str(key), strikes=self._journal.strikes(str(key)))
            return await self._measure(key)
        finally:
            self._alone = None
            turn.set()

    def _is_its_turn(self, key: K) -> bool:
        """Whether a suspect may go: it waits for a moment already, and nothing else is under way, or it waits for long.
        After a start it is as likely as not the first that a worker gets hold of."""
        now = asyncio.get_running_loop().time()
        since = self._waiting_since.setdefault(key, now)
        if self._alone is not None or now == since:
            return False
        doublings = min(self._journal.strikes(str(key)) - SUSPECT_STRIKES, 10)
        patience = min(FIRST_PATIENCE_SECONDS * 2**doublings, LAST_PATIENCE_SECONDS)
        is_quiet = self._active == 0 and now - self._ended_at >= _QUIET_SECONDS
        return is_quiet or now - since >= patience

    async def _measure(self, key: K) -> float | None:
        meter = _Meter(str(key), self._journal, self._clock)
        self._active += 1
        self._quiet.clear()
        try:
            return await _in_steps(self._work(key), meter)
        finally:
            self._active -= 1
            self._ended_at = asyncio.get_running_loop().time()
            if not self._active:
                self._quiet.set()
            if meter.seconds >= SLOW_SECONDS:
                _log.warning("pass.slow", key=meter.key, seconds=round(meter.seconds, 1))
            if meter.seconds >= STRIKE_SECONDS:
                self._journal.strike(meter.key, f"its pass held the event loop for {meter.seconds:.0f} s")
            else:
                self._journal.acquit(meter.key)


class _Meter:
    """Adds up for how long the steps of one pass took."""

    def __init__(self, key: str, journal: Journal, clock: Callable[[], float]) -> None:
        self.key = key
        self.seconds = 0.0
        self._journal = journal
        self._clock = clock

    def step(self, advance: Callable[[], T]) -> T:
        """One step, from where the pass goes on to where it waits again."""
        began = self._clock()
        self._journal.begin(self.key)
        try:
            return advance()
        finally:
            self._journal.end()
            self.seconds += self._clock() - began


@coroutine
def _in_steps(work: Coroutine[Any, Any, T], meter: _Meter) -> Generator[Any, Any, T]:
    """Await `work`, as `await work` does, each of its steps through the meter."""
    advance: Callable[[], Any] = partial(work.send, None)
    while True:
        try:
            waited_for = meter.step(advance)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            given = yield waited_for
        except BaseException as error:
            advance = partial(work.throw, error)
        else:
            advance = partial(work.send, given)


async def _wait(something: Awaitable[Any]) -> None:
    """Wait for something, but not for long."""
    try:
        async with asyncio.timeout(_ALONE_SECONDS):
            await something
    except TimeoutError:
        return
