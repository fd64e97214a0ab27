"""An event loop whose clock jumps to the next timer as soon as nothing else is left to do."""

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """Hours pass in no time, in the order in which they would pass."""

    _fake_now = 0.0

    def time(self) -> float:
        return self._fake_now

    def _run_once(self) -> None:
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if scheduled and not self._ready:  # type: ignore[attr-defined]
            self._fake_now = max(self._fake_now, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


def run_in_fake_time(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run without waiting."""
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(main)
