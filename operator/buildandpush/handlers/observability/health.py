"""What the kubelet's probes are told: if the operator goes on, and if it can do its work.

The two answers differ where a restart would help nothing: an operator that the API server refuses is alive and not
ready.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import structlog
from aiohttp import web

from buildandpush.handlers.observability.looplag import LoopLag
from buildandpush.handlers.observability.metrics import CONTENT_TYPE, Metrics

_log = structlog.get_logger(__name__)

STALE_SECONDS: Final = 300.0
"""A loop that has not come round for so long hangs. The slowest one sleeps for two minutes."""

WATCH_SECONDS: Final = 60.0
"""A watch that lives for so long counts as established."""

_WATCH_FAILURES: Final = 3
"""As many short-lived watches in a row are a loop of restarts."""

REFUSED_SECONDS: Final = 30.0
"""A watch that is refused for so long in a row is no passing trouble. An API server that has just started knows no
roles for a moment."""
_FORBIDDEN: Final = 403
_ALLOW: Final = "let the operator's role 'watch' them, as the chart does"


class Loop(StrEnum):
    """What has to come round again and again."""

    LEASE = "lease"
    LIST = "list"


@dataclass
class _Refused:
    """A watch that the API server has refused each time since the first one."""

    first: float
    last: float
    is_told: bool = False

    @property
    def lasts(self) -> bool:
        return self.last - self.first >= REFUSED_SECONDS


class Health:
    """Collects signs of life from the operator's loops. Does no I/O itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.tasks: list[asyncio.Task[Any]] = []
        """Tasks that end only when the operator does."""
        self.stalled_seconds: Callable[[], float] = lambda: 0.0
        """For how long the work queue has neither begun nor ended anything though it works on something."""
        self._turns: dict[Loop, tuple[float, str]] = {}
        self._watch_failures = 0
        self._watch_began = 0.0
        self._watch_problem: tuple[float, str] = (0.0, "")
        self._refused: dict[str, _Refused] = {}
        """By what is watched."""

    def turn(self, loop: Loop, problem: str = "") -> None:
        """A loop came round. `problem` says why it achieved nothing, for people who may see the operator's pod."""
        self._turns[loop] = (self._clock(), problem)

    def watch_began(self) -> None:
        """A watch is being set up."""
        self._watch_began = self._clock()

    def watch_failed(self, problem: str) -> bool:
        """A watch ended by an error. Says if it had been established, so that this is its first failure."""
        now = self._clock()
        lived = now - self._watch_began >= WATCH_SECONDS
        self._watch_failures = 1 if lived else self._watch_failures + 1
        self._watch_problem = (now, problem)
        return lived

    def watch_answered(self, what: str, status: int | None) -> None:
        """The API server answered a watch of `what`, such as pods, with this status; None: it gave no answer.

        A role may let the operator list something and not watch it. Then the operator works, and hears of changes late.
        """
        if status != _FORBIDDEN:
            before = self._refused.pop(what, None)
            if before is not None and status is not None and status < 400:
                self._watch_failures = 0  # the refusal was what ended kopf's watches
            return
        now = self._clock()
        refused = self._refused.setdefault(what, _Refused(now, now))
        refused.last = now
        if refused.lasts and not refused.is_told:
            refused.is_told = True
            _log.warning("watch.refused", what=what, remedy=_ALLOW)

    def find_hang(self) -> str | None:
        """What stands still, so that only a restart helps."""
        ended = next((task.get_name() for task in self.tasks if task.done()), None)
        if ended is not None:
            return f"the task {ended!r} has ended"
        for loop, (at, _) in self._turns.items():
            if self._clock() - at > STALE_SECONDS:
                return f"the {loop} loop has not come round for {self._clock() - at:.0f} s"
        stalled = self.stalled_seconds()
        return f"no pass over a resource has ended for {stalled:.0f} s" if stalled > STALE_SECONDS else None

    def find_trouble(self) -> str | None:
        """Why the operator cannot do its work, as the replica that acts or as one that stands by."""
        unseen = next((what for what, refused in self._refused.items() if refused.lasts), None)
        if unseen is not None:
            late = "so changes are seen up to two minutes late"
            return f"the API server refuses the watch of {unseen} (403), {late}; {_ALLOW}"
        at, problem = self._watch_problem
        if self._watch_failures >= _WATCH_FAILURES and self._clock() - at < WATCH_SECONDS:
            return f"the watch ends again and again: {problem}"
        refused = next((f"{loop}: {text}" for loop, (_, text) in self._turns.items() if text), None)
        return self.find_hang() or refused


async def serve_health(
    port: int, health: Health, lag: LoopLag | None = None, metrics: Metrics | None = None
) -> web.AppRunner:
    """Answer /healthz (alive), /readyz (able to work), /loopz (for how long the event loop stood still) and /metrics
    until the runner is cleaned up."""
    told = metrics or Metrics()

    def answer(find: Callable[[], str | None]) -> Callable[[web.Request], Any]:
        async def handle(_: web.Request) -> web.Response:
            problem = find()
            return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

        return handle

    async def tell_lag(_: web.Request) -> web.Response:
        return web.Response(text=str(lag or LoopLag()))

    async def tell_metrics(_: web.Request) -> web.Response:
        return web.Response(body=told.render(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/healthz", answer(health.find_hang))
    app.router.add_get("/readyz", answer(health.find_trouble))
    app.router.add_get("/loopz", tell_lag)
    app.router.add_get("/metrics", tell_metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
