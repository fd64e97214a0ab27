"""Leadership by a Lease: at most one operator acts.

The client library's own election lets a leader go on past its deadline, and it cannot create its Lease in all cases.
This one counts a renewal from before its request was sent, by a clock that nobody sets.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from buildandpush.clients.errors import NotFoundError, UnavailableError
from buildandpush.clients.pause import pause
from buildandpush.core.leadership import (
    DURATION_SECONDS,
    RELEASED_SECONDS,
    Seen,
    Step,
    build_lease_spec,
    deadline_seconds,
    decide_step,
    observe_lease,
)

_log = structlog.get_logger(__name__)

RENEW_SECONDS: Final = 2.0
_CALL_SECONDS: Final = 5.0


class LeaseStore(Protocol):
    """The requests about one Lease; `version` guards against a change in between."""

    async def read_lease(self, namespace: str, name: str) -> dict[str, Any]: ...

    async def create_lease(self, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]: ...

    async def patch_lease(self, namespace: str, name: str, version: str, spec: dict[str, Any]) -> dict[str, Any]: ...


class Lease:
    """One operator's part in the election."""

    def __init__(
        self,
        store: LeaseStore,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        duration: float = DURATION_SECONDS,
        on_turn: Callable[[str], None] = lambda problem: None,
    ) -> None:
        """`identity` must differ between processes that may run at the same time. The pod's name does, and it stays the
        same when the kubelet starts the container again, so that one need not wait for its own Lease to run out.
        `on_turn` is called after each look at the Lease, with what went wrong or with nothing.
        """
        self._store = store
        self._place = (namespace, name)
        self._identity = identity
        self._clock = clock
        self._duration = duration
        self._on_turn = on_turn
        self._seen: Seen | None = None
        self._renewed_at: float | None = None
        self._wait = duration
        """How long the Lease seen last keeps others out, in seconds. That holds when the Lease is deleted, too."""

    def may_act(self) -> bool:
        """Whether this operator is the one that acts, now."""
        return self._may_act_at(self._clock())

    def _may_act_at(self, time: float) -> bool:
        return self._renewed_at is not None and time < self._renewed_at + deadline_seconds(self._duration)

    def check(self) -> None:
        """Raise UnavailableError unless this operator may act."""
        if not self.may_act():
            raise UnavailableError("another operator may be leading by now")

    async def step(self) -> None:
        """Look at the Lease and take or renew it where that is due. Any error counts as a renewal that failed."""
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await self._step()
        except Exception as error:  # any failure at all: the deadline decides what becomes of it
            problem = f"{type(error).__name__}: {error}"
            _log.info("lease.attempt_failed", error=problem)
            self._on_turn(problem)
        else:
            self._on_turn("")

    async def _step(self) -> None:
        began = self._clock()
        try:
            lease = await self._store.read_lease(*self._place)
        except NotFoundError:
            lease = None
        # A Lease counts as unchanged from after the answer, and a renewal from before the request.
        now = self._clock()
        self._seen = observe_lease(lease, self._seen, now) if lease is not None else None
        if self._seen is not None:
            self._wait = max(self._duration, self._seen.duration)
            if self._seen.holder not in ("", self._identity):
                self._renewed_at = None  # another has taken over: its name counts more than our own deadline
        acting = self._may_act_at(began)
        step = decide_step(self._seen, self._identity, now, self._duration, acting=acting)
        if step is Step.WAIT:
            return
        if step is Step.CREATE:
            _log.info("lease.created", wait_seconds=self._wait)
            await self._write(lease, "", self._wait)
            return
        await self._write(lease, self._identity, self._duration)
        self._renewed_at = began

    async def _write(self, lease: dict[str, Any] | None, holder: str, duration: float) -> None:
        spec = build_lease_spec(self._seen, holder, datetime.now(UTC), duration)
        if lease is None:
            lease = await self._store.create_lease(*self._place, spec)
        else:
            version = lease["metadata"]["resourceVersion"]
            lease = await self._store.patch_lease(*self._place, version, spec)
        self._seen = observe_lease(lease, self._seen, self._clock())

    async def wait_until_leading(self, stop: asyncio.Event) -> bool:
        """Try until this operator leads. False if it was told to stop before."""
        waiting = False
        while not stop.is_set():
            await self.step()
            if self.may_act():
                _log.info("lease.leading", identity=self._identity)
                return True
            if not waiting:
                waiting = True
                _log.info("lease.standing_by", holder=self._seen.holder if self._seen else None)
            await pause(stop, RENEW_SECONDS)
        return False

    async def keep(self) -> None:
        """Renew until the lease is lost, then return."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.step()
            if not self.may_act():
                _log.error("lease.lost", identity=self._identity)
                return

    async def release(self) -> None:
        """Let another take over at once, if this operator still leads."""
        if not self.may_act():
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                lease = await self._store.read_lease(*self._place)
                seen = observe_lease(lease, self._seen, self._clock())
                if seen.holder == self._identity:
                    spec = build_lease_spec(seen, "", datetime.now(UTC), RELEASED_SECONDS)
                    await self._store.patch_lease(*self._place, lease["metadata"]["resourceVersion"], spec)
        except Exception as error:  # it runs out by itself
            _log.info("lease.not_released", error=f"{type(error).__name__}: {error}")
