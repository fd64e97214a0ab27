"""Measures for how long the event loop stands still. Nothing goes on meanwhile, the renewal of the lease included."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

_log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 0.1
TOLD_SECONDS: Final = 0.5


class LoopLag:
    """Looks ten times a second, and keeps the longest times that it had to wait."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        processor: Callable[[], float] = time.thread_time,
        on_look: Callable[[float], None] = lambda held: None,
    ) -> None:
        """Both count seconds: of time, and of the processor's work for the event loop's thread. `on_look` is called
        with the seconds of each time that the event loop stood still."""
        self._clock = clock
        self._on_look = on_look
        self._processor = processor
        self.held_seconds = 0.0
        """The longest time that the event loop stood still, for whatever cause."""
        self.busy_seconds = 0.0
        """The longest of them that it was at work, rather than that the machine had no time for it."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began, worked = self._clock(), self._processor()
            await asyncio.sleep(PERIOD_SECONDS)
            self.note(self._clock() - began - PERIOD_SECONDS, self._processor() - worked)

    def note(self, held: float, worked: float) -> None:
        """The event loop came round so many seconds late, and worked for so many."""
        self._on_look(held)
        busy = min(held, worked)
        self.held_seconds = max(self.held_seconds, held)
        self.busy_seconds = max(self.busy_seconds, busy)
        if held > TOLD_SECONDS:
            _log.warning("loop.held", seconds=round(held, 2), busy_seconds=round(busy, 2))

    def __str__(self) -> str:
        return f"loop_held_seconds_max {self.held_seconds:.3f}\nloop_busy_seconds_max {self.busy_seconds:.3f}\n"
